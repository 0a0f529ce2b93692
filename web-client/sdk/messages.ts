// The messages of the WebSocket protocol `stanchion.v1`, in both directions. `tests/wire/` has a sample of each.
// The package imports only the types; the tests parse the samples with these schemas.
import type { Booking, SaleState, ZoneLeft } from "./openapi";
import { type Field, type FieldsOf, type Infer, type Schema, array, duration, nonNegativeInt, object, openEnum, optional, string, timestamp } from "./schema";

const bookingFields = {
  booking_id: string,
  event_id: string,
  show_id: string,
  zone_id: string,
  user_id: string,
  quantity: nonNegativeInt,
  unit_price: nonNegativeInt,
  total_price: nonNegativeInt,
  currency: string,
  currency_digits: nonNegativeInt,
  status: openEnum("reserved", "confirmed", "cancelled", "expired"),
  created_at: timestamp,
  expires_at: timestamp,
  confirmed_at: optional(timestamp),
} satisfies FieldsOf<Booking>;
const booking = object(bookingFields) as Field<Booking>;

/** The expected wait: an estimate, a range if the server knows one, and the reason if the wait became longer. */
const waitFields = {
  estimated_wait_seconds: duration,
  wait_range_seconds: optional(object({ low: duration, high: duration })),
  reason: optional(string),
} satisfies Schema;

const zoneLeftFields = { show_id: optional(string), zone_id: string, available: nonNegativeInt } satisfies FieldsOf<ZoneLeft>;
const zoneLeft = object(zoneLeftFields) as Field<ZoneLeft>;

const saleState: Field<SaleState> = openEnum("scheduled", "open", "paused", "sold_out", "closed");

/** One of max five, in order of preference. */
export const seatPreference = object({ show_id: optional(string), zone_id: string, quantity: nonNegativeInt });

export const clientMessageFields = {
  connect: { token: string },
  join: { event_id: string, ticket: optional(string), position: optional(nonNegativeInt), wish: optional(array(seatPreference)) },
  ack: { pass_id: string },
  reserve: { event_id: string, show_id: string, zone_id: string, quantity: nonNegativeInt, idempotency_key: string },
  leave: { event_id: string },
  ping: {},
} satisfies Record<string, Schema>;

export const serverMessageFields = {
  connected: { node: string, user_id: string, heartbeat_ms: nonNegativeInt },
  queued: {
    event_id: string,
    ticket: string,
    position: nonNegativeInt,
    total_in_queue: nonNegativeInt,
    ...waitFields,
  },
  position: {
    event_id: string,
    position: nonNegativeInt,
    total_in_queue: nonNegativeInt,
    ...waitFields,
    seats_left: optional(nonNegativeInt),
  },
  pass: { event_id: string, pass_id: string, queue_pass: string, expires_at: timestamp, hold: optional(booking), left: optional(array(zoneLeft)) },
  reserved: { ...bookingFields, ref: string },
  left: { event_id: string },
  event: { event_id: string, state: saleState, message: optional(string) },
  heartbeat: {},
  error: { code: string, message: string, ref: optional(string) },
  reconnect: { after_ms: nonNegativeInt },
} satisfies Record<string, Schema>;

type Tagged<Schemas> = { [K in keyof Schemas]: { type: K } & Infer<Schemas[K]> };

export type ClientMessages = Tagged<typeof clientMessageFields>;
export type ClientMessage = ClientMessages[keyof ClientMessages];
export type ServerMessages = Omit<Tagged<typeof serverMessageFields>, "reserved"> & { reserved: { type: "reserved"; ref: string } & Booking };
export type ServerMessage = ServerMessages[keyof ServerMessages];
