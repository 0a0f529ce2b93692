// The last booking per user and event, stored so that a reload shows it again.
import type { Store } from "@stanchion/client";

export class BookingStore {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  find(userId: string, eventId: string): string | undefined {
    return this.#store.getItem(key(userId, eventId)) ?? undefined;
  }

  keep(userId: string, eventId: string, bookingId: string): void {
    this.#store.setItem(key(userId, eventId), bookingId);
  }

  forget(userId: string, eventId: string): void {
    this.#store.removeItem(key(userId, eventId));
  }
}

function key(userId: string, eventId: string): string {
  return `stanchion.booking.${eventId}.${userId}`;
}
