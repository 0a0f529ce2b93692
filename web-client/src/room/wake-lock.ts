// Keeps the screen on while the page is visible. Browsers end a wake lock whenever the page is hidden, so it is taken again.

export class WakeLockKeeper {
  #wanted = false;
  #lock: WakeLockSentinel | undefined;
  #isAsking = false;

  readonly #onVisible = () => void this.#acquire();

  keep(): void {
    if (this.#wanted) return;
    this.#wanted = true;
    document.addEventListener("visibilitychange", this.#onVisible);
    void this.#acquire();
  }

  release(): void {
    this.#wanted = false;
    document.removeEventListener("visibilitychange", this.#onVisible);
    this.#end();
  }

  async #acquire(): Promise<void> {
    if (!this.#wanted || this.#lock || this.#isAsking || document.visibilityState !== "visible") return;
    this.#isAsking = true;
    try {
      const lock = await navigator.wakeLock.request("screen");
      lock.addEventListener("release", () => (this.#lock = undefined));
      this.#lock = lock;
    } catch {
      // Refused, for example while the battery is low.
    } finally {
      this.#isAsking = false;
    }
    if (!this.#wanted) this.#end();
  }

  #end(): void {
    this.#lock?.release().catch(() => {});
    this.#lock = undefined;
  }
}
