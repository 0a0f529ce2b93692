// The user's identity, stored in the browser: a guest identity or a token of the shop's own login.
import { decodeClaims } from "./jwt";
import type { Token as Identity } from "./openapi";
import { type Store, readJson } from "./store";

const KEY = "stanchion.identity";

export class Identities {
  readonly #store: Store;
  readonly #now: () => number;

  constructor(store: Store, now: () => number = Date.now) {
    this.#store = store;
    this.#now = now;
  }

  /** Undefined if there is none or it has expired. */
  current(): Identity | undefined {
    const kept = readJson<Identity>(this.#store, KEY);
    return kept && Date.parse(kept.expires_at) > this.#now() ? kept : undefined;
  }

  keep(kept: Identity): Identity {
    this.#store.setItem(KEY, JSON.stringify(kept));
    return kept;
  }

  forget(): void {
    this.#store.removeItem(KEY);
  }
}

const GUEST_TTL_MS = 24 * 3_600_000;
/** By default, the server lets a guest take new places for ten minutes after its token was issued. Renewal keeps the guest and issues a new token. */
export const RENEW_AFTER_MS = 2 * 60_000;
/** A wait may outlast the token, so it is renewed while it is still valid and proves the guest's identity. */
export const HALF_LIFE_MS = GUEST_TTL_MS / 2;

/** False for a user of the shop's own login. */
export function isGuestOlderThan(ageMs: number, { user_id, expires_at }: Identity, now: number): boolean {
  return user_id.startsWith("guest-") && Date.parse(expires_at) - GUEST_TTL_MS + ageMs < now;
}

/** Reads user and expiry from a JWT, unverified; undefined if it is malformed. */
export function identityFromToken(token: string): Identity | undefined {
  try {
    const { sub, exp } = decodeClaims(token) as { sub: string; exp: number };
    return { token, user_id: sub, expires_at: new Date(exp * 1_000).toISOString() };
  } catch {
    return undefined;
  }
}
