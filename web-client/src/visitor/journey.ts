// The user's way from an event's door to a booking: where it begins, goes on after a reload, and what refusals do.
import { type Booking, Problem, type Wish } from "@stanchion/client";
import { Current } from "./current";
import { Line } from "./line";
import type { Parts } from "./parts";
import { Purchase } from "./purchase";
import type { Route } from "./route";
import type { State } from "./state";

const NO_SUCH_EVENT = ["EVENT_NOT_FOUND", "INVALID_REQUEST"];

export class Journey {
  readonly line: Line;
  readonly purchase: Purchase;
  readonly #parts: Parts;
  readonly #current: Current;

  constructor(parts: Parts, changed: (state: State) => void) {
    this.#parts = parts;
    this.#current = new Current(changed);
    this.#current.refused = (problem) => this.#refused(problem);
    this.line = new Line(parts, this.#current, (booking) => this.purchase.hold(booking));
    this.purchase = new Purchase(parts, this.#current, (eventId) => this.line.finish(eventId));
    parts.room.on("event", ({ event_id, state, message }) => {
      if (event_id === this.state.eventId) this.#current.set({ sale: { state, ...(message && { message }) } });
    });
  }

  get state(): State {
    return this.#current.state;
  }

  async start({ page, eventId }: Route): Promise<void> {
    this.#current.set({ page, eventId });
    await this.#begin();
  }

  /** Finds out where the user was, here or in another tab, and goes on from there; where nobody answers, with the next refresh. */
  async #begin(): Promise<void> {
    try {
      if (this.state.page === "event") await this.#resume();
      else await this.#read();
    } catch (error) {
      if (error instanceof Problem && error.undecided) return this.#current.set({ lost: true });
      this.#current.failed(error);
    }
    this.#current.set({ lost: false });
    if (this.state.stage.at === "starting") this.#current.go({ at: "door" });
  }

  /** What the page shows of the world, read again. */
  async refresh(): Promise<void> {
    const { at } = this.state.stage;
    if (at === "starting") await this.#begin();
    else if (at === "booking" && this.state.page === "event") await this.purchase.refresh();
    else if (this.state.page !== "event" || at === "door") await this.#read();
  }

  async #read(): Promise<void> {
    const { page } = this.state;
    if (page === "events") this.#current.set({ events: await this.#parts.shop.events(), unpaid: await this.#unpaid() });
    if (page === "event") await this.#refreshEvent();
    if (page === "bookings") await this.#refreshBookings();
  }

  seatsAre(seats: State["seats"]): void {
    this.#current.set({ seats });
  }

  async join(): Promise<void> {
    const { eventId } = this.state;
    if (eventId === undefined) return;
    await this.#current.attempt(async () => {
      if (await this.#parts.guest()) this.line.enter(eventId);
      else this.#current.go({ at: "identify" });
    });
  }

  async identify(token: string): Promise<void> {
    if (!this.#parts.signIn(token)) return this.#current.set({ trouble: { code: "NOT_A_TOKEN" } });
    await this.#current.attempt(() => this.#resume());
    if (this.state.stage.at === "identify") await this.join();
  }

  /** What to hold when the turn comes; told at once to a line that the user is in. */
  wishFor(wish: Wish): void {
    this.#current.set({ wish });
    const { stage, eventId } = this.state;
    if (stage.at === "waiting" && eventId !== undefined) this.#parts.room.join(eventId, wish);
  }

  /** Another tab has left the line or used the pass. */
  async placeForgotten(eventId: string): Promise<void> {
    if (eventId !== this.state.eventId || !this.line.inside) return;
    this.line.finish(eventId);
    await this.#current.attempt(() => this.#resume());
    if (this.line.inside) this.#current.go({ at: "door" });
  }

  /** The page is back from the browser's cache: what other tabs did meanwhile, nobody told it. */
  async wake(): Promise<void> {
    const { eventId, stage } = this.state;
    const userId = this.#parts.identities.current()?.user_id;
    const told = stage.at === "shopping" || (stage.at === "waiting" && stage.position !== undefined);
    if (!told || eventId === undefined || userId === undefined) return;
    if (!this.#parts.places.find(userId, eventId)) await this.placeForgotten(eventId);
  }

  async #refreshEvent(): Promise<void> {
    const { eventId } = this.state;
    if (eventId === undefined) return;
    const event = await this.#parts.shop.event(eventId);
    this.#current.set({ event, sale: undefined });
  }

  async #refreshBookings(): Promise<void> {
    const signedIn = this.#parts.identities.current();
    const [events, bookings] = await Promise.all([this.#parts.shop.events(), signedIn ? this.#parts.shop.bookings() : []]);
    this.#current.set({ events, bookings });
  }

  async #unpaid(): Promise<Booking[]> {
    return this.#parts.identities.current() ? this.#parts.shop.pending() : [];
  }

  /** Without a word if it fails: whatever shows seats asks again. */
  #refreshSoon(): void {
    this.#refreshEvent().catch(() => {});
  }

  /** A hold comes first, then a booking shown before, then a place in line. */
  async #resume(): Promise<void> {
    const { identities, bookings, places } = this.#parts;
    const { eventId } = this.state;
    if (eventId === undefined) return;
    const [unpaid] = await Promise.all([this.#unpaid(), this.#refreshEvent()]);
    const userId = identities.current()?.user_id;
    if (userId === undefined) return;
    const held = unpaid.find(({ event_id }) => event_id === eventId);
    if (held) return this.purchase.hold(held);
    const remembered = bookings.find(userId, eventId);
    const booking = remembered === undefined ? undefined : await this.#bookingOrNone(remembered);
    if (booking) return this.purchase.show(booking);
    const place = places.find(userId, eventId);
    this.#current.set({ wish: place?.wish ?? [] });
    if (place) this.line.enter(eventId);
  }

  /** A booking may be gone from a server that was set up anew. */
  async #bookingOrNone(bookingId: string): Promise<Booking | undefined> {
    try {
      return await this.#parts.shop.booking(bookingId);
    } catch (error) {
      if (error instanceof Problem && error.code === "BOOKING_NOT_FOUND") return undefined;
      throw error;
    }
  }

  #refused({ code, detail }: Problem): void {
    const { eventId, stage, event } = this.state;
    const trouble = { code, detail };
    if (!event && stage.at === "starting" && NO_SUCH_EVENT.includes(code)) return this.#current.go({ at: "missing" });
    switch (code) {
      case "UNAUTHORIZED":
      case "TOKEN_EXPIRED":
        return this.line.identityRefused(trouble);
      case "PASS_EXPIRED":
      case "PASS_INVALID":
      case "PASS_WRONG_USER":
      case "PASS_WRONG_EVENT":
        return this.line.gone(trouble);
      case "PASS_USED":
        if (eventId !== undefined) void this.placeForgotten(eventId);
        break;
      case "INSUFFICIENT_SEATS":
        this.#refreshSoon();
        break;
      case "PASS_REVOKED":
        // The place is kept: back into the line with the ticket.
        if (eventId !== undefined) this.line.enter(eventId);
    }
    this.#current.set({ trouble });
  }
}

