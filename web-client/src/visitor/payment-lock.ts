// Lets one tab at a time pay for a booking: a second payment could charge the visitor twice.

type Locks = Pick<LockManager, "request">;

export class PaymentLock {
  readonly #locks: Locks | undefined;
  #release: (() => void) | undefined;

  /** Without locks, each tab may pay. */
  constructor(locks: Locks | undefined) {
    this.#locks = locks;
  }

  /** False if another tab pays for this booking. The browser releases the lock of a tab that is closed. */
  async acquire(bookingId: string): Promise<boolean> {
    this.release();
    const locks = this.#locks;
    if (!locks) return true;

    return new Promise((acquired) => {
      const hold = (lock: Lock | null) => {
        acquired(lock !== null);
        // The promise holds the lock until `release` resolves it.
        return lock ? new Promise<void>((release) => (this.#release = release)) : undefined;
      };
      locks.request(`stanchion payment ${bookingId}`, { ifAvailable: true }, hold).catch(() => acquired(true));
    });
  }

  release(): void {
    this.#release?.();
    this.#release = undefined;
  }
}
