// The browser's storage, guarded: where it is blocked, full or missing, memory takes its place, and nothing here throws.

/** Reads and writes as `Storage` does, and lists its keys. */
export class GuardedStorage {
  readonly #open: () => Storage;
  readonly #memory = new Map<string, string>();
  #hasFailed = false;

  /** `open` is called at each use: where site data are blocked, reading `window.localStorage` throws. */
  constructor(open: () => Storage) {
    this.#open = open;
    this.#attempt((storage) => storage.length);
  }

  /** True once something could not be stored: a reload loses it. */
  get isMemoryOnly(): boolean {
    return this.#hasFailed;
  }

  getItem(key: string): string | null {
    return this.#memory.get(key) ?? this.#attempt((storage) => storage.getItem(key)) ?? null;
  }

  setItem(key: string, value: string): void {
    const stored = this.#attempt((storage) => (storage.setItem(key, value), true));
    if (stored) return void this.#memory.delete(key);
    // A full store may still hold the previous value, which other tabs and the next load must not take for the latest.
    this.#attempt((storage) => storage.removeItem(key));
    this.#memory.set(key, value);
  }

  removeItem(key: string): void {
    this.#memory.delete(key);
    this.#attempt((storage) => storage.removeItem(key));
  }

  keys(): string[] {
    const stored = this.#attempt((storage) => Array.from({ length: storage.length }, (_, index) => storage.key(index) ?? "")) ?? [];
    return [...new Set([...stored, ...this.#memory.keys()])];
  }

  #attempt<T>(use: (storage: Storage) => T): T | undefined {
    try {
      return use(this.#open());
    } catch {
      this.#hasFailed = true;
      return undefined;
    }
  }
}

/** Shared by all tabs of the visitor, and kept. */
export const storage = new GuardedStorage(() => localStorage);
/** Of this tab, kept over reloads. */
export const tabStorage = new GuardedStorage(() => sessionStorage);
