// The part of the journey in line: in, forward, to the pass, and out.
import { BAD_TOKEN, type Booking, type ConnectionState, type Consequence, EVENT_CLOSED, type Position } from "@stanchion/client";
import type { Current } from "./current";
import type { Parts } from "./parts";
import type { Pass, Trouble } from "./state";

/** How long a ready place may be without its pass before the pass is asked for. */
const PASS_MS = 2_000;

export class Line {
  readonly #parts: Parts;
  readonly #current: Current;
  readonly #held: (booking: Booking) => void;
  #passTimer: ReturnType<typeof setTimeout> | undefined;
  /** What is shown only until the line answers again. */
  #passing: Trouble | undefined;

  /** `held` takes over when the seats of a wish are held: with the pass, or after it where the shop was slow. */
  constructor(parts: Parts, current: Current, held: (booking: Booking) => void) {
    this.#parts = parts;
    this.#current = current;
    this.#held = held;
    const { room } = parts;
    room.on("connection", (connection) => this.#connection(connection));
    room.on("position", (position) => this.#position(position));
    room.on("pass", (pass) => this.#pass(pass));
    room.on("reserved", ({ ref: _, ...booking }) => this.#reserved(booking));
    room.on("left", ({ event_id }) => this.#left(event_id));
    room.on("error", ({ code, message, then }) => this.#error({ code, detail: message }, then));
  }

  /** Whether the user waits or chooses seats: has a place to lose. */
  get inside(): boolean {
    const { at } = this.#current.state.stage;
    return at === "waiting" || at === "shopping";
  }

  enter(eventId: string): void {
    this.#current.set({ eventId, stage: { at: "waiting" }, trouble: undefined });
    const { wish } = this.#current.state;
    this.#parts.room.join(eventId, wish.length > 0 ? wish : undefined);
  }

  leave(): void {
    const { eventId } = this.#current.state;
    if (eventId !== undefined) this.#parts.room.leave(eventId);
    this.#current.go({ at: "door" });
  }

  /** The place has served its purpose, or is gone: no more re-joining. */
  finish(eventId: string): void {
    clearTimeout(this.#passTimer);
    const userId = this.#parts.identities.current()?.user_id;
    this.#parts.room.finish(eventId);
    if (userId !== undefined) this.#parts.places.forget(userId, eventId);
  }

  gone(trouble?: Trouble): void {
    const { eventId } = this.#current.state;
    if (eventId !== undefined) this.finish(eventId);
    this.#parts.link.close();
    this.#current.set({ stage: { at: "door" }, trouble });
  }

  #position(position: Position): void {
    const { eventId, trouble } = this.#current.state;
    if (position.event_id !== eventId || !this.inside) return;
    clearTimeout(this.#passTimer);
    // The socket says that it is this user's turn, but the pass has not come with it: joining again tells it again.
    if (position.position === 0) this.#passTimer = setTimeout(() => this.#parts.room.join(eventId), PASS_MS);
    // A position after the pass means that the pass was taken back.
    this.#current.set({ stage: { at: "waiting", position }, trouble: trouble === this.#passing ? undefined : trouble });
  }

  #pass(pass: Pass): void {
    if (pass.event_id !== this.#current.state.eventId || !this.inside) return;
    clearTimeout(this.#passTimer);
    if (pass.hold) return this.#held(pass.hold);
    this.#current.set({ stage: { at: "shopping", pass }, trouble: undefined });
  }

  /** This page reserves over HTTP, so that what is told here is a wish that was met later than the pass was told. */
  #reserved(booking: Booking): void {
    if (booking.event_id === this.#current.state.eventId && this.inside) this.#held(booking);
  }

  #error(trouble: Trouble, then: Consequence): void {
    if (then === "gone") return this.gone(trouble);
    this.#passing = then === "retrying" ? trouble : undefined;
    // A pass that was taken back while nobody looked: the place is first again.
    const back = trouble.code === "PASS_REVOKED" && this.#current.state.stage.at === "shopping";
    this.#current.set({ trouble, ...(back && { stage: { at: "waiting" } }) });
  }

  #left(eventId: string): void {
    if (!this.inside) this.#parts.link.close();
    else if (eventId === this.#current.state.eventId) this.gone({ code: "PLACE_LOST" });
  }

  #connection(connection: ConnectionState): void {
    const { state } = connection;
    this.#current.set({ connection, lost: state === "reconnecting" || (state === "connecting" && this.#current.state.lost) });
    if (connection.state !== "refused") return;
    if (connection.code === BAD_TOKEN) return this.identityRefused({ code: "UNAUTHORIZED" });
    // That the sale is over, the page says by itself.
    this.gone(connection.code === EVENT_CLOSED ? undefined : { code: "REFUSED" });
  }

  identityRefused(trouble: Trouble): void {
    this.gone(trouble);
    this.#parts.identities.forget();
  }
}
