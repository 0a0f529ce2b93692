// Code that is loaded when it is needed: fetched ahead while the visitor waits, and again after a failure.
import { storage, tabStorage } from "./guarded-storage";

const PAUSES_MS = [400, 1_500, 4_000];
const RELOADED_KEY = "stanchion.reloaded";
/** A second failure within this time is not repaired by another reload. */
const RELOAD_INTERVAL_MS = 5 * 60_000;

/**
 * Imports a module, with retries. Browsers may remember that a module failed, so a retry uses another query: `load` must be a
 * plain `import()`, whose error names the address. Browsers that do not name it do not remember it either.
 */
export async function importLate<Module>(load: () => Promise<Module>): Promise<Module> {
  let address: string | undefined;
  for (const pause of PAUSES_MS) {
    try {
      return await (address ? import(/* @vite-ignore */ `${address}?again=${Date.now()}`) : load());
    } catch (error) {
      address ??= addressIn(error);
      await new Promise((resolve) => setTimeout(resolve, pause * (0.5 + Math.random())));
    }
  }
  return address ? import(/* @vite-ignore */ `${address}?again=${Date.now()}`) : load();
}

function addressIn(error: unknown): string | undefined {
  return /https?:\/\/[^\s?'"]+/.exec(String(error))?.[0];
}

/** One part of the page's code, kept once it is loaded. */
export class LateCode<Part> {
  readonly #load: () => Promise<Part>;
  #loading: Promise<Part> | undefined;

  constructor(load: () => Promise<Part>) {
    this.#load = load;
  }

  get(): Promise<Part> {
    this.#loading ??= this.#load();
    this.#loading.catch(() => (this.#loading = undefined));
    return this.#loading;
  }

  /** Loads it ahead; a failure shows when the code is needed. */
  prefetch(): void {
    this.get().catch(() => {});
  }
}

/**
 * Loads the page again, since the server may have another build by now. Returns false if that cannot help or would lose something:
 * it was done a moment ago, the server does not answer, or what the visitor has is in memory only.
 */
export async function reloadForCode(): Promise<boolean> {
  const last = Number(tabStorage.getItem(RELOADED_KEY) ?? 0);
  if (storage.isMemoryOnly || tabStorage.isMemoryOnly || Date.now() - last < RELOAD_INTERVAL_MS) return false;
  const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(5_000) }).catch(() => undefined);
  if (!answer?.ok) return false;
  tabStorage.setItem(RELOADED_KEY, String(Date.now()));
  location.reload();
  return true;
}
