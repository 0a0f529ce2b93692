// What the journey is made of: the SDK's parts and what the browser remembers.
import type { Client } from "@stanchion/client";
import type { Shop } from "@stanchion/client/shop";
import type { RememberedBookings } from "./remembered-bookings";

export type Parts = Pick<Client, "rest" | "link" | "room" | "identities" | "places" | "signIn" | "guest"> & {
  shop: Shop;
  bookings: RememberedBookings;
};
