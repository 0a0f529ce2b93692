// The service worker of the visitors' page: shows a push as a notification, and opens the event's page when it is chosen.
// It answers no requests of the page, so nothing it keeps can be out of date. A new build replaces it at once.
const scope = self as unknown as ServiceWorkerGlobalScope;

/** What the server pushes: queue-worker/src/push/message.rs. */
interface Turn {
  event_id: string;
  open_by: string;
}

/** What the page keeps for an event, in the visitor's language: room/push-alerts.ts. */
interface Words {
  title: string;
  /** `{time}` stands for the end of the time to open the page. */
  body: string;
  language: string;
}

const WORDS = "stanchion-words";
/** If the page's words are gone. */
const DEFAULT_WORDS: Words = { title: "It is your turn", body: "Open the page by {time} to choose your seats.", language: "en" };

scope.addEventListener("install", () => void scope.skipWaiting());
scope.addEventListener("activate", (event) => event.waitUntil(scope.clients.claim()));
scope.addEventListener("push", (event) => event.waitUntil(show(turnOf(event.data))));
scope.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(openPage(event.notification.data?.path ?? "/"));
});

/** Undefined for a push that is not understood: a browser still expects a notification. */
function turnOf(data: PushMessageData | null): Turn | undefined {
  try {
    const { event_id, open_by } = data?.json() as Turn;
    return /^[\da-f-]{36}$/i.test(event_id) && !Number.isNaN(Date.parse(open_by)) ? { event_id, open_by } : undefined;
  } catch {
    return undefined;
  }
}

async function show(turn: Turn | undefined): Promise<void> {
  const path = turn ? `/e/${turn.event_id}` : "/";
  const { title, body, language } = await wordsFor(path);
  const time = turn && new Intl.DateTimeFormat(language, { timeStyle: "short" }).format(new Date(turn.open_by));
  // The page notifies with the same tag: the visitor sees one notification.
  const options = { body: time ? body.replace("{time}", time) : "", lang: language, tag: turn?.event_id ?? "turn", requireInteraction: true, data: { path } };
  await scope.registration.showNotification(title, options);
}

async function wordsFor(path: string): Promise<Words> {
  try {
    const kept = await (await caches.open(WORDS)).match(path);
    return kept ? { ...DEFAULT_WORDS, ...((await kept.json()) as Words) } : DEFAULT_WORDS;
  } catch {
    return DEFAULT_WORDS;
  }
}

/** The event's page if it is open in a window, else a new one. */
async function openPage(path: string): Promise<void> {
  const windows = await scope.clients.matchAll({ type: "window", includeUncontrolled: true });
  const open = windows.find(({ url }) => new URL(url).pathname.startsWith(path) && path !== "/");
  await (open?.focus() ?? scope.clients.openWindow(path));
}
