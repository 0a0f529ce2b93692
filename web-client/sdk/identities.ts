// Who the user is to Stanchion: a guest identity or a token of the shop's own login, kept in the browser.
import type { Identity } from "./resources";
import type { Store } from "./places";

const KEY = "stanchion.identity";

export class Identities {
  readonly #store: Store;
  readonly #now: () => number;

  constructor(store: Store, now: () => number = Date.now) {
    this.#store = store;
    this.#now = now;
  }

  /** Undefined when there is none, or it has expired. */
  current(): Identity | undefined {
    try {
      const kept = JSON.parse(this.#store.getItem(KEY)!) as Identity;
      return Date.parse(kept.expires_at) > this.#now() ? kept : undefined;
    } catch {
      return undefined;
    }
  }

  keep(kept: Identity): Identity {
    this.#store.setItem(KEY, JSON.stringify(kept));
    return kept;
  }

  forget(): void {
    this.#store.removeItem(KEY);
  }
}

const GUEST_LIFE_MS = 24 * 3_600_000;
/** The server lets a guest take new places for ten minutes, unless it is set otherwise. */
const FRESH_MS = 2 * 60_000;

/** A guest that was made a while ago is renewed before it takes a new place: the same guest, with a new token. */
export function isToBeRenewed({ user_id, expires_at }: Identity, now: number): boolean {
  return user_id.startsWith("guest-") && Date.parse(expires_at) - GUEST_LIFE_MS + FRESH_MS < now;
}

/** A line may take longer than a token lasts: a guest's is renewed in time, while it proves still who the guest is. */
export function isHalfOver({ user_id, expires_at }: Identity, now: number): boolean {
  return user_id.startsWith("guest-") && Date.parse(expires_at) - GUEST_LIFE_MS / 2 < now;
}

/** Reads user and expiry out of a JWT, without judging its signature: that is the server's part. */
export function identityOfToken(token: string): Identity | undefined {
  try {
    const payload = token.split(".")[1]!.replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(payload), (character) => character.charCodeAt(0));
    const { sub, exp } = JSON.parse(new TextDecoder().decode(bytes)) as { sub: string; exp: number };
    return { token, user_id: sub, expires_at: new Date(exp * 1_000).toISOString() };
  } catch {
    return undefined;
  }
}
