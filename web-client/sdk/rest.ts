// The REST routes of the line, typed, with a deadline on each; and what any other route needs.
import { Problem } from "./problem";
import { type Booking, type Identity, type Place, type SaleNews, booking, identity, place, saleNews } from "./resources";
import type { Field } from "./shape";

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
      return await this.call("POST", "/guest", identity);
    } catch (error) {
      if (error instanceof Problem && error.status === 404) return undefined;
      throw error;
    }
  }

  place(eventId: string): Promise<Place> {
    return this.call("GET", `/queue/position/${encodeURIComponent(eventId)}`, place);
  }

  join(join: { event_id: string; ticket?: string; wish?: object }): Promise<Place> {
    const { event_id, ticket, wish } = join;
    return this.call("POST", "/queue/join", place, { event_id, ...(ticket && { ticket }), ...(wish && { wish }) });
  }

  leave(eventId: string): Promise<unknown> {
    return this.call("DELETE", `/queue/leave?event_id=${encodeURIComponent(eventId)}`, (value) => value);
  }

  status(eventId: string): Promise<SaleNews> {
    return this.call("GET", `/queue/status/${encodeURIComponent(eventId)}`, saleNews);
  }

  /** The place as server-sent events, until `signal` ends them. */
  stream(eventId: string, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    return this.events(`/queue/position/${encodeURIComponent(eventId)}/stream`, signal);
  }

  /** The same key with the same order never books twice. */
  reserve(order: Order, queuePass: string, idempotencyKey: string): Promise<Booking> {
    const headers = { "X-Queue-Pass": queuePass, "Idempotency-Key": idempotencyKey };
    return this.call("POST", "/bookings/reserve", booking, order, headers);
  }

  /** A request of any route; `answer` reads what comes back. */
  async call<T>(
    method: string,
    path: string,
    answer: Field<T>,
    body?: object,
    headers: Record<string, string> = {},
  ): Promise<T> {
    const response = await this.#fetch(path, {
      method,
      headers: {
        Accept: "application/json",
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(DEADLINE_MS),
    });
    return this.#read(response, answer, `${method} ${path}`);
  }

  /** Any route of server-sent events. */
  async events(path: string, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    const { body } = await this.#fetch(path, { headers: { Accept: "text/event-stream" }, signal });
    if (!body) throw Problem.noAnswer();
    return body;
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
    const offset = Date.parse(response.headers.get("Date") ?? "") - Date.now();
    if (!Number.isNaN(offset)) this.#clockOffsetMs = Math.abs(offset) > CLOCK_TOLERANCE_MS ? offset : 0;
    if (!response.ok) throw await Problem.of(response);
    return response;
  }

  async #read<T>(response: Response, answer: Field<T>, path: string): Promise<T> {
    try {
      return answer(await response.json(), path);
    } catch (error) {
      console.error(error);
      throw Problem.noAnswer();
    }
  }
}
