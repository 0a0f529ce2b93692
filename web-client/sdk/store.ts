// Where the SDK keeps identity and places: the browser's storage, or memory if the browser refuses it.

/** The part of `Storage` that the SDK uses. */
export interface Store {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

/** Undefined if there is none, or it is not JSON. */
export function readJson<T>(store: Store, key: string): T | undefined {
  try {
    return JSON.parse(store.getItem(key)!) ?? undefined;
  } catch {
    return undefined;
  }
}

/** A store that never throws. */
export interface KeptStore extends Store {
  /** Whether anything is kept in memory only: a reload of the page loses the place then. */
  readonly inMemory: boolean;
}

const PROBE = "stanchion.probe";

/** A browser may forbid even reading `localStorage`, it may be full, and outside of browsers there is none. */
export function guardedStore(open: () => Store): KeptStore {
  /** Only what the store did not take. */
  const memory = new Map<string, string>();

  const attempt = <T>(use: (store: Store) => T): T | undefined => {
    try {
      return use(open());
    } catch {
      return undefined;
    }
  };
  const setItem = (key: string, value: string) => {
    memory.set(key, value);
    attempt((store) => {
      store.setItem(key, value);
      memory.delete(key);
    });
  };
  const removeItem = (key: string) => {
    memory.delete(key);
    attempt((store) => store.removeItem(key));
  };

  return {
    getItem: (key) => memory.get(key) ?? attempt((store) => store.getItem(key)) ?? null,
    setItem,
    removeItem,
    get inMemory() {
      setItem(PROBE, "");
      const { size } = memory;
      removeItem(PROBE);
      return size > 0;
    },
  };
}
