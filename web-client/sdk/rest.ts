// The REST routes that a shopper needs, typed, with a deadline on each.
import { Problem } from "./problem";
import {
  type Booking,
  type EventDetail,
  type EventSummary,
  type Identity,
  type Place,
  booking,
  bookings,
  eventDetail,
  events,
  identity,
  place,
} from "./resources";
import { type Field, ShapeError } from "./shape";

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

  guest(): Promise<Identity> {
    return this.#call("POST", "/guest", identity);
  }

  async events(): Promise<EventSummary[]> {
    return (await this.#call("GET", "/events", events)).events;
  }

  event(eventId: string): Promise<EventDetail> {
    return this.#call("GET", `/events/${encodeURIComponent(eventId)}`, eventDetail);
  }

  place(eventId: string): Promise<Place> {
    return this.#call("GET", `/queue/position/${encodeURIComponent(eventId)}`, place);
  }

  /** The same key with the same order never books twice. */
  reserve(order: Order, queuePass: string, idempotencyKey: string): Promise<Booking> {
    const headers = { "X-Queue-Pass": queuePass, "Idempotency-Key": idempotencyKey };
    return this.#call("POST", "/bookings/reserve", booking, order, headers);
  }

  confirm(bookingId: string): Promise<Booking> {
    return this.#call("POST", `/bookings/${encodeURIComponent(bookingId)}/confirm`, booking);
  }

  cancel(bookingId: string): Promise<Booking> {
    return this.#call("POST", `/bookings/${encodeURIComponent(bookingId)}/cancel`, booking);
  }

  booking(bookingId: string): Promise<Booking> {
    return this.#call("GET", `/bookings/${encodeURIComponent(bookingId)}`, booking);
  }

  async pending(): Promise<Booking[]> {
    return (await this.#call("GET", "/bookings/pending", bookings)).bookings;
  }

  async #call<T>(
    method: string,
    path: string,
    answer: Field<T>,
    body?: object,
    headers: Record<string, string> = {},
  ): Promise<T> {
    const token = this.#options.token();
    const response = await this.#fetch(`${this.#options.base}${path}`, {
      method,
      headers: {
        Accept: "application/json",
        ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      cache: "no-store",
      credentials: "same-origin",
      signal: AbortSignal.timeout(DEADLINE_MS),
    });
    if (!response.ok) throw await Problem.of(response);
    return this.#read(response, answer, `${method} ${path}`);
  }

  async #fetch(url: string, request: RequestInit): Promise<Response> {
    try {
      const response = await (this.#options.fetch ?? fetch)(url, request);
      const date = Date.parse(response.headers.get("Date") ?? "");
      const offset = date - Date.now();
      if (!Number.isNaN(offset)) this.#clockOffsetMs = Math.abs(offset) > CLOCK_TOLERANCE_MS ? offset : 0;
      return response;
    } catch {
      throw Problem.noAnswer();
    }
  }

  async #read<T>(response: Response, answer: Field<T>, path: string): Promise<T> {
    try {
      return answer(await response.json(), path);
    } catch (error) {
      if (error instanceof ShapeError) console.error("Stanchion answered in a shape this client cannot read:", error);
      throw Problem.noAnswer();
    }
  }
}
