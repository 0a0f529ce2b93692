// A user's way through one queue as a state that views show: below the React hook, the Vue composable and the web component.
import { type Client, createClient } from "./client";
import { normalId } from "./ids";
import { Problem } from "./problem";
import type { ConnectionState } from "./transport";
import type { NextAction, Position, SeatPreferences, WaitingRoomEvents } from "./waiting-room";

/** How long to wait for the pass at position 0 before another join requests it. */
const PASS_TIMEOUT_MS = 2_000;

/**
 * `joining` - the server has not confirmed a place yet; `waiting` - `position` is the place; `turn` - `pass` entitles to reserve;
 * `signIn` - the server admits no guests, and there is no token; `left` - the place was given up or used; `refused` - the server
 * refused a place, `error` tells why.
 */
export type RoomStage = "joining" | "waiting" | "turn" | "signIn" | "left" | "refused";

export interface RoomState {
  stage: RoomStage;
  position?: Position | undefined;
  pass?: WaitingRoomEvents["pass"] | undefined;
  /** The state of the sale, once the server has sent it. */
  sale?: WaitingRoomEvents["event"] | undefined;
  connection: ConnectionState;
  /** The last error, until a position or a pass arrives. `then` is `retrying` if the client tries again by itself. */
  error?: { code: string; message: string; then: NextAction } | undefined;
  /** The browser stores nothing: a reload of the page loses the place. */
  inMemory: boolean;
}

export interface RoomOptions {
  /** A client that the caller closes. Without it, the room has one of its own, closed with the room. */
  client?: Client | undefined;
  /** The server's origin; by default the page's own. Without effect beside `client`. */
  origin?: string | undefined;
  /** A token of the shop's own login; by default the user is a guest. */
  token?: string | undefined;
}

export interface RoomActions {
  /** Gives the place up. */
  leave(): void;
  /** Replaces the seat preferences; the place is kept. */
  prefer(preferences: SeatPreferences): void;
  /** Ends the wait without giving the place up: the pass was used. */
  finish(): void;
}

export interface FollowedRoom extends RoomActions {
  /** The server's time in milliseconds since the epoch, for countdowns. */
  now(): number;
  /** Ends all reports. The place is kept. */
  close(): void;
}

export const initialRoomState: RoomState = { stage: "joining", connection: { state: "idle" }, inMemory: false };

/** Joins the queue of an event and reports each change of the state, until `close`. */
export function followRoom(eventId: string, options: RoomOptions, onChange: (state: RoomState) => void): FollowedRoom {
  const id = normalId(eventId);
  const own = options.client ? undefined : createClient(options.origin ? { origin: options.origin } : {});
  const client = options.client ?? own!;
  const { room, rest } = client;
  let state: RoomState = { ...initialRoomState, inMemory: client.store.inMemory };
  let isClosed = false;
  /** Whether the queue was joined, which needs an identity. */
  let hasJoined = false;
  let isLeaving = false;
  let preferences: SeatPreferences | undefined;
  let passTimer: ReturnType<typeof setTimeout> | undefined;

  const set = (change: Partial<RoomState>) => {
    if (!isClosed) onChange((state = { ...state, ...change }));
  };
  const leaves = (stage: RoomStage) => {
    isLeaving = true;
    clearTimeout(passTimer);
    set({ stage, position: undefined, pass: undefined });
  };

  const subscriptions = [
    room.on("connection", (connection) => {
      set({ connection, inMemory: client.store.inMemory });
      if (connection.state === "refused") leaves("refused");
    }),
    room.on("position", (position) => {
      if (position.event_id !== id) return;
      clearTimeout(passTimer);
      if (position.position === 0) passTimer = setTimeout(() => room.join(id), PASS_TIMEOUT_MS);
      // A position after the pass means that the pass was revoked.
      set({ stage: "waiting", position, pass: undefined, error: undefined });
    }),
    room.on("pass", (pass) => {
      if (pass.event_id !== id) return;
      clearTimeout(passTimer);
      set({ stage: "turn", pass, error: undefined });
    }),
    room.on("event", (sale) => {
      if (sale.event_id === id) set({ sale });
    }),
    room.on("left", ({ event_id }) => {
      if (event_id === id) leaves("left");
    }),
    room.on("error", ({ code, message, ref, then }) => {
      if (then === "gone" && ref !== id) return;
      set({ error: { code, message, then } });
      if (then === "gone") leaves("refused");
    }),
  ];

  const enter = async () => {
    const { token } = options;
    let identity = token ? client.signIn(token) : client.identities.current();
    // A known place is resumed with any identity; only a new one needs a recent guest.
    const isKnown = identity && client.places.find(identity.user_id, id);
    if (!token && !isKnown) identity = await client.guest();
    if (isClosed || isLeaving) return;
    if (!identity) return set({ stage: "signIn" });
    hasJoined = true;
    room.join(id, preferences);
  };
  enter().catch((error: unknown) => {
    const { code, detail } = Problem.from(error);
    set({ stage: "refused", error: { code, message: detail, then: "gone" } });
  });
  set({});

  return {
    leave() {
      // Without an identity there is no place to give up, and no connection.
      if (client.identities.current()) room.leave(id);
      leaves("left");
    },
    prefer(wanted) {
      preferences = wanted;
      if (hasJoined && !isLeaving) room.join(id, wanted);
    },
    finish() {
      room.finish(id);
      leaves("left");
    },
    now: () => rest.now(),
    close() {
      isClosed = true;
      clearTimeout(passTimer);
      for (const unsubscribe of subscriptions) unsubscribe();
      own?.close();
    },
  };
}
