// The journey's dependencies: the SDK's parts, the stored bookings, and what the visitor's tabs share.
import type { Client } from "@stanchion/client";
import type { Shop } from "@stanchion/client/shop";
import type { GuardedStorage } from "../shared/guarded-storage";
import type { BookingNews } from "./booking-news";
import type { BookingStore } from "./booking-store";
import type { PaymentLock } from "./payment-lock";

export type Dependencies = Pick<Client, "rest" | "transport" | "room" | "identities" | "places" | "signIn" | "guest"> & {
  shop: Shop;
  bookings: BookingStore;
  storage: Pick<GuardedStorage, "keys" | "isMemoryOnly">;
  news: Pick<BookingNews, "send">;
  payments: Pick<PaymentLock, "acquire" | "release">;
};
