// The shop beside the line: what is on sale, what is free, and what a user has booked.
import type { Booking } from "./resources";
import { booking } from "./resources";
import type { Rest } from "./rest";
import { sentEvents } from "./sse";
import {
  type Availability,
  type EventDetail,
  type EventSummary,
  availability,
  bookings,
  eventDetail,
  events,
} from "./shop-resources";

export { followSeats } from "./seats";
export type { Appearance, Availability, EventDetail, EventSummary, Show, Zone } from "./shop-resources";

export class Shop {
  readonly #rest: Rest;

  constructor(rest: Rest) {
    this.#rest = rest;
  }

  async events(): Promise<EventSummary[]> {
    return (await this.#rest.call("GET", "/events", events)).events;
  }

  event(eventId: string): Promise<EventDetail> {
    return this.#rest.call("GET", `/events/${encodeURIComponent(eventId)}`, eventDetail);
  }

  /** Free seats as they change, at most once a second; a server without such a stream answers `NOT_FOUND`. */
  async *availability(eventId: string, signal: AbortSignal): AsyncGenerator<Availability> {
    const body = await this.#rest.events(`/events/${encodeURIComponent(eventId)}/availability/stream`, signal);
    for await (const event of sentEvents(body)) {
      if (event?.name === "availability") yield availability(JSON.parse(event.data), event.name);
    }
  }

  confirm(bookingId: string): Promise<Booking> {
    return this.#rest.call("POST", `/bookings/${encodeURIComponent(bookingId)}/confirm`, booking);
  }

  cancel(bookingId: string): Promise<Booking> {
    return this.#rest.call("POST", `/bookings/${encodeURIComponent(bookingId)}/cancel`, booking);
  }

  booking(bookingId: string): Promise<Booking> {
    return this.#rest.call("GET", `/bookings/${encodeURIComponent(bookingId)}`, booking);
  }

  /** Held, not paid for yet. */
  async pending(): Promise<Booking[]> {
    return (await this.#rest.call("GET", "/bookings/pending", bookings)).bookings;
  }

  /** The newest first. */
  async bookings(limit = 50): Promise<Booking[]> {
    return (await this.#rest.call("GET", `/bookings?limit=${limit}`, bookings)).bookings;
  }
}
