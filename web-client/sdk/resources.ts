// What the routes of the line answer with: places, bookings, identities. For their types only.
import { type Field, type Shape, count, duration, flag, list, optional, record, text, time, word } from "./shape";

type Of<F> = F extends Field<infer T> ? T : never;

export const bookingShape = {
  booking_id: text,
  event_id: text,
  show_id: text,
  zone_id: text,
  user_id: text,
  quantity: count,
  unit_price: count,
  total_price: count,
  currency: text,
  status: word("reserved", "confirmed", "cancelled", "expired"),
  created_at: time,
  expires_at: time,
  confirmed_at: optional(time),
} satisfies Shape;

export const booking = record(bookingShape);
/** Prices are in the currency's minor unit. */
export type Booking = Of<typeof booking>;

/** How long it will take: one figure, where the server knows it a range, and why it became longer. */
export const waitShape = {
  estimated_wait_seconds: duration,
  wait_range_seconds: optional(record({ low: duration, high: duration })),
  reason: optional(text),
} satisfies Shape;

export const zoneLeft = record({ show_id: optional(text), zone_id: text, available: count });
export type ZoneLeft = Of<typeof zoneLeft>;

export const place = record({
  event_id: text,
  user_id: text,
  position: count,
  total_in_queue: count,
  ...waitShape,
  is_ready: flag,
  ticket: text,
  queue_pass: optional(text),
  pass_id: optional(text),
  queue_pass_expires_at: optional(time),
  hold: optional(booking),
  left: optional(list(zoneLeft)),
});
export type Place = Of<typeof place>;

export const saleState = word("scheduled", "open", "paused", "sold_out", "closed");
export type SaleState = Of<typeof saleState>;

/** What is said to everybody: the sale's state and the operator's words. */
export const saleNews = record({ event_id: text, state: saleState, message: optional(text) });
export type SaleNews = Of<typeof saleNews>;

export const identity = record({ token: text, user_id: text, expires_at: time });
export type Identity = Of<typeof identity>;
