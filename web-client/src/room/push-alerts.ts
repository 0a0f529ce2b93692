// Web Push for the visitor's place: this browser is notified of the turn by the server, also if the page is closed. Needs a service worker, which is
// registered when the visitor asks for alerts and not before.
import type { Rest } from "@stanchion/client";

const SERVICE_WORKER = "/service-worker.js";
/** The cache in which the service worker finds its words. */
const WORDS = "stanchion-words";

/** What a notification says, in the visitor's language; `{time}` stands for the end of the time to open the page. */
export interface TurnWords {
  title: string;
  body: string;
  language: string;
}

export class PushAlerts {
  #rest: Pick<Rest, "call"> | undefined;
  #key: Promise<string | undefined> | undefined;

  connect(rest: Pick<Rest, "call">): void {
    this.#rest = rest;
  }

  /** Undefined if the server sends no pushes, or cannot be asked now. */
  publicKey(): Promise<string | undefined> {
    const ask = async () => (await this.#rest?.call<{ public_key?: string }>("GET", "/push"))?.public_key;
    this.#key ??= ask().catch(() => (this.#key = undefined));
    return this.#key;
  }

  /** Rejects if the browser, its push service or the server refuses. */
  async subscribe(eventId: string, words: TurnWords): Promise<void> {
    const key = await this.publicKey();
    if (key === undefined) throw new Error("the server sends no pushes");
    const registration = await registerServiceWorker();
    const subscription = await subscribeWith(registration, key);
    await this.#store(eventId, subscription, words);
  }

  /** For a place that was taken up again, which the server may know nothing of. False if this browser has no subscription any more. */
  async renew(eventId: string, words: TurnWords): Promise<boolean> {
    const subscription = await (await navigator.serviceWorker.getRegistration())?.pushManager.getSubscription();
    if (!subscription) return false;
    await this.#store(eventId, subscription, words);
    return true;
  }

  /** Of all events: the subscription is the browser's. The push service then tells the server that it has ended. */
  async unsubscribe(eventId: string): Promise<void> {
    await this.#rest?.call("DELETE", path(eventId)).catch(() => {});
    const registration = await navigator.serviceWorker.getRegistration();
    await (await registration?.pushManager.getSubscription())?.unsubscribe();
  }

  async #store(eventId: string, subscription: PushSubscription, words: TurnWords): Promise<void> {
    const { endpoint, keys } = subscription.toJSON();
    await this.#rest?.call("PUT", path(eventId), { endpoint, keys }, {}, "subscribed");
    await (await caches.open(WORDS)).put(`/e/${encodeURIComponent(eventId)}`, new Response(JSON.stringify(words)));
  }
}

/** The page's; it is connected when the page starts. */
export const pushAlerts = new PushAlerts();

function path(eventId: string): string {
  return `/queue/push/${encodeURIComponent(eventId)}`;
}

export async function registerServiceWorker(): Promise<ServiceWorkerRegistration> {
  await navigator.serviceWorker.register(SERVICE_WORKER);
  return navigator.serviceWorker.ready;
}

/** A subscription with another key is of no use: the operator has changed it. */
async function subscribeWith(registration: ServiceWorkerRegistration, key: string): Promise<PushSubscription> {
  const applicationServerKey = bytesOf(key);
  const known = await registration.pushManager.getSubscription();
  if (known && isSame(known.options.applicationServerKey, applicationServerKey)) return known;
  await known?.unsubscribe();
  return registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey });
}

function isSame(one: ArrayBuffer | null, other: Uint8Array): boolean {
  const bytes = new Uint8Array(one ?? new ArrayBuffer(0));
  return bytes.length === other.length && bytes.every((byte, at) => byte === other[at]);
}

function bytesOf(base64url: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64url.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));
}
