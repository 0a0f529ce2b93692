// The shop beside the line: what is on sale, what is free, and what a user has booked.
import type { Booking } from "./resources";
import type { Rest } from "./rest";
import type { Availability, EventDetail, EventSummary } from "./shop-resources";

export { followSeats } from "./seats";
export type { Appearance, Availability, EventDetail, EventSummary, Show, Zone } from "./shop-resources";

export class Shop {
  readonly #rest: Rest;

  constructor(rest: Rest) {
    this.#rest = rest;
  }

  async events(): Promise<EventSummary[]> {
    return (await this.#rest.call<{ events: EventSummary[] }>("GET", "/events", undefined, {}, "events")).events;
  }

  event(eventId: string): Promise<EventDetail> {
    return this.#rest.call("GET", `/events/${encodeURIComponent(eventId)}`, undefined, {}, "shows");
  }

  /** Free seats as they change, at most once a second; a server without such a stream answers `NOT_FOUND`. */
  async *availability(eventId: string, signal: AbortSignal): AsyncGenerator<Availability> {
    for await (const event of this.#rest.events(`/events/${encodeURIComponent(eventId)}/availability/stream`, signal)) {
      if (event?.name === "availability") yield JSON.parse(event.data) as Availability;
    }
  }

  confirm(bookingId: string): Promise<Booking> {
    return this.#booking("POST", bookingId, "/confirm");
  }

  cancel(bookingId: string): Promise<Booking> {
    return this.#booking("POST", bookingId, "/cancel");
  }

  booking(bookingId: string): Promise<Booking> {
    return this.#booking("GET", bookingId);
  }

  /** Held, not paid for yet. */
  async pending(): Promise<Booking[]> {
    return (await this.#rest.call<{ bookings: Booking[] }>("GET", "/bookings/pending", undefined, {}, "bookings")).bookings;
  }

  /** The newest first. */
  async bookings(limit = 50): Promise<Booking[]> {
    return (await this.#rest.call<{ bookings: Booking[] }>("GET", `/bookings?limit=${limit}`, undefined, {}, "bookings")).bookings;
  }

  #booking(method: string, bookingId: string, act = ""): Promise<Booking> {
    return this.#rest.call(method, `/bookings/${encodeURIComponent(bookingId)}${act}`, undefined, {}, "booking_id");
  }
}
