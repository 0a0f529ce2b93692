// The part of the journey after the pass: reserve, then confirm or cancel before the hold ends.
import { type Booking, type Order, Problem } from "@stanchion/client";
import type { Current } from "./current";
import { IdempotencyKey } from "./idempotency";
import type { Parts } from "./parts";

/** The server takes expired holds back within about this time of their end. */
const SWEEP_MS = 1_000;
/** How long what is known of a hold is taken for true, while there is time left. */
const KNOWN_MS = 30_000;
/** With less left, and after its end, the hold is read again at each refresh. */
const ENDING_MS = 60_000;
const OVER = ["BOOKING_EXPIRED", "BOOKING_NOT_PENDING"];

export class Purchase {
  readonly #parts: Parts;
  readonly #current: Current;
  readonly #placeUsed: (eventId: string) => void;
  readonly #key = new IdempotencyKey();
  #shownAt = 0;

  /** `placeUsed` is told that the place in line has served its purpose. */
  constructor(parts: Parts, current: Current, placeUsed: (eventId: string) => void) {
    this.#parts = parts;
    this.#current = current;
    this.#placeUsed = placeUsed;
  }

  async reserve(choice: Omit<Order, "event_id">): Promise<void> {
    const { eventId, stage } = this.#current.state;
    if (stage.at !== "shopping" || eventId === undefined) return;
    const order = { event_id: eventId, ...choice };
    const { pass_id, queue_pass } = stage.pass;
    await this.#current.attempt(async () => {
      try {
        this.hold(await this.#parts.rest.reserve(order, queue_pass, this.#key.for(order, pass_id)));
      } catch (error) {
        if (!(error instanceof Problem && error.undecided)) this.#key.settle();
        throw error;
      }
    });
  }

  hold(booking: Booking): void {
    this.#key.settle();
    this.#placeUsed(booking.event_id);
    this.#parts.link.close();
    this.show(booking);
  }

  show(booking: Booking): void {
    this.#shownAt = this.#parts.rest.now();
    this.#parts.bookings.keep(booking.user_id, booking.event_id, booking.booking_id);
    this.#current.set({ eventId: booking.event_id, stage: { at: "booking", booking } });
  }

  confirm(): Promise<void> {
    return this.#decide((bookingId) => this.#parts.shop.confirm(bookingId));
  }

  paymentFailed(): void {
    this.#current.set({ trouble: { code: "PAYMENT_FAILED" } });
  }

  cancel(): Promise<void> {
    return this.#decide((bookingId) => this.#parts.shop.cancel(bookingId));
  }

  /** The hold's time is over by the clock; the server has the last word, and where it says nothing, the next refresh asks again. */
  holdEnded(): void {
    setTimeout(() => void this.refresh().catch(() => {}), SWEEP_MS);
  }

  /** Reads a hold again: after an outage it has more time, and another tab may have decided. */
  async refresh(): Promise<void> {
    const { stage, busy } = this.#current.state;
    if (stage.at !== "booking" || stage.booking.status !== "reserved" || busy) return;
    const now = this.#parts.rest.now();
    const isEnding = Date.parse(stage.booking.expires_at) - now < ENDING_MS;
    if (!isEnding && now - this.#shownAt < KNOWN_MS) return;
    const booking = await this.#parts.shop.booking(stage.booking.booking_id);
    // What the user did meanwhile is newer.
    if (this.#current.state.stage === stage && !this.#current.state.busy) this.show(booking);
  }

  /** Done with this booking. */
  forget(): void {
    const { stage } = this.#current.state;
    if (stage.at !== "booking") return;
    this.#parts.bookings.forget(stage.booking.user_id, stage.booking.event_id);
    this.#current.go({ at: "door" });
  }

  async #decide(request: (bookingId: string) => Promise<Booking>): Promise<void> {
    const { stage } = this.#current.state;
    if (stage.at !== "booking") return;
    const { booking_id } = stage.booking;
    await this.#current.attempt(async () => {
      try {
        this.show(await request(booking_id));
      } catch (error) {
        const over = error instanceof Problem && OVER.includes(error.code);
        if (over) this.show(await this.#parts.shop.booking(booking_id));
        throw error;
      }
    });
  }
}
