// The journey's dependencies: the SDK's parts and the stored bookings.
import type { Client } from "@stanchion/client";
import type { Shop } from "@stanchion/client/shop";
import type { BookingStore } from "./booking-store";

export type Dependencies = Pick<Client, "rest" | "transport" | "room" | "identities" | "places" | "signIn" | "guest"> & {
  shop: Shop;
  bookings: BookingStore;
};
