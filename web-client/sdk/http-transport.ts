// A transport over plain HTTP, for networks that block WebSockets: one event stream per joined queue, and polling if an
// intermediary buffers the stream. Emits the same messages as a socket, so callers need not distinguish them.
import { backoffMs } from "./backoff";
import { BAD_TOKEN } from "./close-codes";
import { type Carrier, type Transport, StatefulTransport } from "./transport";
import type { ClientMessage, ClientMessages, ServerMessage, ServerMessages } from "./messages";
import { Problem } from "./problem";
import type { Place } from "./openapi";
import type { Rest } from "./rest";
import { retryDelayMs } from "./retry";

/** A user who polls stays present for at least three of these intervals. */
const POLL_INTERVAL_MS = 5_000;
/** A stream without data for this long is dead or buffered by an intermediary. Servers send at least every 25 s. */
const STREAM_TIMEOUT_MS = 40_000;
/** Servers send the first event at once. */
const FIRST_EVENT_TIMEOUT_MS = 6_000;
/** Number of polls after which the stream is tried again. */
const POLLS_BEFORE_STREAM_RETRY = 12;
/** The service's own answer to an unknown route. It says nothing about the place: a proxy may be changing its routes. */
const UNROUTED_CODES = ["NOT_FOUND", "METHOD_NOT_ALLOWED"];

interface Subscription {
  join: ClientMessages["join"];
  stop: AbortController;
  pass?: string | undefined;
  polls: number;
  /** Ends the current wait or stream at once. */
  wake: () => void;
}

export class HttpTransport extends StatefulTransport implements Transport {
  readonly #rest: Rest;
  readonly #userId: () => string;
  readonly #random: () => number;
  readonly #subscriptions = new Map<string, Subscription>();

  constructor(rest: Rest, userId: () => string, random: () => number) {
    super();
    this.#rest = rest;
    this.#userId = userId;
    this.#random = random;
  }

  /** No request is due before the first join; its response decides whether the state becomes `connected`. */
  open(): void {
    if (!this.isClosed) return;
    // Not reported: to the user, this is the same attempt as the socket's.
    this.current = { state: "connecting" };
    this.emit("connected", { user_id: this.#userId() } as ServerMessages["connected"]);
  }

  close(): void {
    for (const { join } of this.#subscriptions.values()) this.#unsubscribe(join.event_id);
    this.setState({ state: "idle" });
  }

  send(message: ClientMessage): boolean {
    if (this.isClosed) return false;
    if (message.type === "join") void this.#subscribe(message);
    else if (message.type === "leave") this.#replyTo(message.event_id, this.#leave(message.event_id));
    else if (message.type === "reserve") this.#replyTo(message.idempotency_key, this.#reserve(message));
    return true;
  }

  probe(): void {
    for (const subscription of this.#subscriptions.values()) subscription.wake();
  }

  async #subscribe(join: ClientMessages["join"]): Promise<void> {
    const eventId = join.event_id;
    this.#unsubscribe(eventId);
    const subscription: Subscription = { join, stop: new AbortController(), polls: 0, wake: () => {} };
    this.#subscriptions.set(eventId, subscription);

    let failures = 0;
    for (let joined = false; !subscription.stop.signal.aborted; ) {
      try {
        if (joined) await this.#streamOrPoll(subscription);
        else this.#onPlace(subscription, await this.#rest.join(subscription.join), "polling");
        joined = true;
        failures = 0;
      } catch (error) {
        if (subscription.stop.signal.aborted) return;
        joined = false; // if the server lost the queue, only a join with the ticket restores the place
        const in_ms = this.#onFailure(eventId, error, failures++);
        if (in_ms !== undefined) await this.#sleep(subscription, in_ms);
      }
    }
  }

  /** Returns when the stream ends, or after one poll. */
  async #streamOrPoll(subscription: Subscription): Promise<void> {
    if (subscription.polls > 0) return this.#poll(subscription);
    let received = false;

    try {
      for await (const { name, data } of this.#stream(subscription)) {
        received = true;
        const value = JSON.parse(data);
        if (name === "position") this.#onPlace(subscription, value, "stream");
        if (name === "state") this.#emitMessage({ type: "event", ...value });
        if (name === "error") throw Problem.read(value, 0);
      }
    } catch (error) {
      // Only the service's own refusal ends the subscription; a broken stream does not.
      if ((error as Problem).status) throw error;
    }

    if (!received) subscription.polls = POLLS_BEFORE_STREAM_RETRY;
    // A draining node ends all its streams at the same moment: spread the reconnects.
    else await this.#sleep(subscription, backoffMs(0, this.#random()));
  }

  async *#stream(subscription: Subscription) {
    const request = new AbortController();
    const end = () => request.abort();
    subscription.wake = end; // also called when the subscription stops

    let timeout = setTimeout(end, FIRST_EVENT_TIMEOUT_MS);
    try {
      for await (const event of this.#rest.stream(subscription.join.event_id, request.signal)) {
        clearTimeout(timeout);
        timeout = setTimeout(end, STREAM_TIMEOUT_MS);
        if (event) yield event;
      }
    } finally {
      clearTimeout(timeout);
    }
  }

  async #poll(subscription: Subscription): Promise<void> {
    subscription.polls--;
    await this.#sleep(subscription, POLL_INTERVAL_MS * (0.75 + this.#random() / 2));
    const { event_id } = subscription.join;
    this.#onPlace(subscription, await this.#rest.place(event_id), "polling");
    this.#emitMessage({ type: "event", ...(await this.#rest.status(event_id)) });
  }

