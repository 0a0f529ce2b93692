// Idempotency keys, so that a repeated request never books twice.
import type { ReserveRequest } from "@stanchion/client";

/** Returns the same key for the same request until its outcome is known. */
export class IdempotencyKey {
  #request = "";
  #key = "";

  for(request: ReserveRequest, passId: string): string {
    const described = JSON.stringify([passId, request]);
    if (described !== this.#request) {
      this.#request = described;
      this.#key = randomKey();
    }
    return this.#key;
  }

  settle(): void {
    this.#request = "";
  }
}

/** `crypto.randomUUID` does not exist on pages without TLS. */
function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
