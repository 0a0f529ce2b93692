// Responses of the shop routes: events, shows, zones, bookings. The package imports only the types.
import { type Field, nonNegativeInt, array, optional, object, string, timestamp } from "./schema";
import { booking, saleState, zoneLeft } from "./resources";

type Of<F> = F extends Field<infer T> ? T : never;

export const bookings = object({ bookings: array(booking) });

/** An event's branding: CSS colours, and a logo as a path on this server or a `data:` URL. */
const appearance = object({
  logo: optional(string),
  accent: optional(string),
  background: optional(string),
  message: optional(string),
});
export type Appearance = Of<typeof appearance>;

const eventSummary = object({ event_id: string, name: string, state: saleState, message: optional(string) });
export type EventSummary = Of<typeof eventSummary>;

export const events = object({ events: array(eventSummary) });

const zone = object({
  zone_id: string,
  name: string,
  unit_price: nonNegativeInt,
  currency: string,
  capacity: nonNegativeInt,
  available: nonNegativeInt,
});
export type Zone = Of<typeof zone>;

const show = object({ show_id: string, name: string, starts_at: optional(timestamp), zones: array(zone) });
export type Show = Of<typeof show>;

export const eventDetail = object({
  event_id: string,
  name: string,
  state: saleState,
  message: optional(string),
  currency: string,
  max_seats_per_user: nonNegativeInt,
  hold_seconds: nonNegativeInt,
  appearance: optional(appearance),
  shows: array(show),
});
export type EventDetail = Of<typeof eventDetail>;

/** Free seats, as the event's availability stream reports them. */
export const availability = object({ event_id: string, zones: array(zoneLeft) });
export type Availability = Of<typeof availability>;
