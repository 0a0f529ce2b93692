// The SDK's public face: the line. What is on sale and what was booked is beside it, in `shop`.
export { type Client, type ClientOptions, createClient } from "./client";
export { BAD_TOKEN, EVENT_CLOSED } from "./close-codes";
export type { Carrier, ConnectionState, Link, LinkEvents } from "./link";
export { Places, type Store } from "./places";
export { Problem } from "./problem";
export type { Booking, Identity, Place, SaleState, ZoneLeft } from "./resources";
export type { Order, Rest } from "./rest";
export type { Consequence, Position, WaitingRoom, WaitingRoomEvents, Wish } from "./waiting-room";
