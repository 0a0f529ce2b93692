// The messages of the WebSocket protocol `stanchion.v1`, both ways. `tests/wire/` holds a sample of each.
// The package takes nothing but types from here; the samples are read by these shapes in the tests.
import { type Read, type Shape, count, list, optional, record, text, time } from "./shape";
import { booking, bookingShape, saleState, waitShape, zoneLeft } from "./resources";

/** One of up to five, the dearest first. */
export const wish = record({ show_id: optional(text), zone_id: text, quantity: count });

export const clientShapes = {
  connect: { token: text },
  join: { event_id: text, ticket: optional(text), position: optional(count), wish: optional(list(wish)) },
  ack: { pass_id: text },
  reserve: { event_id: text, show_id: text, zone_id: text, quantity: count, idempotency_key: text },
  leave: { event_id: text },
  ping: {},
} satisfies Record<string, Shape>;

export const serverShapes = {
  connected: { node: text, user_id: text, heartbeat_ms: count },
  queued: {
    event_id: text,
    ticket: text,
    position: count,
    total_in_queue: count,
    ...waitShape,
  },
  position: {
    event_id: text,
    position: count,
    total_in_queue: count,
    ...waitShape,
    seats_left: optional(count),
  },
  pass: { event_id: text, pass_id: text, queue_pass: text, expires_at: time, hold: optional(booking), left: optional(list(zoneLeft)) },
  reserved: { ...bookingShape, ref: text },
  left: { event_id: text },
  event: { event_id: text, state: saleState, message: optional(text) },
  heartbeat: {},
  error: { code: text, message: text, ref: optional(text) },
  reconnect: { after_ms: count },
} satisfies Record<string, Shape>;

type Tagged<Shapes> = { [K in keyof Shapes]: { type: K } & Read<Shapes[K]> };

export type ClientMessages = Tagged<typeof clientShapes>;
export type ClientMessage = ClientMessages[keyof ClientMessages];
export type ServerMessages = Tagged<typeof serverShapes>;
export type ServerMessage = ServerMessages[keyof ServerMessages];
