// The messages of the WebSocket protocol `stanchion.v1`, both ways. `tests/wire/` holds a sample of each.
import { type Read, type Shape, ShapeError, count, list, optional, record, text, time } from "./shape";
import { booking, bookingShape, saleState, waitShape, zoneLeft } from "./resources";

export const SUBPROTOCOL = "stanchion.v1";

/** One of up to five, the dearest first. */
export const wish = record({ show_id: optional(text), zone_id: text, quantity: count });

/** The client says these; it needs their shapes only to hold itself to the samples. */
export const clientShapes = {
  connect: { token: text },
  join: { event_id: text, ticket: optional(text), wish: optional(list(wish)) },
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

/** Answers undefined for a type it does not know, as the protocol asks; throws `ShapeError` for a broken message. */
export function parseServerMessage(frame: string): ServerMessage | undefined {
  return parseMessage(serverShapes, frame) as ServerMessage | undefined;
}

export function parseMessage(shapes: Record<string, Shape>, frame: string): unknown {
  const value = readJson(frame);
  const type = record({ type: text })(value, "message").type;
  if (!Object.hasOwn(shapes, type)) return undefined;
  return { type, ...record(shapes[type]!)(value, type) };
}

function readJson(frame: string): unknown {
  try {
    return JSON.parse(frame);
  } catch {
    throw new ShapeError("message is not JSON");
  }
}
