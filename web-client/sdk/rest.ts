// The REST routes of the queue, typed, with a timeout on each; and generic calls for all other routes.
import { idSegment } from "./ids";
import type { ClientMessages } from "./messages";
import type { Booking, Place, SaleNews as SaleUpdate, Token as Identity } from "./openapi";
import type { Fetch, FetchResponse, Signal } from "./platform";
import { Problem } from "./problem";
import { type ServerSentEvent, parseServerSentEvents } from "./sse";

const REQUEST_TIMEOUT_MS = 10_000;
/** A `Date` header has a resolution of one second plus network latency: smaller differences are ignored. */
const CLOCK_TOLERANCE_MS = 2_000;

export interface RestOptions {
  /** Includes the version and has no trailing slash: `https://tickets.example/api/v1`. */
  base: string;
  /** Undefined before the user has an identity. */
  token: () => string | undefined;
  fetch?: Fetch | undefined;
}

interface Request {
  method?: string;
  headers: Record<string, string>;
  body?: string;
  signal: Signal;
}

/** The seats to reserve. */
export interface ReserveRequest {
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

  /** The server's time, accurate to about two seconds, because countdowns must not depend on the device's clock. */
  now(): number {
    return Date.now() + this.#clockOffsetMs;
  }

  /** Undefined if the server does not admit guests. */
  async guest(): Promise<Identity | undefined> {
    try {
      return await this.call("POST", "/guest", undefined, {}, "token");
    } catch (error) {
      if ((error as Problem).status === 404) return undefined;
      throw error;
    }
  }

  place(eventId: string): Promise<Place> {
    return this.call("GET", `/queue/position/${idSegment(eventId)}`, undefined, {}, "ticket");
  }

  join({ event_id, ticket, position, wish }: Omit<ClientMessages["join"], "type">): Promise<Place> {
    return this.call("POST", "/queue/join", { event_id, ticket, position, wish }, {}, "ticket");
  }

  leave(eventId: string): Promise<unknown> {
    return this.call("DELETE", `/queue/leave?event_id=${idSegment(eventId)}`);
  }

  status(eventId: string): Promise<SaleUpdate> {
    return this.call("GET", `/queue/status/${idSegment(eventId)}`);
  }

  /** The place as server-sent events, until `signal` aborts. */
  stream(eventId: string, signal: Signal): AsyncGenerator<ServerSentEvent | undefined> {
    return this.events(`/queue/position/${idSegment(eventId)}/stream`, signal);
  }

  /** The same key with the same request never books twice. */
  reserve(request: ReserveRequest, queuePass: string, idempotencyKey: string): Promise<Booking> {
    return this.call("POST", "/bookings/reserve", request, { "X-Queue-Pass": queuePass, "Idempotency-Key": idempotencyKey }, "booking_id");
  }

  /**
   * Calls any route and returns the JSON body unvalidated. A body without `requiredField` does not come from the service: a
   * portal or proxy may respond with 200, too.
   */
  async call<T>(method: string, path: string, body?: object, headers: Record<string, string> = {}, requiredField?: string): Promise<T> {
    const response = await this.#fetch(path, {
      method,
      headers: { Accept: "application/json", ...(body && { "Content-Type": "application/json" }), ...headers },
      ...(body && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });

    try {
      const answer = await response.json();
      if (!requiredField || requiredField in answer) return this.#adjustClock(response), answer as T;
    } catch {
      // The body is not JSON, or incomplete.
    }
    throw Problem.noAnswer();
  }

  /** Reads any route of server-sent events; yields undefined for a heartbeat. */
  async *events(path: string, signal: Signal): AsyncGenerator<ServerSentEvent | undefined> {
    const type = "text/event-stream";
    const response = await this.#fetch(path, { headers: { Accept: type }, signal });
    if (!response.body || !response.headers.get("Content-Type")?.startsWith(type)) throw Problem.noAnswer();
    this.#adjustClock(response);
    yield* parseServerSentEvents(response.body);
  }

  async #fetch(path: string, request: Request): Promise<FetchResponse> {
    const token = this.#options.token();
    const headers = { ...request.headers, ...(token && { Authorization: `Bearer ${token}` }) };
    const response = await (this.#options.fetch ?? (fetch as Fetch))(`${this.#options.base}${path}`, {
      ...request,
      headers,
      cache: "no-store",
    }).catch(() => {
      throw Problem.noAnswer();
    });
    if (response.ok) return response;

    const problem = await Problem.of(response);
    if (problem.status) this.#adjustClock(response);
    throw problem;
  }

  /** Call it for responses of the service only: by an intermediary's clock an identity could appear expired. */
  #adjustClock({ headers }: FetchResponse): void {
    const offset = Date.parse(headers.get("Date") ?? "") - Date.now();
    if (!Number.isNaN(offset)) this.#clockOffsetMs = Math.abs(offset) > CLOCK_TOLERANCE_MS ? offset : 0;
  }
}
