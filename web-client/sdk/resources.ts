// Responses of the queue routes: places, bookings, identities. The package imports only the types.
import { type Field, type Schema, array, boolean, duration, nonNegativeInt, object, openEnum, optional, string, timestamp } from "./schema";

type Of<F> = F extends Field<infer T> ? T : never;

export const bookingFields = {
  booking_id: string,
  event_id: string,
  show_id: string,
  zone_id: string,
  user_id: string,
  quantity: nonNegativeInt,
  unit_price: nonNegativeInt,
  total_price: nonNegativeInt,
  currency: string,
  status: openEnum("reserved", "confirmed", "cancelled", "expired"),
  created_at: timestamp,
  expires_at: timestamp,
  confirmed_at: optional(timestamp),
} satisfies Schema;

export const booking = object(bookingFields);
/** Prices are in the currency's minor unit. */
export type Booking = Of<typeof booking>;

/** The expected wait: an estimate, a range if the server knows one, and the reason if the wait became longer. */
export const waitFields = {
  estimated_wait_seconds: duration,
  wait_range_seconds: optional(object({ low: duration, high: duration })),
  reason: optional(string),
} satisfies Schema;

export const zoneLeft = object({ show_id: optional(string), zone_id: string, available: nonNegativeInt });
export type ZoneLeft = Of<typeof zoneLeft>;

export const place = object({
  event_id: string,
  user_id: string,
  position: nonNegativeInt,
  total_in_queue: nonNegativeInt,
  ...waitFields,
  is_ready: boolean,
  ticket: string,
  queue_pass: optional(string),
  pass_id: optional(string),
  queue_pass_expires_at: optional(timestamp),
  hold: optional(booking),
  left: optional(array(zoneLeft)),
});
export type Place = Of<typeof place>;

export const saleState = openEnum("scheduled", "open", "paused", "sold_out", "closed");
export type SaleState = Of<typeof saleState>;

/** The state of the sale and the operator's message to all users. */
export const saleUpdate = object({ event_id: string, state: saleState, message: optional(string) });
export type SaleUpdate = Of<typeof saleUpdate>;

export const identity = object({ token: string, user_id: string, expires_at: timestamp });
export type Identity = Of<typeof identity>;
