// The journey after the pass: reserve, then confirm or cancel before the hold expires.
import { type Booking, type ReserveRequest, Problem } from "@stanchion/client";
import type { Dependencies } from "./dependencies";
import { IdempotencyKey } from "./idempotency";
import type { VisitorStore } from "./visitor-store";

/** The server releases expired holds within about this time. */
const EXPIRY_SWEEP_MS = 1_000;
/** Interval between reads of a hold that is not about to expire. */
const READ_INTERVAL_MS = 30_000;
/** With less time left, and after the expiry, each refresh reads the hold. */
const ENDING_SOON_MS = 60_000;
/** The booking is no longer pending. */
const FINAL_CODES = ["BOOKING_EXPIRED", "BOOKING_NOT_PENDING"];

export class Purchase {
  readonly #deps: Dependencies;
  readonly #store: VisitorStore;
  readonly #onPlaceUsed: (eventId: string) => void;
  readonly #key = new IdempotencyKey();
  #shownAt = 0;

  /** `onPlaceUsed` is called when the place in the queue is no longer needed. */
  constructor(deps: Dependencies, store: VisitorStore, onPlaceUsed: (eventId: string) => void) {
    this.#deps = deps;
    this.#store = store;
    this.#onPlaceUsed = onPlaceUsed;
  }

  async reserve(choice: Omit<ReserveRequest, "event_id">): Promise<void> {
    const { eventId, stage } = this.#store.state;
    if (stage.at !== "shopping" || eventId === undefined) return;
    const request = { event_id: eventId, ...choice };
    const { pass_id, queue_pass } = stage.pass;

    await this.#store.attempt(async () => {
      try {
        this.hold(await this.#deps.rest.reserve(request, queue_pass, this.#key.for(request, pass_id)));
      } catch (error) {
        if (!(error instanceof Problem && error.undecided)) this.#key.settle();
        throw error;
      }
    });
  }

  hold(booking: Booking): void {
    this.#key.settle();
    this.#onPlaceUsed(booking.event_id);
    this.#deps.transport.close();
    this.show(booking);
    this.#deps.news.send(booking.booking_id);
  }

  show(booking: Booking): void {
    this.#shownAt = this.#deps.rest.now();
    this.#deps.bookings.keep(booking.user_id, booking.event_id, booking.booking_id);
    this.#store.set({ eventId: booking.event_id, stage: { at: "booking", booking } });
  }

  confirm(): Promise<void> {
    return this.#transition((bookingId) => this.#deps.shop.confirm(bookingId));
  }

  /**
   * Call it before the payment is taken. False if the booking can no longer be paid, if another tab pays for it, or if the service does
   * not answer: the page then says why.
   */
  async beginPayment(): Promise<boolean> {
    const { stage } = this.#store.state;
    if (stage.at !== "booking") return false;
    const { booking_id } = stage.booking;
    let mayPay = false;
    await this.#store.attempt(async () => {
      const booking = await this.#deps.shop.booking(booking_id);
      this.show(booking);
      if (booking.status !== "reserved") return;
      mayPay = await this.#deps.payments.acquire(booking_id);
      if (!mayPay) this.#store.set({ error: { code: "PAYING_ELSEWHERE" } });
    });
    return mayPay;
  }

  paymentFailed(): void {
    this.#deps.payments.release();
    this.#store.set({ error: { code: "PAYMENT_FAILED" } });
  }

  cancel(): Promise<void> {
    return this.#transition((bookingId) => this.#deps.shop.cancel(bookingId));
  }

  /** The countdown ended. The server decides whether the hold expired; if it does not answer, the next refresh asks again. */
  onHoldEnded(): void {
    setTimeout(() => void this.refresh().catch(() => {}), EXPIRY_SWEEP_MS);
  }

  /** Reads the hold again now and then: an outage may have extended it, and another tab may have confirmed or cancelled it. */
  async refresh(): Promise<void> {
    const { stage } = this.#store.state;
    if (stage.at !== "booking") return;
    const now = this.#deps.rest.now();
    const isEnding = Date.parse(stage.booking.expires_at) - now < ENDING_SOON_MS;
    if (isEnding || now - this.#shownAt >= READ_INTERVAL_MS) await this.reread();
  }

  /** Reads a hold again at once. */
  async reread(): Promise<void> {
    const { stage, busy } = this.#store.state;
    if (stage.at !== "booking" || stage.booking.status !== "reserved" || busy) return;
    const booking = await this.#deps.shop.booking(stage.booking.booking_id);
    // Do not overwrite a newer state that the user's actions caused meanwhile.
    if (this.#store.state.stage === stage && !this.#store.state.busy) this.show(booking);
  }

  /** Stops showing this booking. */
  forget(): void {
    const { stage } = this.#store.state;
    if (stage.at !== "booking") return;
    this.#deps.bookings.forget(stage.booking.user_id, stage.booking.event_id);
    this.#store.go({ at: "event" });
  }

  async #transition(request: (bookingId: string) => Promise<Booking>): Promise<void> {
    const { stage } = this.#store.state;
    if (stage.at !== "booking") return;
    const { booking_id } = stage.booking;

    await this.#store.attempt(async () => {
      try {
        this.show(await request(booking_id));
        this.#deps.news.send(booking_id);
        this.#deps.payments.release();
      } catch (error) {
        const isFinal = error instanceof Problem && FINAL_CODES.includes(error.code);
        if (isFinal) {
          this.#deps.payments.release();
          this.show(await this.#deps.shop.booking(booking_id));
        }
        throw error;
      }
    });
  }
}
