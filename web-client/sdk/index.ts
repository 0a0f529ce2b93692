// The SDK's public face.
export { BAD_TOKEN, EVENT_CLOSED, mayReconnect } from "./close-codes";
export { Connection, type ConnectionOptions, type ConnectionState } from "./connection";
export { Identities, identityOfToken } from "./identities";
export type { ClientMessage, ServerMessage } from "./messages";
export { Places, type Store } from "./places";
export { Problem } from "./problem";
export type { Booking, EventDetail, EventSummary, Identity, Place, SaleState, Show, Zone } from "./resources";
export { type Order, Rest } from "./rest";
export { type Consequence, type Position, WaitingRoom, type WaitingRoomEvents } from "./waiting-room";
