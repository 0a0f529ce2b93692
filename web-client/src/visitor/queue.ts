// The journey in the queue: join, positions, the pass, and leave.
import { BAD_TOKEN, type Booking, type ConnectionState, EVENT_CLOSED, type NextAction, type Position } from "@stanchion/client";
import type { Dependencies } from "./dependencies";
import type { PageError, Pass } from "./state";
import type { VisitorStore } from "./visitor-store";

/** How long to wait for the pass at position 0 before joining again to request it. */
const PASS_TIMEOUT_MS = 2_000;
/** Refusals of a join because of the number of users: they are nobody's mistake, and the join is repeated. */
const CROWDED_CODES = ["RATE_LIMITED", "UNAVAILABLE"];

export class Queue {
  readonly #deps: Dependencies;
  readonly #store: VisitorStore;
  readonly #onHold: (booking: Booking) => void;
  #passTimer: ReturnType<typeof setTimeout> | undefined;
  /** The error to clear when the next position arrives. */
  #transientError: PageError | undefined;

  /** `onHold` is called when preferred seats are held: with the pass, or after it if booking was slow. */
  constructor(deps: Dependencies, store: VisitorStore, onHold: (booking: Booking) => void) {
    this.#deps = deps;
    this.#store = store;
    this.#onHold = onHold;

    const { room } = deps;
    room.on("connection", (connection) => this.#onConnection(connection));
    room.on("position", (position) => this.#onPosition(position));
    room.on("pass", (pass) => this.#onPass(pass));
    room.on("reserved", ({ ref: _, ...booking }) => this.#onReserved(booking));
    room.on("left", ({ event_id }) => this.#onLeft(event_id));
    room.on("error", ({ code, message, then }) => this.#onError({ code, detail: message }, then));
  }

  /** Whether the user has a place in the queue or a pass. */
  get isInQueue(): boolean {
    const { at } = this.#store.state.stage;
    return at === "waiting" || at === "shopping";
  }

  join(eventId: string): void {
    this.#store.set({ eventId, stage: { at: "waiting" }, error: undefined, endedInLine: false });
    const { preferences } = this.#store.state;
    this.#deps.room.join(eventId, preferences.length > 0 ? preferences : undefined);
  }

  leave(): void {
    const { eventId } = this.#store.state;
    if (eventId !== undefined) this.#deps.room.leave(eventId);
    this.#store.go({ at: "event" });
  }

  /** Stops rejoining: the pass was used, or the place no longer exists. */
  finish(eventId: string): void {
    clearTimeout(this.#passTimer);
    const userId = this.#deps.identities.current()?.user_id;
    this.#deps.room.finish(eventId);
    if (userId !== undefined) this.#deps.places.forget(userId, eventId);
  }

  exit(error?: PageError): void {
    const { eventId } = this.#store.state;
    if (eventId !== undefined) this.finish(eventId);
    this.#deps.transport.close();
    this.#store.set({ stage: { at: "event" }, error });
  }

  #onPosition(position: Position): void {
    const { eventId, error } = this.#store.state;
    if (position.event_id !== eventId || !this.isInQueue) return;
    clearTimeout(this.#passTimer);
    // It is this user's turn, but the pass has not arrived: another join delivers it again.
    if (position.position === 0) this.#passTimer = setTimeout(() => this.#deps.room.join(eventId), PASS_TIMEOUT_MS);
    // A position after the pass means that the pass was revoked.
    this.#store.set({
      stage: { at: "waiting", position },
      error: error === this.#transientError ? undefined : error,
      crowded: false,
      unreachable: false,
      updatedAt: Date.now(),
    });
  }

  #onPass(pass: Pass): void {
    if (pass.event_id !== this.#store.state.eventId || !this.isInQueue) return;
    clearTimeout(this.#passTimer);
    if (pass.hold) return this.#onHold(pass.hold);
    this.#store.set({ stage: { at: "shopping", pass }, error: undefined });
  }

  /** This page reserves over HTTP, so this message can only be an automatic hold that completed after the pass was sent. */
  #onReserved(booking: Booking): void {
    if (booking.event_id === this.#store.state.eventId && this.isInQueue) this.#onHold(booking);
  }

  /** The connection is alive, so the place is as it was last received. */
  confirmCurrent(): void {
    const { stage, connection } = this.#store.state;
    if (stage.at === "waiting" && stage.position && connection.state === "connected") this.#store.set({ updatedAt: Date.now() });
  }

  #onError(error: PageError, then: NextAction): void {
    if (then === "gone") return this.exit(error);
    const { stage, busy } = this.#store.state;
    const hasNoPlaceYet = stage.at === "waiting" ? !stage.position : stage.at === "event" && busy;
    if (then === "retrying" && hasNoPlaceYet && CROWDED_CODES.includes(error.code)) return this.#store.set({ crowded: true });
    this.#transientError = then === "retrying" ? error : undefined;
    // The pass was revoked unclaimed: the user is back at the front of the queue.
    const back = error.code === "PASS_REVOKED" && this.#store.state.stage.at === "shopping";
    this.#store.set({ error, ...(back && { stage: { at: "waiting" } }) });
  }

  #onLeft(eventId: string): void {
    if (!this.isInQueue) this.#deps.transport.close();
    else if (eventId === this.#store.state.eventId) this.exit({ code: "PLACE_LOST" });
  }

  #onConnection(connection: ConnectionState): void {
    const { state } = connection;
    this.#store.set({ connection, lost: state === "reconnecting" || (state === "connecting" && this.#store.state.lost) });
    if (connection.state !== "refused") return;
    if (connection.code === BAD_TOKEN) return this.rejectIdentity({ code: "UNAUTHORIZED" });
    if (connection.code !== EVENT_CLOSED) return this.exit({ code: "REFUSED" });
    // The page itself shows that the sale has ended.
    this.#store.set({ endedInLine: this.isInQueue });
    this.exit();
  }

  rejectIdentity(error: PageError): void {
    this.exit(error);
    this.#deps.identities.forget();
  }
}
