// The shop's routes: events, free seats, and the user's bookings.
import { idSegment } from "./ids";
import type { Availability, Booking, BookingCode, Event as EventDetail, EventHead as EventSummary, RecoveredBooking } from "./openapi";
import type { Signal } from "./platform";
import type { Rest } from "./rest";

export { type RetryOptions, retry } from "./retry";
export { followSeats } from "./seat-stream";
export type { Appearance, Availability, BookingCode, RecoveredBooking, Event as EventDetail, EventHead as EventSummary, Show, Zone } from "./openapi";

export class Shop {
  readonly #rest: Rest;

  constructor(rest: Rest) {
    this.#rest = rest;
  }

  async events(): Promise<EventSummary[]> {
    return (await this.#rest.call<{ events: EventSummary[] }>("GET", "/events", undefined, {}, "events")).events;
  }

  event(eventId: string): Promise<EventDetail> {
    return this.#rest.call("GET", `/events/${idSegment(eventId)}`, undefined, {}, "shows");
  }

  /** Changes of free seats, max one update per second; a server without this stream responds with `NOT_FOUND`. */
  async *availability(eventId: string, signal: Signal): AsyncGenerator<Availability> {
    for await (const event of this.#rest.events(`/events/${idSegment(eventId)}/availability/stream`, signal)) {
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

  /** Reserved but not paid yet. */
  async pending(): Promise<Booking[]> {
    return (await this.#rest.call<{ bookings: Booking[] }>("GET", "/bookings/pending", undefined, {}, "bookings")).bookings;
  }

  /** Newest first. */
  async bookings(limit = 50): Promise<Booking[]> {
    return (await this.#rest.call<{ bookings: Booking[] }>("GET", `/bookings?limit=${limit}`, undefined, {}, "bookings")).bookings;
  }

  /** A code that shows the booking on any device, and permits nothing else. The same each time. */
  code(bookingId: string): Promise<BookingCode> {
    return this.#rest.call("POST", `/bookings/${idSegment(bookingId)}/code`, undefined, {}, "code");
  }

  /** The booking of a code; `BOOKING_NOT_FOUND` if there is none. Needs no identity. */
  recover(code: string): Promise<RecoveredBooking> {
    return this.#rest.call("POST", "/bookings/recover", { code }, {}, "booking_id");
  }

  #booking(method: string, bookingId: string, action = ""): Promise<Booking> {
    return this.#rest.call(method, `/bookings/${idSegment(bookingId)}${action}`, undefined, {}, "booking_id");
  }
}
