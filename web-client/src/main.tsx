// The visitors' page is put together here.
import { render } from "preact";
import { Places, createClient } from "@stanchion/client";
import { Shop, followSeats } from "@stanchion/client/shop";
import { App } from "./app";
import { Journey } from "./visitor/journey";
import type { Parts } from "./visitor/parts";
import { refreshEvery } from "./visitor/refresh";
import { RememberedBookings } from "./visitor/remembered-bookings";
import { routeOf } from "./visitor/route";
import type { State } from "./visitor/state";
import "./visitor.css";

const client = createClient();
const parts: Parts = { ...client, shop: new Shop(client.rest), bookings: new RememberedBookings(localStorage) };
const root = document.getElementById("app")!;
root.replaceChildren();
const journey = new Journey(parts, changed);

let following: AbortController | undefined;

function changed(state: State): void {
  render(<App state={state} journey={journey} parts={parts} />, root);
  const shopping = state.stage.at === "shopping";
  if (shopping === (following !== undefined)) return;
  following?.abort();
  following = shopping ? new AbortController() : undefined;
  if (following && state.eventId) void followSeats(parts.shop, state.eventId, (seats) => journey.seatsAre(seats), following.signal);
}

/** Seconds apart, not all visitors at the same moment. */
const REFRESH_MS = 5_000 + Math.random() * 3_000;
refreshEvery(REFRESH_MS, () => journey.refresh());

window.addEventListener("storage", ({ key, newValue }) => {
  const { eventId } = journey.state;
  const userId = parts.identities.current()?.user_id;
  if (newValue !== null || eventId === undefined || userId === undefined) return;
  if (key === Places.key(userId, eventId)) void journey.placeForgotten(eventId);
});

window.addEventListener("pageshow", ({ persisted }) => void (persisted && journey.wake()));

void journey.start(routeOf(location));
