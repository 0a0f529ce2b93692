// Tells the visitor's other tabs that a booking changed, so that none of them offers to pay for what is paid.

const CHANNEL = "stanchion bookings";

export class BookingNews {
  readonly #channel: BroadcastChannel | undefined;

  /** `onNews` is called with the id of a booking that another tab changed. */
  constructor(onNews: (bookingId: string) => void) {
    try {
      this.#channel = new BroadcastChannel(CHANNEL);
      this.#channel.onmessage = ({ data }) => onNews(String(data));
    } catch {
      // Blocked or missing: the other tabs read their booking when the visitor turns to them.
    }
  }

  send(bookingId: string): void {
    this.#channel?.postMessage(bookingId);
  }
}
