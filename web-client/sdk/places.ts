// What the browser remembers of a user's places: the ticket, the best position that was shown for it, and the wish.
import type { ClientMessages } from "./messages";

/**
 * `first` is the position when the line was joined, `position` the lowest one shown since. A pass may come before any
 * ticket was told: then the entry says only that there is a place.
 */
export interface RememberedPlace extends Pick<ClientMessages["join"], "ticket" | "wish"> {
  first?: number | undefined;
  position?: number | undefined;
}

export type Store = Pick<Storage, "getItem" | "setItem" | "removeItem">;

/** Keyed by user as well: another user's ticket would be refused. */
export class Places {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  static key(userId: string, eventId: string): string {
    return `stanchion.place.${eventId}.${userId}`;
  }

  find(userId: string, eventId: string): RememberedPlace | undefined {
    try {
      return JSON.parse(this.#store.getItem(Places.key(userId, eventId))!) ?? undefined;
    } catch {
      return undefined;
    }
  }

  keep(userId: string, eventId: string, place: RememberedPlace): void {
    this.#store.setItem(Places.key(userId, eventId), JSON.stringify(place));
  }

  forget(userId: string, eventId: string): void {
    this.#store.removeItem(Places.key(userId, eventId));
  }
}
