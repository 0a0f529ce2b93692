// Assembles the SDK for a page: one transport for all tabs, the waiting room on top of it, REST, and the user's identity.
import { FallbackTransport } from "./fallback-transport";
import { HttpTransport } from "./http-transport";
import { HALF_LIFE_MS, Identities, RENEW_AFTER_MS, identityFromToken, isGuestOlderThan } from "./identities";
import { followPageLifecycle } from "./page-lifecycle";
import { PlaceStore } from "./place-store";
import type { Fetch, Socket } from "./platform";
import type { Token as Identity } from "./openapi";
import { Problem } from "./problem";
import { Rest } from "./rest";
import { retryDelayMs } from "./retry";
import { type Browser, SharedTransport, browser } from "./shared-transport";
import { type KeptStore, type Store, guardedStore } from "./store";
import type { Transport } from "./transport";
import { WaitingRoom } from "./waiting-room";
import { WebSocketTransport } from "./websocket-transport";

/** Interval between checks whether a guest's token needs renewal. */
const RENEWAL_CHECK_MS = 10 * 60_000;

export interface ClientOptions {
  /** The server's origin, for example `https://tickets.example`; by default the page's own. Required outside of browsers. */
  origin?: string;
  /** Stores identity, tickets and seat preferences; `localStorage` by default. What it refuses is kept in memory. */
  store?: Store;
  fetch?: Fetch;
  WebSocket?: new (url: string, protocols: string) => Socket;
  browser?: Browser;
  random?: () => number;
}

export interface Client {
  rest: Rest;
  identities: Identities;
  places: PlaceStore;
  /** Holds what the client keeps. `inMemory` tells whether a reload loses it, because the browser stores nothing. */
  store: KeptStore;
  transport: Transport;
  /** @deprecated Use `transport`. */
  link: Transport;
  room: WaitingRoom;
  /** Signs in with a token of the shop's own login; undefined if it is malformed. */
  signIn(token: string): Identity | undefined;
  /**
   * Returns the stored identity or a new guest's; undefined if the server does not admit guests. A request whose failure decides
   * nothing is sent again until the client is closed; `room` reports each as an `error` with `then: "retrying"`.
   */
  guest(): Promise<Identity | undefined>;
  /**
   * Closes the client for good: it sends and reports nothing from then on, also if `guest` or a join is under way. Listeners are
   * removed; `join`, `leave` and `on` have no effect, and `guest` returns the stored identity only. Places are kept, so that
   * another client resumes them.
   */
  close(): void;
}

/** Throws if there is neither `origin` nor a page whose origin could be used. Stores nothing and sends nothing by itself. */
export function createClient(options: ClientOptions = {}): Client {
  const origin = options.origin ?? globalThis.location?.origin;
  if (!origin) throw new Error("createClient needs an origin");
  const base = `${origin}/api/v1`;
  const store = guardedStore(() => options.store ?? localStorage);
  const random = options.random ?? Math.random;
  const { fetch, WebSocket } = options;
  const tabs = options.browser ?? browser();
  let isClosed = false;

  const token = (): string | undefined => identities.current()?.token;
  const rest: Rest = new Rest({ base, token, fetch });
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
  const room = new WaitingRoom(transport, places, random);
  const stopLifecycle = globalThis.document && followPageLifecycle(transport);

  // Two tabs that open at the same moment must not become two guests. If the browser has no locks or refuses them, they may.
  const exclusively = async <T>(task: () => Promise<T>): Promise<T> => {
    try {
      return await tabs.locks!.request(`stanchion ${origin}`, task);
    } catch (error) {
      if (error instanceof Problem) throw error;
      return task();
    }
  };

  const renew = async (ageMs: number) => {
    const known = identities.current();
    if (isClosed || (known && !isGuestOlderThan(ageMs, known, rest.now()))) return known;
    try {
      const identity = await rest.guest();
      return identity ? identities.keep(identity) : known;
    } catch (error) {
      if (known) return known; // still valid for everything except taking a new place
      throw error;
    }
  };

  // A guest may wait for longer than a token lasts. After a failure, the next check tries again.
  const renewal = setInterval(() => {
    if (identities.current()) exclusively(() => renew(HALF_LIFE_MS)).catch(() => {});
  }, RENEWAL_CHECK_MS);
  // Outside of browsers, a client must not keep the process alive.
  (renewal as unknown as { unref?: () => void }).unref?.();

  return {
    rest,
    identities,
    places,
    store,
    transport,
    link: transport,
    room,
    signIn(jwt) {
      const identity = identityFromToken(jwt.trim());
      return identity && identities.keep(identity);
    },
    async guest() {
      for (let failures = 0; ; failures++) {
        try {
          // Each attempt takes the lock by itself: a throttled tab must not keep the others waiting between its attempts.
          return await exclusively(() => renew(RENEW_AFTER_MS));
        } catch (error) {
          const problem = error as Problem;
          if (!problem.undecided) throw error;
          room.emit("error", { code: problem.code, message: problem.detail, then: "retrying" });
          await new Promise((resolve) => setTimeout(resolve, retryDelayMs(problem, failures, random())));
        }
      }
    },
    close() {
      isClosed = true;
      stopLifecycle?.();
      clearInterval(renewal);
      room.end();
      transport.end();
    },
  };
}
