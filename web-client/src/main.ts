// Puts the page together: the SDK's parts, the journey, the views, and the browser's own events.
import { Connection, Identities, Places, Rest, WaitingRoom } from "../sdk";
import { Journey } from "./journey";
import { refreshEvery } from "./refresh";
import { RememberedBookings } from "./remembered-bookings";
import { bookingView } from "./views/booking";
import { choosingView } from "./views/choosing";
import { identifyView } from "./views/identify";
import { noticesView } from "./views/notices";
import { pageView } from "./views/page";
import { shoppingView } from "./views/shopping";
import { waitingView } from "./views/waiting";

const base = new URL("/api/v1", location.origin);
const socket = new URL("/api/v1/ws", location.origin.replace(/^http/, "ws"));

const rest = new Rest({ base: base.href, token: () => identities.current()?.token });
const identities = new Identities(localStorage, () => rest.now());
const places = new Places(localStorage);
const connection = new Connection({ url: socket.href, token: () => identities.current()?.token ?? "" });
const room = new WaitingRoom(connection, places);
const bookings = new RememberedBookings(localStorage);

const journey = new Journey({ rest, connection, room, identities, places, bookings }, (state) => {
  for (const view of views) view(state);
});
const views = [
  noticesView(),
  identifyView(journey),
  choosingView(journey),
  waitingView(),
  shoppingView(journey, rest),
  bookingView(journey, rest),
  pageView(journey),
];

refreshEvery(5_000, () => (journey.state.stage.at === "choosing" ? journey.refreshEvents() : undefined));
refreshEvery(3_000, () => (journey.state.stage.at === "shopping" ? journey.refreshCatalogue() : undefined));

window.addEventListener("online", () => connection.probe());
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") connection.probe();
});
window.addEventListener("storage", ({ key, newValue }) => {
  const { eventId } = journey.state;
  const userId = identities.current()?.user_id;
  if (newValue !== null || eventId === undefined || userId === undefined) return;
  if (key === Places.key(userId, eventId)) void journey.placeForgotten(eventId);
});

void journey.start(new URLSearchParams(location.search).get("event") ?? undefined);
