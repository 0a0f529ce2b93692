// Entry point of the visitors' page.
import { PlaceStore, createClient } from "@stanchion/client";
import { Shop, followSeats } from "@stanchion/client/shop";
import { render } from "preact";
import { App } from "./app";
import { pushAlerts } from "./room/push-alerts";
import { storage } from "./shared/guarded-storage";
import { BookingNews } from "./visitor/booking-news";
import { BookingStore } from "./visitor/booking-store";
import type { Dependencies } from "./visitor/dependencies";
import { Journey } from "./visitor/journey";
import { PaymentLock } from "./visitor/payment-lock";
import { refreshEvery } from "./visitor/refresh";
import { routeOf } from "./visitor/route";
import type { State } from "./visitor/state";
import "./visitor.css";

// Where site data are blocked, locks and channels between tabs are, too: each tab is then on its own.
const client = createClient({ store: storage, ...(storage.isMemoryOnly && { browser: {} }) });
const deps: Dependencies = {
  ...client,
  shop: new Shop(client.rest),
  bookings: new BookingStore(storage),
  storage,
  news: new BookingNews((bookingId) => quietly(journey.onBookingChanged(bookingId))),
  payments: new PaymentLock(storage.isMemoryOnly ? undefined : navigator.locks),
};
pushAlerts.connect(client.rest);
const root = document.getElementById("app")!;
root.replaceChildren();

const journey = new Journey(deps, onChange);
let seatStream: AbortController | undefined;

function onChange(state: State): void {
  render(<App state={state} journey={journey} deps={deps} />, root);
  // Follow the free seats only while the user chooses seats.
  const shopping = state.stage.at === "shopping";
  if (shopping === (seatStream !== undefined)) return;

  seatStream?.abort();
  seatStream = shopping ? new AbortController() : undefined;
  if (seatStream && state.eventId) void followSeats(deps.shop, state.eventId, (seats) => journey.setSeats(seats), seatStream.signal);
}

/** Failures of reads in the background: the next refresh tries again. */
function quietly(task: Promise<void>): void {
  task.catch(() => {});
}

/** Random per page, so that visitors do not refresh at the same moment. */
const REFRESH_MS = 5_000 + Math.random() * 3_000;
refreshEvery(REFRESH_MS, () => journey.refresh());
/** The transport notices a dead connection by itself; while it is alive, what the page shows is current. */
const CONFIRM_MS = 10_000;
setInterval(() => journey.queue.confirmCurrent(), CONFIRM_MS);

window.addEventListener("storage", ({ key, newValue }) => {
  const { eventId } = journey.state;
  const userId = deps.identities.current()?.user_id;
  if (newValue !== null || eventId === undefined || userId === undefined) return;
  if (key === PlaceStore.key(userId, eventId)) void journey.onPlaceForgotten(eventId);
});
window.addEventListener("pageshow", ({ persisted }) => void (persisted && journey.wake()));
window.addEventListener("focus", () => quietly(journey.attend()));
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && quietly(journey.attend()));

// What only this tab knows is lost with it, so the browser asks before it goes.
window.addEventListener("beforeunload", (leaving) => {
  const { at } = journey.state.stage;
  const hasSomething = journey.queue.isInQueue || at === "booking";
  if (storage.isMemoryOnly && hasSomething) leaving.preventDefault();
});

void journey.start(routeOf(location));
