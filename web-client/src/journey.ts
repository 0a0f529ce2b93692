// The user's way from the list of events to a booking: where it begins, goes on after a reload, and what refusals do.
import { type Booking, type EventSummary, type Identity, Problem, identityOfToken } from "../sdk";
import { Current } from "./current";
import { Line } from "./line";
import type { Parts } from "./parts";
import { Purchase } from "./purchase";
import type { State } from "./state";

export class Journey {
  readonly line: Line;
  readonly purchase: Purchase;
  readonly #parts: Parts;
  readonly #current: Current;
  /** What the catalogue was last loaded for. */
  #loading: string | false = false;

  constructor(parts: Parts, changed: (state: State) => void) {
    this.#parts = parts;
    this.#current = new Current((state) => {
      changed(state);
      this.#loadCatalogue(state);
    });
    this.#current.refused = (problem) => this.#refused(problem);
    this.line = new Line(parts, this.#current, (booking) => this.purchase.hold(booking));
    this.purchase = new Purchase(parts, this.#current, (eventId) => this.line.finish(eventId));
    parts.room.on("event", ({ event_id, state, message }) => {
      const told = (known: EventSummary) => ({ event_id, name: known.name, state, ...(message ? { message } : {}) });
      this.#current.set({ events: this.state.events.map((known) => (known.event_id === event_id ? told(known) : known)) });
    });
  }

  get state(): State {
    return this.#current.state;
  }

  /** Finds out where the user was, here or in another tab, and goes on from there. */
  async start(wantedEventId: string | undefined): Promise<void> {
    await this.#current.attempt(async () => {
      const events = await this.#parts.rest.events();
      const known = events.find(({ event_id }) => event_id === wantedEventId) ?? (events.length === 1 ? events[0] : undefined);
      this.#current.set({ events, eventId: known?.event_id });
      await this.#resume();
    });
    if (this.state.stage.at === "starting") this.#current.go({ at: "choosing" });
  }

  async refreshEvents(): Promise<void> {
    this.#current.set({ events: await this.#parts.rest.events() });
  }

  async refreshCatalogue(): Promise<void> {
    const { eventId } = this.state;
    if (eventId === undefined) return;
    const catalogue = await this.#parts.rest.event(eventId);
    if (eventId === this.state.eventId) this.#current.set({ catalogue });
  }

  choose(eventId: string): void {
    this.#current.set({ eventId, error: "" });
  }

  async join(): Promise<void> {
    const { eventId } = this.state;
    if (eventId === undefined) return;
    await this.#current.attempt(async () => {
      if (await this.#identity()) this.line.enter(eventId);
      else this.#current.go({ at: "identify" });
    });
  }

  async identify(token: string): Promise<void> {
    const identity = identityOfToken(token.trim());
    if (!identity) return this.#current.set({ error: "This is not a token. A token has three parts, separated by dots." });
    this.#parts.identities.keep(identity);
    await this.#current.attempt(() => this.#resume());
    if (this.state.stage.at === "identify") await this.join();
  }

  /** Another tab has left the line or used the pass. */
  async placeForgotten(eventId: string): Promise<void> {
    if (eventId !== this.state.eventId || !this.line.inside) return;
    this.line.finish(eventId);
    await this.#current.attempt(() => this.#resume());
    if (this.line.inside) this.#current.go({ at: "choosing" });
  }

  /** Shows and zones are needed from the pass on; waiting users do not ask for them. */
  #loadCatalogue({ stage, eventId, catalogue }: State): void {
    const needed = (stage.at === "shopping" || (stage.at === "booking" && !catalogue)) && `${stage.at} ${eventId}`;
    if (needed === this.#loading) return;
    this.#loading = needed;
    if (needed) this.#refreshSoon();
  }

  /** Without a word if it fails: the refresh while shopping tries again, and a booking shows without names. */
  #refreshSoon(): void {
    this.refreshCatalogue().catch(() => {});
  }

  /** Undefined where there are no guests and no token was given. */
  async #identity(): Promise<Identity | undefined> {
    const { identities, rest } = this.#parts;
    const kept = identities.current();
    if (kept) return kept;
    try {
      return identities.keep(await rest.guest());
    } catch (error) {
      if (error instanceof Problem && error.status === 404) return undefined;
      throw error;
    }
  }

  /** A hold comes first, then a booking shown before, then a place in line. */
  async #resume(): Promise<void> {
    const { identities, rest, bookings, places } = this.#parts;
    const userId = identities.current()?.user_id;
    if (userId === undefined) return;
    const candidates = this.state.eventId ? [this.state.eventId] : this.state.events.map(({ event_id }) => event_id);
    const held = (await rest.pending()).find(({ event_id }) => candidates.includes(event_id));
    if (held) return this.purchase.hold(held);
    for (const eventId of candidates) {
      const remembered = bookings.find(userId, eventId);
      const booking = remembered === undefined ? undefined : await this.#bookingOrNone(remembered);
      if (booking) return this.purchase.show(booking);
      if (places.find(userId, eventId)) return this.line.enter(eventId);
    }
  }

  /** A booking may be gone from a server that was set up anew. */
  async #bookingOrNone(bookingId: string): Promise<Booking | undefined> {
    try {
      return await this.#parts.rest.booking(bookingId);
    } catch (error) {
      if (error instanceof Problem && error.status === 404) return undefined;
      throw error;
    }
  }

  #refused({ code, detail }: Problem): void {
    const { eventId } = this.state;
    switch (code) {
      case "UNAUTHORIZED":
      case "TOKEN_EXPIRED":
        return this.line.identityRefused(detail);
      case "PASS_EXPIRED":
      case "PASS_INVALID":
      case "PASS_WRONG_USER":
      case "PASS_WRONG_EVENT":
        return this.line.gone(detail);
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
    this.#current.set({ error: detail });
  }
}
