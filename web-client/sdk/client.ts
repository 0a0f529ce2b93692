// The SDK put together for a page: one link for all its tabs, the line over it, REST beside it, and who the user is.
import { BestLink } from "./best-link";
import { Connection } from "./connection";
import { HttpLink } from "./http-link";
import { Identities, identityOfToken, isHalfOver, isToBeRenewed } from "./identities";
import type { Link } from "./link";
import { Places, type Store } from "./places";
import type { Identity } from "./resources";
import { Rest } from "./rest";
import { type Browser, SharedLink, browser } from "./shared-link";
import { WaitingRoom } from "./waiting-room";
import { sleepAndWake } from "./wake";

/** How often a guest's token is looked at. */
const LOOK_MS = 10 * 60_000;

export interface ClientOptions {
  /** Where Stanchion answers, for example `https://tickets.example`; the page's own origin by default. */
  origin?: string;
  /** Where identity, tickets and wishes are kept; `localStorage` by default. */
  store?: Store;
  fetch?: typeof fetch;
  WebSocket?: new (url: string, protocols: string) => WebSocket;
  browser?: Browser;
  random?: () => number;
}

export interface Client {
  rest: Rest;
  identities: Identities;
  places: Places;
  link: Link;
  room: WaitingRoom;
  /** A token of the shop's own login. */
  signIn(token: string): Identity | undefined;
  /** The identity that is kept, or a new guest's; undefined where guests are not admitted. */
  guest(): Promise<Identity | undefined>;
  /** Ends the connection and every listener; places are kept. */
  close(): void;
}

export function createClient(options: ClientOptions = {}): Client {
  const origin = options.origin ?? location.origin;
  const base = `${origin}/api/v1`;
  const store = options.store ?? localStorage;
  const random = options.random ?? Math.random;
  const { fetch, WebSocket } = options;
  const using = options.browser ?? browser();

  const token = () => identities.current()?.token;
  const rest = new Rest({ base, token, ...(fetch && { fetch }) });
  const identities = new Identities(store, () => rest.now());
  const userId = () => identities.current()?.user_id ?? "";
  const url = `${base.replace(/^http/, "ws")}/ws`;

  const make = () => {
    const socket = new Connection({ url, token: () => token() ?? "", random, ...(WebSocket && { WebSocket }) });
    return new BestLink(socket, new HttpLink(rest, userId, random), random);
  };
  const link = new SharedLink(() => `stanchion ${origin} ${userId()}`, make, using);
  const places = new Places(store);
  const stopWatching = globalThis.document ? sleepAndWake(link) : () => {};

  // Two tabs that open together are one guest.
  const alone = <T>(act: () => Promise<T>): Promise<T> => (using.locks ? using.locks.request(`stanchion ${origin}`, act) : act());
  const isDue = () => {
    const known = identities.current();
    return known !== undefined && isHalfOver(known, rest.now());
  };
  // Whoever waits for a day and longer is who they were. A failure is left to the next look.
  const renewing = setInterval(() => {
    if (isDue()) void alone(async () => isDue() && newGuest(rest, identities)).catch(() => {});
  }, LOOK_MS);

  return {
    rest,
    identities,
    places,
    link,
    room: new WaitingRoom(link, places, random),
    signIn(given) {
      const identity = identityOfToken(given.trim());
      return identity && identities.keep(identity);
    },
    async guest() {
      const act = async () => {
        const known = identities.current();
        if (known && !isToBeRenewed(known, rest.now())) return known;
        try {
          return (await newGuest(rest, identities)) ?? known;
        } catch (error) {
          if (known) return known; // as good as before for all but a new place
          throw error;
        }
      };
      return alone(act);
    },
    close() {
      stopWatching();
      clearInterval(renewing);
      link.close();
    },
  };
}

async function newGuest(rest: Rest, identities: Identities): Promise<Identity | undefined> {
  const identity = await rest.guest();
  return identity && identities.keep(identity);
}
