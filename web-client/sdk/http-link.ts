// A link over plain HTTP, for networks that let no WebSocket through: a stream for each line, polling where even a stream is
// held back. It says what a socket would say, so that whoever listens need not know.
import { backoffMs } from "./backoff";
import { BAD_TOKEN } from "./close-codes";
import { type Carrier, type Link, StatedLink } from "./link";
import type { ClientMessage, ClientMessages, ServerMessage } from "./messages";
import { Problem } from "./problem";
import type { Place } from "./resources";
import type { Rest } from "./rest";

/** A place is kept for at least three of these without a word. */
const POLL_MS = 5_000;
/** A stream that says nothing for this long is held back on its way, or dead. Servers speak every 25 s or sooner. */
const SILENCE_MS = 40_000;
/** Its first word comes at once. */
const FIRST_WORD_MS = 6_000;
/** So many polls, then the stream is tried again. */
const POLLS = 12;
/** The server's own word that a path is not served where the request arrived says nothing of the place: routes are being changed. */
const ELSEWHERE = ["NOT_FOUND", "METHOD_NOT_ALLOWED"];

interface Line {
  join: ClientMessages["join"];
  stop: AbortController;
  pass?: string | undefined;
  polls: number;
  /** Ends a wait at once. */
  wake: () => void;
}

export class HttpLink extends StatedLink implements Link {
  readonly #rest: Rest;
  readonly #userId: () => string;
  readonly #random: () => number;
  readonly #lines = new Map<string, Line>();

  constructor(rest: Rest, userId: () => string, random: () => number = Math.random) {
    super();
    this.#rest = rest;
    this.#userId = userId;
    this.#random = random;
  }

  /** There is nothing to reach before a line is asked for: the first answer decides whether this is connected. */
  open(): void {
    if (!this.ended) return;
    this.enter({ state: "connecting" });
    this.emit("connected", { type: "connected", node: "", user_id: this.#userId(), heartbeat_ms: 0 });
  }

  close(): void {
    for (const { join } of this.#lines.values()) this.#drop(join.event_id);
    this.enter({ state: "idle" });
  }

  send(message: ClientMessage): boolean {
    if (this.ended) return false;
    if (message.type === "join") void this.#follow(message);
    else if (message.type === "leave") void this.#leave(message.event_id);
    else if (message.type === "reserve") void this.#reserve(message);
    return true;
  }

  probe(): void {
    for (const line of this.#lines.values()) line.wake();
  }

  async #follow(join: ClientMessages["join"]): Promise<void> {
    const eventId = join.event_id;
    this.#drop(eventId);
    const line: Line = { join, stop: new AbortController(), polls: 0, wake: () => {} };
    this.#lines.set(eventId, line);
    let failures = 0;
    for (let joined = false; !line.stop.signal.aborted; ) {
      try {
        if (joined) await this.#listen(line);
        else this.#place(line, await this.#rest.join(line.join), "polling");
        joined = true;
        failures = 0;
      } catch (error) {
        if (line.stop.signal.aborted) return;
        joined = false; // a line that was lost may know only whoever shows their ticket
        const in_ms = this.#failed(eventId, error, failures++);
        if (in_ms !== undefined) await this.#wait(line, in_ms);
      }
    }
  }

  /** For as long as the stream lasts, or for one poll. */
  async #listen(line: Line): Promise<void> {
    if (line.polls > 0) return this.#poll(line);
    let heard = false;
    try {
      for await (const { name, data } of this.#stream(line)) {
        heard = true;
        const value = JSON.parse(data);
        if (name === "position") this.#place(line, value, "stream");
        if (name === "state") this.#tell({ type: "event", ...value });
        if (name === "error") throw Problem.read(value, 0);
      }
    } catch (error) {
      if (error instanceof Problem && error.status !== 0) throw error;
    }
    if (!heard) line.polls = POLLS;
    // A node that drains ends its streams at the same moment for all.
    else await this.#wait(line, backoffMs(0, this.#random()));
  }

  async *#stream(line: Line) {
    const request = new AbortController();
    const end = () => request.abort();
    line.wake = end;
    line.stop.signal.addEventListener("abort", end);
    let silence = setTimeout(end, FIRST_WORD_MS);
    try {
      for await (const event of this.#rest.stream(line.join.event_id, request.signal)) {
        clearTimeout(silence);
        silence = setTimeout(end, SILENCE_MS);
        if (event) yield event;
      }
    } finally {
      clearTimeout(silence);
      line.stop.signal.removeEventListener("abort", end);
    }
  }

  async #poll(line: Line): Promise<void> {
    line.polls--;
    await this.#wait(line, POLL_MS * (0.75 + this.#random() / 2));
    const { event_id } = line.join;
    this.#place(line, await this.#rest.place(event_id), "polling");
    this.#tell({ type: "event", ...(await this.#rest.status(event_id)) });
  }

  #place(line: Line, place: Place, via: Carrier): void {
    if (line.stop.signal.aborted) return;
    if (this.current.state !== "connected" || this.current.via !== via) this.enter({ state: "connected", via });
    const { is_ready, pass_id, queue_pass, queue_pass_expires_at: expires_at, hold, left, ...rest } = place;
    line.pass = queue_pass;
    line.join = { ...line.join, ...place };
    if (!is_ready || !pass_id || !queue_pass || !expires_at) return this.#tell({ type: "queued", ...rest });
    this.#tell({ type: "pass", event_id: place.event_id, pass_id, queue_pass, expires_at, hold, left });
  }

  async #leave(event_id: string): Promise<void> {
    this.#drop(event_id);
    await this.#answer(event_id, async () => {
      await this.#rest.leave(event_id);
      this.#tell({ type: "left", event_id });
    });
  }

  async #reserve({ type: _, idempotency_key: ref, ...order }: ClientMessages["reserve"]): Promise<void> {
    const pass = this.#lines.get(order.event_id)?.pass ?? "";
    await this.#answer(ref, async () => {
      this.#tell({ type: "reserved", ...(await this.#rest.reserve(order, pass, ref)), ref });
    });
  }

  async #answer(ref: string, act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      this.#refuse(ref, error);
    }
  }

  /** How long to wait before the next attempt; undefined where the line is not asked for any more. */
  #failed(eventId: string, error: unknown, failures: number): number | undefined {
    const problem = error instanceof Problem ? error : Problem.noAnswer();
    if (problem.status === 401) {
      this.close();
      this.enter({ state: "refused", code: BAD_TOKEN, reason: problem.detail });
      return undefined;
    }
    const passing = problem.undecided && problem.code !== "QUEUE_FULL";
    if (passing || problem.status === 429 || ELSEWHERE.includes(problem.code)) {
      const in_ms = (problem.retryAfterSeconds ?? 0) * 1_000 + backoffMs(failures, this.#random());
      this.enter({ state: "reconnecting", in_ms });
      return in_ms;
    }
    this.#drop(eventId);
    this.#refuse(eventId, problem);
    return undefined;
  }

  #refuse(ref: string, error: unknown): void {
    const { code, detail } = error instanceof Problem ? error : Problem.noAnswer();
    this.#tell({ type: "error", code, message: detail, ref });
  }

  #tell(message: ServerMessage): void {
    this.emit("message", message);
  }

  #wait(line: Line, ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      line.wake = () => (clearTimeout(timer), resolve());
    });
  }

  #drop(eventId: string): void {
    const line = this.#lines.get(eventId);
    this.#lines.delete(eventId);
    line?.stop.abort();
    line?.wake();
  }
}
