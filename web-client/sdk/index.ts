// Public exports of the SDK's main entry: the queue. Shop and bookings are exported by the entry `shop`.
export { type Client, type ClientOptions, createClient } from "./client";
export { BAD_TOKEN, EVENT_CLOSED } from "./close-codes";
export type { Booking, Place, SaleState, Token as Identity, ZoneLeft } from "./openapi";
export { PlaceStore } from "./place-store";
export { Problem } from "./problem";
export type { ReserveRequest, Rest } from "./rest";
export type { KeptStore, Store } from "./store";
export type { Carrier, ConnectionState, Transport, TransportEvents } from "./transport";
export type { NextAction, Position, SeatPreferences, WaitingRoom, WaitingRoomEvents } from "./waiting-room";

// Former names, kept for one release.
export { PlaceStore as Places } from "./place-store";
export type { ReserveRequest as Order } from "./rest";
export type { Transport as Link, TransportEvents as LinkEvents } from "./transport";
export type { NextAction as Consequence, SeatPreferences as Wish } from "./waiting-room";
