// The user's journey from an event's page to a booking: start, resumption after a reload, and the effect of problems.
import { type Booking, Problem, type SeatPreferences } from "@stanchion/client";
import type { Dependencies } from "./dependencies";
import { OtherPlaces } from "./other-places";
import { decidesNothing, untilDecided } from "./patience";
import { Purchase } from "./purchase";
import { Queue } from "./queue";
import type { Route } from "./route";
import type { State } from "./state";
import { VisitorStore } from "./visitor-store";

const NO_SUCH_EVENT = ["EVENT_NOT_FOUND", "INVALID_REQUEST"];
/** Between two reads that follow from the visitor's attention: focus and visibility change together. */
const ATTENTION_INTERVAL_MS = 1_000;
/** A single refresh without an answer is no news. */
const FAILURES_TO_REPORT = 2;

export class Journey {
  readonly queue: Queue;
  readonly purchase: Purchase;
  readonly #deps: Dependencies;
  readonly #store: VisitorStore;
  readonly #others: OtherPlaces;
  /** The place was joined before the user's bookings were read, because they could not be. */
  #isUnverified = false;
  #attendedAt = -Infinity;
  /** Refreshes in a row that the service did not answer. */
  #failures = 0;

  constructor(deps: Dependencies, changed: (state: State) => void) {
    this.#deps = deps;
    this.#store = new VisitorStore(changed);
    this.#store.onProblem = (problem) => this.#onProblem(problem);
    this.#others = new OtherPlaces(deps);
    this.queue = new Queue(deps, this.#store, (booking) => this.purchase.hold(booking));
    this.purchase = new Purchase(deps, this.#store, (eventId) => this.queue.finish(eventId));
    deps.room.on("event", ({ event_id, state, message }) => {
      if (event_id === this.state.eventId) this.#store.set({ sale: { state, ...(message && { message }) } });
    });
  }

  get state(): State {
    return this.#store.state;
  }

  async start({ page, eventId }: Route): Promise<void> {
    this.#store.set({ page, eventId });
    await Promise.all([this.#begin(), this.#readOthers()]);
  }

  /** Resumes the user's stage, also that of another tab. If the server decides nothing, the next refresh tries again. */
  async #begin(): Promise<void> {
    try {
      if (this.state.page === "event") await this.#resume();
      else await this.#read();
    } catch (error) {
      if (decidesNothing(error)) return this.#onUnreachable();
      this.#store.fail(error);
    }
    this.#isUnverified = false;
    this.#store.set({ lost: false, unreachable: false });
    if (this.state.stage.at === "starting") this.#store.go({ at: "event" });
  }

  /** A user with a ticket waits on, also while the rest of the service does not answer. */
  #onUnreachable(): void {
    this.#store.set({ unreachable: true });
    const { eventId, stage } = this.state;
    if (stage.at !== "starting" || eventId === undefined) return;
    const userId = this.#deps.identities.current()?.user_id;
    const place = userId === undefined ? undefined : this.#deps.places.find(userId, eventId);
    if (!place?.ticket) return;
    this.#isUnverified = true;
    this.#store.set({ preferences: place.wish ?? [] });
    this.queue.join(eventId);
  }

  /** Reads the server's data for the page again. */
  async refresh(): Promise<void> {
    const { at } = this.state.stage;
    try {
      await Promise.all([this.#readOthers(), this.#refreshStage(at)]);
    } catch (error) {
      // A view with a booking says so itself, at the action that failed.
      if (decidesNothing(error) && at !== "booking" && ++this.#failures >= FAILURES_TO_REPORT) this.#store.set({ unreachable: true });
      throw error;
    }
    this.#failures = 0;
  }

  async #refreshStage(at: State["stage"]["at"]): Promise<void> {
    if (at === "starting") return this.#begin();
    if (this.#isUnverified) return this.#verify();
    if (at === "booking" && this.state.page === "event") return this.purchase.refresh();
    if (this.state.page !== "event" || at === "event") await this.#read();
  }

  /** Reads what could not be read at the start: a held booking goes before the place. */
  async #verify(): Promise<void> {
    const { eventId } = this.state;
    const [unpaid] = await Promise.all([this.#unpaid(), this.#refreshEvent()]);
    this.#isUnverified = false;
    this.#store.set({ unreachable: false });
    const held = unpaid.find(({ event_id }) => event_id === eventId);
    if (held && this.queue.isInQueue) this.purchase.hold(held);
  }

  async #read(): Promise<void> {
    const { page } = this.state;
    if (page === "events") this.#store.set({ events: await this.#deps.shop.events(), unpaid: await this.#unpaid() });
    if (page === "event") await this.#refreshEvent();
    if (page === "bookings") await this.#refreshBookings();
    this.#store.set({ unreachable: false });
  }

  /** Keeps the last known places if the service does not answer. */
  async #readOthers(): Promise<void> {
    try {
      const others = await this.#others.read(this.state.page === "event" ? this.state.eventId : undefined);
      if (others.length > 0 || this.state.others.length > 0) this.#store.set({ others });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
    }
  }

  setSeats(seats: State["seats"]): void {
    this.#store.set({ seats });
  }

  /** Takes a place. Refusals because of the number of users are repeated; the page says so meanwhile. */
  async join(): Promise<void> {
    const { eventId } = this.state;
    if (eventId === undefined) return;
    await this.#store.attempt(async () => {
      const guest = await untilDecided(this.#deps.guest, (refusal) => this.#onUndecidedJoin(refusal));
      if (guest) this.queue.join(eventId);
      else this.#store.go({ at: "signIn" });
    });
    this.#store.set({ crowded: false, unreachable: false });
  }

  #onUndecidedJoin({ code }: Problem): void {
    this.#store.set(code === "NO_ANSWER" ? { unreachable: true } : { crowded: true, unreachable: false });
  }

  async signIn(token: string): Promise<void> {
    if (!this.#deps.signIn(token)) return this.#store.set({ error: { code: "NOT_A_TOKEN" } });
    await this.#store.attempt(() => this.#resume());
    if (this.state.stage.at === "signIn") await this.join();
  }

  /** Sets the seat preferences, and sends them if the user is in the queue. */
  setSeatPreferences(preferences: SeatPreferences): void {
    this.#store.set({ preferences });
    const { stage, eventId } = this.state;
    if (stage.at === "waiting" && eventId !== undefined) this.#deps.room.join(eventId, preferences);
  }

  /** Another tab left the queue or used the pass. */
  async onPlaceForgotten(eventId: string): Promise<void> {
    if (eventId !== this.state.eventId || !this.queue.isInQueue) return;
    this.queue.finish(eventId);
    await this.#store.attempt(() => this.#resume());
    if (this.queue.isInQueue) this.#store.go({ at: "event" });
  }

  /** Another tab changed a booking. */
  async onBookingChanged(bookingId: string): Promise<void> {
    const { stage, page } = this.state;
    if (stage.at === "booking" && stage.booking.booking_id === bookingId) await this.purchase.reread();
    else if (page !== "event") await this.#read();
  }

  /** The visitor turned to this tab: what it shows may have changed elsewhere. */
  async attend(): Promise<void> {
    const now = performance.now();
    if (now - this.#attendedAt < ATTENTION_INTERVAL_MS || this.state.stage.at === "starting") return;
    this.#attendedAt = now;
    if (this.state.stage.at === "booking") await this.purchase.reread();
    else await this.refresh();
  }

  /** The page is back from the back/forward cache, where it received no storage events of other tabs. */
  async wake(): Promise<void> {
    const { eventId, stage } = this.state;
    const userId = this.#deps.identities.current()?.user_id;
    const hasPlace = stage.at === "shopping" || (stage.at === "waiting" && stage.position !== undefined);
    if (!hasPlace || eventId === undefined || userId === undefined) return;
    if (!this.#deps.places.find(userId, eventId)) await this.onPlaceForgotten(eventId);
  }

  async #refreshEvent(): Promise<void> {
    const { eventId } = this.state;
    if (eventId === undefined) return;
    const event = await this.#deps.shop.event(eventId);
    this.#store.set({ event, sale: undefined });
  }

  async #refreshBookings(): Promise<void> {
    const signedIn = this.#deps.identities.current();
    const [events, bookings] = await Promise.all([this.#deps.shop.events(), signedIn ? this.#deps.shop.bookings() : []]);
    this.#store.set({ events, bookings });
  }

  async #unpaid(): Promise<Booking[]> {
    return this.#deps.identities.current() ? this.#deps.shop.pending() : [];
  }

  /** Ignores failures: the views that show seats refresh by themselves. */
  #refreshSoon(): void {
    this.#refreshEvent().catch(() => {});
  }

  /** In order of priority: an unpaid booking, the last shown booking, a place in the queue. */
  async #resume(): Promise<void> {
    const { identities, bookings, places } = this.#deps;
    const { eventId } = this.state;
    if (eventId === undefined) return;
    const [unpaid] = await Promise.all([this.#unpaid(), this.#refreshEvent()]);
    const userId = identities.current()?.user_id;
    if (userId === undefined) return;

    const held = unpaid.find(({ event_id }) => event_id === eventId);
    if (held) return this.purchase.hold(held);

    const remembered = bookings.find(userId, eventId);
    const booking = remembered === undefined ? undefined : await this.#findBooking(remembered);
    if (booking) return this.purchase.show(booking);

    const place = places.find(userId, eventId);
    this.#store.set({ preferences: place?.wish ?? [] });
    if (place) this.queue.join(eventId);
  }

  /** Undefined if the booking no longer exists, for example after the server's data was deleted. */
  async #findBooking(bookingId: string): Promise<Booking | undefined> {
    try {
      return await this.#deps.shop.booking(bookingId);
    } catch (error) {
      if (error instanceof Problem && error.code === "BOOKING_NOT_FOUND") return undefined;
      throw error;
    }
  }

  #onProblem({ code, detail }: Problem): void {
    const { eventId, stage, event } = this.state;
    const error = { code, detail };
    if (!event && stage.at === "starting" && NO_SUCH_EVENT.includes(code)) return this.#store.go({ at: "missing" });

    switch (code) {
      case "UNAUTHORIZED":
      case "TOKEN_EXPIRED":
        return this.queue.rejectIdentity(error);
      case "PASS_EXPIRED":
      case "PASS_INVALID":
      case "PASS_WRONG_USER":
      case "PASS_WRONG_EVENT":
        return this.queue.exit(error);
      case "PASS_USED":
        if (eventId !== undefined) void this.onPlaceForgotten(eventId);
        break;
      case "INSUFFICIENT_SEATS":
        this.#refreshSoon();
        break;
      case "PASS_REVOKED":
        // The ticket is still valid: join the queue again.
        if (eventId !== undefined) this.queue.join(eventId);
    }
    this.#store.set({ error });
  }
}
