// Places in queues, stored in the browser: the ticket, the lowest position shown for it, and the seat preferences.
import { normalId } from "./ids";
import type { ClientMessages } from "./messages";
import { type Store, readJson } from "./store";

/**
 * `first` is the position at the join, `position` the lowest one shown since then. A pass may arrive before any ticket: then the
 * entry is empty and only states that there is a place.
 */
export interface StoredPlace extends Pick<ClientMessages["join"], "ticket" | "wish"> {
  first?: number | undefined;
  position?: number | undefined;
}

/** Keyed by event and user: the server refuses another user's ticket. */
export class PlaceStore {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  static key(userId: string, eventId: string): string {
    return `stanchion.place.${normalId(eventId)}.${userId}`;
  }

  find(userId: string, eventId: string): StoredPlace | undefined {
    return readJson(this.#store, PlaceStore.key(userId, eventId));
  }

  keep(userId: string, eventId: string, place: StoredPlace): void {
    this.#store.setItem(PlaceStore.key(userId, eventId), JSON.stringify(place));
  }

  forget(userId: string, eventId: string): void {
    this.#store.removeItem(PlaceStore.key(userId, eventId));
  }
}
