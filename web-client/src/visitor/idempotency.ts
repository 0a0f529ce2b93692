// Keys that make a repeated reservation the same reservation.
import type { Order } from "@stanchion/client";

/** One key per order until its outcome is known; then the next attempt is a new one. */
export class IdempotencyKey {
  #order = "";
  #key = "";

  for(order: Order, passId: string): string {
    const described = JSON.stringify([passId, order]);
    if (described !== this.#order) {
      this.#order = described;
      this.#key = randomKey();
    }
    return this.#key;
  }

  settle(): void {
    this.#order = "";
  }
}

/** `crypto.randomUUID` is missing on pages without TLS. */
function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
