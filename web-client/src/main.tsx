// Entry point of the visitors' page.
import { PlaceStore, createClient } from "@stanchion/client";
import { Shop, followSeats } from "@stanchion/client/shop";
import { render } from "preact";
import { App } from "./app";
import { pushAlerts } from "./room/push-alerts";
import { BookingStore } from "./visitor/booking-store";
import type { Dependencies } from "./visitor/dependencies";
import { Journey } from "./visitor/journey";
import { refreshEvery } from "./visitor/refresh";
import { routeOf } from "./visitor/route";
import type { State } from "./visitor/state";
import "./visitor.css";

const client = createClient();
const deps: Dependencies = { ...client, shop: new Shop(client.rest), bookings: new BookingStore(localStorage) };
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

/** Random per page, so that visitors do not refresh at the same moment. */
const REFRESH_MS = 5_000 + Math.random() * 3_000;
refreshEvery(REFRESH_MS, () => journey.refresh());

window.addEventListener("storage", ({ key, newValue }) => {
  const { eventId } = journey.state;
  const userId = deps.identities.current()?.user_id;
  if (newValue !== null || eventId === undefined || userId === undefined) return;
  if (key === PlaceStore.key(userId, eventId)) void journey.onPlaceForgotten(eventId);
});

window.addEventListener("pageshow", ({ persisted }) => void (persisted && journey.wake()));

void journey.start(routeOf(location));
