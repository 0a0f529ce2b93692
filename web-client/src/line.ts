// The part of the journey in line: in, forward, to the pass, and out.
import { BAD_TOKEN, type Booking, type ConnectionState, type Consequence, EVENT_CLOSED, type Position } from "../sdk";
import type { Current } from "./current";
import type { Parts } from "./parts";
import type { Pass } from "./state";

/** How long a ready place may be without its pass before the pass is asked for. */
const PASS_MS = 2_000;

export class Line {
  readonly #parts: Parts;
  readonly #current: Current;
  readonly #held: (booking: Booking) => void;
  #passTimer: ReturnType<typeof setTimeout> | undefined;
  /** What is shown only until the line answers again. */
  #passing = "";

  /** `held` takes over when a pass arrives with the seats already held. */
  constructor(parts: Parts, current: Current, held: (booking: Booking) => void) {
    this.#parts = parts;
    this.#current = current;
    this.#held = held;
    const { room } = parts;
    room.on("connection", (connection) => this.#connection(connection));
    room.on("position", (position) => this.#position(position));
    room.on("pass", (pass) => this.#pass(pass));
    room.on("left", ({ event_id }) => this.#left(event_id));
    room.on("error", ({ message, then }) => this.#error(message, then));
  }

  /** Whether the user waits or chooses seats: has a place to lose. */
  get inside(): boolean {
    const { at } = this.#current.state.stage;
    return at === "waiting" || at === "shopping";
  }

  enter(eventId: string): void {
    this.#current.set({ eventId, stage: { at: "waiting" }, error: "" });
    this.#parts.room.join(eventId);
  }

  leave(): void {
    const { eventId } = this.#current.state;
    if (eventId !== undefined) this.#parts.room.leave(eventId);
    this.#current.go({ at: "choosing" });
  }

  /** The place has served its purpose, or is gone: no more re-joining. */
  finish(eventId: string): void {
    clearTimeout(this.#passTimer);
    const userId = this.#parts.identities.current()?.user_id;
    this.#parts.room.finish(eventId);
    if (userId !== undefined) this.#parts.places.forget(userId, eventId);
  }

  gone(error: string): void {
    const { eventId } = this.#current.state;
    if (eventId !== undefined) this.finish(eventId);
    this.#parts.connection.close();
    this.#current.set({ stage: { at: "choosing" }, error });
  }

  #position(position: Position): void {
    const { eventId, error } = this.#current.state;
    if (position.event_id !== eventId || !this.inside) return;
    clearTimeout(this.#passTimer);
    // The socket says that it is this user's turn, but the pass has not come with it: joining again tells it again.
    if (position.position === 0) this.#passTimer = setTimeout(() => this.#parts.room.join(eventId), PASS_MS);
    // A position after the pass means that the pass was taken back.
    this.#current.set({ stage: { at: "waiting", position }, error: error === this.#passing ? "" : error });
  }

  #pass(pass: Pass): void {
    if (pass.event_id !== this.#current.state.eventId || !this.inside) return;
    clearTimeout(this.#passTimer);
    if (pass.hold) return this.#held(pass.hold);
    this.#current.set({ stage: { at: "shopping", pass }, error: "" });
  }

  #error(error: string, then: Consequence): void {
    if (then === "gone") return this.gone(error);
    this.#passing = then === "retrying" ? error : "";
    this.#current.set({ error });
  }

  #left(eventId: string): void {
    if (!this.inside) this.#parts.connection.close();
    else if (eventId === this.#current.state.eventId) this.gone("You are no longer in the line.");
  }

  #connection(connection: ConnectionState): void {
    this.#current.set({ connection });
    if (connection.state !== "refused") return;
    if (connection.code === BAD_TOKEN) return this.identityRefused("Your sign-in has ended. Please join again.");
    this.gone(
      connection.code === EVENT_CLOSED ? "This event is closed." : "The connection was refused. Please reload the page.",
    );
  }

  identityRefused(error: string): void {
    this.gone(error);
    this.#parts.identities.forget();
  }
}
