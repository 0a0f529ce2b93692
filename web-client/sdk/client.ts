// Assembles the SDK for a page: one transport for all tabs, the waiting room on top of it, REST, and the user's identity.
import { FallbackTransport } from "./fallback-transport";
import { HttpTransport } from "./http-transport";
import { Identities, identityFromToken, isPastHalfLife, needsRenewal } from "./identities";
import { followPageLifecycle } from "./page-lifecycle";
import { PlaceStore, type Store } from "./place-store";
import type { Token as Identity } from "./openapi";
import { Rest } from "./rest";
import { type Browser, SharedTransport, browser } from "./shared-transport";
import type { Transport } from "./transport";
import { WaitingRoom } from "./waiting-room";
import { WebSocketTransport } from "./websocket-transport";

/** Interval between checks whether a guest's token needs renewal. */
const RENEWAL_CHECK_MS = 10 * 60_000;

export interface ClientOptions {
  /** The server's origin, for example `https://tickets.example`; by default the page's own. */
  origin?: string;
  /** Stores identity, tickets and seat preferences; `localStorage` by default. */
  store?: Store;
  fetch?: typeof fetch;
  WebSocket?: new (url: string, protocols: string) => WebSocket;
  browser?: Browser;
  random?: () => number;
}

export interface Client {
  rest: Rest;
  identities: Identities;
  places: PlaceStore;
  transport: Transport;
  /** @deprecated Use `transport`. */
  link: Transport;
  room: WaitingRoom;
  /** Signs in with a token of the shop's own login; undefined if it is malformed. */
  signIn(token: string): Identity | undefined;
  /** Returns the stored identity or a new guest's; undefined if the server does not admit guests. */
  guest(): Promise<Identity | undefined>;
  /** Closes the connection and removes all listeners. Places are kept. */
  close(): void;
}

export function createClient(options: ClientOptions = {}): Client {
  const origin = options.origin ?? location.origin;
  const base = `${origin}/api/v1`;
  const store = options.store ?? localStorage;
  const random = options.random ?? Math.random;
  const { fetch, WebSocket } = options;
  const tabs = options.browser ?? browser();

  const token = () => identities.current()?.token;
  const rest = new Rest({ base, token, fetch });
  const identities = new Identities(store, () => rest.now());
  const userId = () => identities.current()?.user_id ?? "";
  const url = `${base.replace(/^http/, "ws")}/ws`;

  const createTransport = () => {
    const socket = new WebSocketTransport({ url, token: () => token() ?? "", random, WebSocket });
    return new FallbackTransport(socket, new HttpTransport(rest, userId, random), random);
  };
  // The number is the version of the messages between tabs: tabs of another build must not read them.
  const transport = new SharedTransport(() => `stanchion 2 ${origin} ${userId()}`, createTransport, tabs);
  const places = new PlaceStore(store);
  const stopLifecycle = globalThis.document ? followPageLifecycle(transport) : () => {};

  // Two tabs that open at the same moment must not become two guests.
  const exclusively = <T>(task: () => Promise<T>): Promise<T> => (tabs.locks ? tabs.locks.request(`stanchion ${origin}`, task) : task());
  const isDue = () => {
    const known = identities.current();
    return known !== undefined && isPastHalfLife(known, rest.now());
  };

  // A guest may wait for longer than a token lasts. After a failure, the next check tries again.
  const renewal = setInterval(() => {
    if (isDue()) void exclusively(async () => isDue() && newGuest(rest, identities)).catch(() => {});
  }, RENEWAL_CHECK_MS);

  return {
    rest,
    identities,
    places,
    transport,
    link: transport,
    room: new WaitingRoom(transport, places, random),
    signIn(jwt) {
      const identity = identityFromToken(jwt.trim());
      return identity && identities.keep(identity);
    },
    guest() {
      return exclusively(async () => {
        const known = identities.current();
        if (known && !needsRenewal(known, rest.now())) return known;

        try {
          return (await newGuest(rest, identities)) ?? known;
        } catch (error) {
          if (known) return known; // still valid for everything except taking a new place
          throw error;
        }
      });
    },
    close() {
      stopLifecycle();
      clearInterval(renewal);
      transport.close();
    },
  };
}

async function newGuest(rest: Rest, identities: Identities): Promise<Identity | undefined> {
  const identity = await rest.guest();
  return identity && identities.keep(identity);
}
