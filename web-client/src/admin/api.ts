// The operators' routes, typed, with a deadline on each; and the live figures as they come.
import type { Field } from "../../sdk/shape";
import { Refusal } from "./refusal";
import {
  type AuditPage,
  type History,
  type LookPatch,
  type Moment,
  type NewEvent,
  type Operated,
  type SettingsPatch,
  anything,
  audit,
  inventory,
  live,
  moment,
  operated,
  operatedEvents,
  synced,
  token,
} from "./resources";
import { serverSent } from "./server-sent";

const DEADLINE_MS = 10_000;
/** Without a word for this long a stream is dead: figures come each second. */
const SILENCE_MS = 20_000;
const AGAIN_MS = 1_000;

export interface Watcher {
  begins: (now: Moment, history: History) => void;
  goesOn: (now: Moment) => void;
  /** Until it goes on. */
  breaksOff: () => void;
}

export class Api {
  readonly #base = "/api/v1";
  readonly #token: () => string | undefined;
  readonly #unwelcome: () => void;

  /** `unwelcome` is told when the server does not take the token (any more). */
  constructor(token: () => string | undefined, unwelcome: () => void) {
    this.#token = token;
    this.#unwelcome = unwelcome;
  }

  /** An operator's token for a first look; refused with 404 wherever that is not allowed. */
  async developmentToken(): Promise<string> {
    return (await this.#call("POST", "/dev/token", token, { user: "operator", role: "admin" })).token;
  }

  async events(): Promise<Operated[]> {
    return (await this.#call("GET", "/admin/events", operatedEvents)).events;
  }

  create(event: NewEvent): Promise<Operated> {
    return this.#call("POST", "/admin/events", operated, event);
  }

  async run(event: string, patch: SettingsPatch): Promise<void> {
    await this.#call("PUT", `/admin/events/${event}/queue`, anything, patch);
  }

  async dress(event: string, patch: LookPatch): Promise<void> {
    await this.#call("PUT", `/admin/events/${event}/appearance`, anything, patch);
  }

  audit(event: string, before?: number): Promise<AuditPage> {
    const page = before === undefined ? "" : `&before=${before}`;
    return this.#call("GET", `/admin/audit?event_id=${event}&limit=10${page}`, audit);
  }

  async drift(event: string): Promise<number> {
    return (await this.#call("GET", `/admin/inventory-status?event_id=${event}`, inventory)).drift;
  }

  sync(event: string): Promise<{ zones: number; holds: number; corrected: number }> {
    return this.#call("POST", "/admin/sync-inventory", synced, { event_id: event });
  }

  /** Follows an event's figures over every break of the connection, until `signal`. */
  async watch(event: string, watcher: Watcher, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const { history, ...now } = await this.#call("GET", `/admin/events/${event}/live`, live);
        if (signal.aborted) return;
        watcher.begins(now, history);
        await this.#stream(event, watcher, signal);
      } catch (error) {
        if (signal.aborted || (error instanceof Refusal && (error.unwelcome || error.status === 404))) return;
        watcher.breaksOff();
      }
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS + Math.random() * AGAIN_MS));
    }
  }

  async #stream(event: string, watcher: Watcher, signal: AbortSignal): Promise<void> {
    const silent = new AbortController();
    let timer = setTimeout(() => silent.abort(), SILENCE_MS);
    try {
      const headers = { Accept: "text/event-stream", ...this.#authorization() };
      const both = AbortSignal.any([signal, silent.signal]);
      const response = await fetch(`${this.#base}/admin/events/${event}/live/stream`, { headers, signal: both, cache: "no-store" });
      if (!response.ok) throw await this.#refusal(response);
      if (!response.body || !response.headers.get("Content-Type")?.startsWith("text/event-stream")) throw Refusal.noAnswer();
      for await (const { name, data } of serverSent(response.body)) {
        clearTimeout(timer);
        timer = setTimeout(() => silent.abort(), SILENCE_MS);
        if (name === "live") watcher.goesOn(moment(JSON.parse(data), "live"));
      }
    } finally {
      clearTimeout(timer);
    }
  }

  async #call<T>(method: string, path: string, answer: Field<T>, body?: object): Promise<T> {
    const response = await this.#answer(method, path, body);
    if (!response.ok) throw await this.#refusal(response);
    const answered = await response.json().catch(() => {
      throw Refusal.noAnswer();
    });
    return answer(answered, `${method} ${path}`);
  }

  async #answer(method: string, path: string, body?: object): Promise<Response> {
    const request: RequestInit = {
      method,
      headers: { Accept: "application/json", ...(body && { "Content-Type": "application/json" }), ...this.#authorization() },
      cache: "no-store",
      signal: AbortSignal.timeout(DEADLINE_MS),
    };
    try {
      return await fetch(this.#base + path, body ? { ...request, body: JSON.stringify(body) } : request);
    } catch {
      throw Refusal.noAnswer();
    }
  }

  #authorization(): { Authorization?: string } {
    const token = this.#token();
    return token === undefined ? {} : { Authorization: `Bearer ${token}` };
  }

  async #refusal(response: Response): Promise<Refusal> {
    const refusal = await Refusal.of(response);
    if (refusal.unwelcome) this.#unwelcome();
    return refusal;
  }
}
