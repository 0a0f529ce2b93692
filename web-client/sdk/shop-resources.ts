// What the routes of the shop answer with: events, shows, zones, bookings. For their types only.
import { type Field, count, list, optional, record, text, time } from "./shape";
import { booking, saleState, zoneLeft } from "./resources";

type Of<F> = F extends Field<infer T> ? T : never;

export const bookings = record({ bookings: list(booking) });

/** How an event dresses the pages: colours as CSS writes them, a logo as a path of this server or a `data:` URL. */
const appearance = record({
  logo: optional(text),
  accent: optional(text),
  background: optional(text),
  message: optional(text),
});
export type Appearance = Of<typeof appearance>;

const eventSummary = record({ event_id: text, name: text, state: saleState, message: optional(text) });
export type EventSummary = Of<typeof eventSummary>;

export const events = record({ events: list(eventSummary) });

const zone = record({
  zone_id: text,
  name: text,
  unit_price: count,
  currency: text,
  capacity: count,
  available: count,
});
export type Zone = Of<typeof zone>;

const show = record({ show_id: text, name: text, starts_at: optional(time), zones: list(zone) });
export type Show = Of<typeof show>;

export const eventDetail = record({
  event_id: text,
  name: text,
  state: saleState,
  message: optional(text),
  currency: text,
  max_seats_per_user: count,
  hold_seconds: count,
  appearance: optional(appearance),
  shows: list(show),
});
export type EventDetail = Of<typeof eventDetail>;

/** Seats that are free now, as the stream of an event tells them. */
export const availability = record({ event_id: text, zones: list(zoneLeft) });
export type Availability = Of<typeof availability>;
