// The REST routes of the line, typed, with a deadline on each; and what any other route needs.
import type { ClientMessages } from "./messages";
import { Problem } from "./problem";
import type { Booking, Identity, Place, SaleNews } from "./resources";
import { type SentEvent, sentEvents } from "./sse";

const DEADLINE_MS = 10_000;
/** A `Date` header is cut to the second and has travelled: a smaller difference says nothing. */
const CLOCK_TOLERANCE_MS = 2_000;

export interface RestOptions {
  /** With the version, without a slash at the end: `https://tickets.example/api/v1`. */
  base: string;
  /** Undefined before the user has an identity. */
  token: () => string | undefined;
  fetch?: typeof fetch;
}

export interface Order {
  event_id: string;
  show_id: string;
  zone_id: string;
  quantity: number;
}

export class Rest {
  readonly #options: RestOptions;
  #clockOffsetMs = 0;

  constructor(options: RestOptions) {
    this.#options = options;
  }

  /** The time by the server's last answer, to about two seconds: a countdown must not depend on the device's clock. */
  now(): number {
    return Date.now() + this.#clockOffsetMs;
  }

  /** Undefined where guests are not admitted. */
  async guest(): Promise<Identity | undefined> {
    try {
      return await this.call("POST", "/guest", undefined, {}, "token");
    } catch (error) {
      if (error instanceof Problem && error.status === 404) return undefined;
      throw error;
    }
  }

  place(eventId: string): Promise<Place> {
    return this.call("GET", `/queue/position/${encodeURIComponent(eventId)}`, undefined, {}, "ticket");
  }

  join({ event_id, ticket, position, wish }: Omit<ClientMessages["join"], "type">): Promise<Place> {
    return this.call("POST", "/queue/join", { event_id, ticket, position, wish }, {}, "ticket");
  }

  leave(eventId: string): Promise<unknown> {
    return this.call("DELETE", `/queue/leave?event_id=${encodeURIComponent(eventId)}`);
  }

  status(eventId: string): Promise<SaleNews> {
    return this.call("GET", `/queue/status/${encodeURIComponent(eventId)}`);
  }

  /** The place as server-sent events, until `signal` ends them. */
  stream(eventId: string, signal: AbortSignal): AsyncGenerator<SentEvent | undefined> {
    return this.events(`/queue/position/${encodeURIComponent(eventId)}/stream`, signal);
  }

  /** The same key with the same order never books twice. */
  reserve(order: Order, queuePass: string, idempotencyKey: string): Promise<Booking> {
    const headers = { "X-Queue-Pass": queuePass, "Idempotency-Key": idempotencyKey };
    return this.call("POST", "/bookings/reserve", order, headers, "booking_id");
  }

  /**
   * A request of any route, whose answer is what the server says it is. One without the field `mark` is not the server's: a
   * portal or a proxy may answer 200 as well.
   */
  async call<T>(method: string, path: string, body?: object, headers: Record<string, string> = {}, mark?: string): Promise<T> {
    const response = await this.#fetch(path, {
      method,
      headers: { Accept: "application/json", ...(body && { "Content-Type": "application/json" }), ...headers },
      ...(body && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(DEADLINE_MS),
    });
    try {
      const answer = await response.json();
      if (!mark || mark in answer) return this.#clockBy(response), answer as T;
    } catch {
      // No JSON, or cut off.
    }
    throw Problem.noAnswer();
  }

  /** Any route of server-sent events; undefined is a heartbeat. */
  async *events(path: string, signal: AbortSignal): AsyncGenerator<SentEvent | undefined> {
    const type = "text/event-stream";
    const response = await this.#fetch(path, { headers: { Accept: type }, signal });
    if (!response.body || !response.headers.get("Content-Type")?.startsWith(type)) throw Problem.noAnswer();
    this.#clockBy(response);
    yield* sentEvents(response.body);
  }

  async #fetch(path: string, request: RequestInit): Promise<Response> {
    const token = this.#options.token();
    const headers = { ...request.headers, ...(token && { Authorization: `Bearer ${token}` }) };
    const response = await (this.#options.fetch ?? fetch)(`${this.#options.base}${path}`, {
      ...request,
      headers,
      cache: "no-store",
      credentials: "same-origin",
    }).catch(() => {
      throw Problem.noAnswer();
    });
    if (response.ok) return response;
    const problem = await Problem.of(response);
    if (problem.status) this.#clockBy(response);
    throw problem;
  }

  /** Of the server's own answers only: by another clock an identity could seem to have expired. */
  #clockBy({ headers }: Response): void {
    const offset = Date.parse(headers.get("Date") ?? "") - Date.now();
    if (!Number.isNaN(offset)) this.#clockOffsetMs = Math.abs(offset) > CLOCK_TOLERANCE_MS ? offset : 0;
  }
}