  #onPlace(subscription: Subscription, place: Place, via: Carrier): void {
    if (subscription.stop.signal.aborted) return;
    if (this.current.state !== "connected" || this.current.via !== via) this.setState({ state: "connected", via });
    const { is_ready, pass_id, queue_pass, queue_pass_expires_at: expires_at, hold, left, ...rest } = place;
    subscription.pass = queue_pass;
    subscription.join = { ...subscription.join, ...place };
    if (!is_ready || !queue_pass) return this.#emitMessage({ type: "queued", ...rest });
    this.#emitMessage({ type: "pass", event_id: place.event_id, pass_id: pass_id!, queue_pass, expires_at: expires_at!, hold, left });
  }

  async #leave(event_id: string): Promise<void> {
    this.#unsubscribe(event_id);
    await this.#rest.leave(event_id);
    this.#emitMessage({ type: "left", event_id });
  }

  async #reserve({ type: _, idempotency_key: ref, ...request }: ClientMessages["reserve"]): Promise<void> {
    const pass = this.#subscriptions.get(request.event_id)?.pass ?? "";
    this.#emitMessage({ type: "reserved", ...(await this.#rest.reserve(request, pass, ref)), ref });
  }

  #replyTo(ref: string, request: Promise<void>): void {
    request.catch((error) => this.#emitError(ref, error));
  }

  /** Returns the delay before the next attempt, or undefined if the client stops asking for this queue. */
  #onFailure(eventId: string, error: unknown, failures: number): number | undefined {
    const problem = Problem.from(error);
    if (problem.status === 401) {
      this.close();
      this.setState({ state: "refused", code: BAD_TOKEN, reason: problem.detail });
      return undefined;
    }

    const isTransient = problem.undecided && problem.code !== "QUEUE_FULL";
    if (isTransient || UNROUTED_CODES.includes(problem.code)) {
      const in_ms = retryDelayMs(problem, failures, this.#random());
      this.setState({ state: "reconnecting", in_ms });
      return in_ms;
    }

    this.#unsubscribe(eventId);
    this.#emitError(eventId, problem);
    return undefined;
  }

  #emitError(ref: string, error: unknown): void {
    const { code, detail } = Problem.from(error);
    this.#emitMessage({ type: "error", code, message: detail, ref });
  }

  #emitMessage(message: ServerMessage): void {
    this.emit("message", message);
  }

  #sleep(subscription: Subscription, ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      subscription.wake = () => (clearTimeout(timer), resolve());
    });
  }

  #unsubscribe(eventId: string): void {
    const subscription = this.#subscriptions.get(eventId);
    this.#subscriptions.delete(eventId);
    subscription?.stop.abort();
    subscription?.wake();
  }
}
