// The user's journey from an event's page to a booking: start, resumption after a reload, and the effect of problems.
import { type Booking, Problem, type SeatPreferences } from "@stanchion/client";
import type { Dependencies } from "./dependencies";
import { Purchase } from "./purchase";
import { Queue } from "./queue";
import type { Route } from "./route";
import type { State } from "./state";
import { VisitorStore } from "./visitor-store";

const NO_SUCH_EVENT = ["EVENT_NOT_FOUND", "INVALID_REQUEST"];

export class Journey {
  readonly queue: Queue;
  readonly purchase: Purchase;
  readonly #deps: Dependencies;
  readonly #store: VisitorStore;

  constructor(deps: Dependencies, changed: (state: State) => void) {
    this.#deps = deps;
    this.#store = new VisitorStore(changed);
    this.#store.onProblem = (problem) => this.#onProblem(problem);
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
    await this.#begin();
  }

  /** Resumes the user's stage, also that of another tab. If the server does not answer, the next refresh tries again. */
  async #begin(): Promise<void> {
    try {
      if (this.state.page === "event") await this.#resume();
      else await this.#read();
    } catch (error) {
      if (error instanceof Problem && error.undecided) return this.#store.set({ lost: true });
      this.#store.fail(error);
    }
    this.#store.set({ lost: false });
    if (this.state.stage.at === "starting") this.#store.go({ at: "event" });
  }

  /** Reads the server's data for the page again. */
  async refresh(): Promise<void> {
    const { at } = this.state.stage;
    if (at === "starting") await this.#begin();
    else if (at === "booking" && this.state.page === "event") await this.purchase.refresh();
    else if (this.state.page !== "event" || at === "event") await this.#read();
  }

  async #read(): Promise<void> {
    const { page } = this.state;
    if (page === "events") this.#store.set({ events: await this.#deps.shop.events(), unpaid: await this.#unpaid() });
    if (page === "event") await this.#refreshEvent();
    if (page === "bookings") await this.#refreshBookings();
  }

  setSeats(seats: State["seats"]): void {
    this.#store.set({ seats });
  }

  async join(): Promise<void> {
    const { eventId } = this.state;
    if (eventId === undefined) return;
    await this.#store.attempt(async () => {
      if (await this.#deps.guest()) this.queue.join(eventId);
      else this.#store.go({ at: "signIn" });
    });
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

