// The state of the page. Views are functions of it.
import type { Booking, ConnectionState, Position, SaleState, WaitingRoomEvents, SeatPreferences, ZoneLeft } from "@stanchion/client";
import type { EventDetail, EventSummary } from "@stanchion/client/shop";
import type { OtherPlace } from "./other-places";
import type { Page } from "./route";

export type Pass = WaitingRoomEvents["pass"];

/** The user's stage, from the event's page to the booking. */
export type Stage =
  | { at: "starting" }
  /** The server does not admit guests: the user needs a token. */
  | { at: "signIn" }
  /** The event's page before the join; also the stage of all other pages. */
  | { at: "event" }
  /** There is no event with this id. */
  | { at: "missing" }
  /** The position is undefined until the server sends it. */
  | { at: "waiting"; position?: Position }
  | { at: "shopping"; pass: Pass }
  /** Reserved, confirmed, cancelled or expired: see the booking's status. */
  | { at: "booking"; booking: Booking };

/** `code` is the server's problem code or the page's own; `detail` is the server's text. */
export interface PageError {
  code: string;
  detail?: string;
}

export interface State {
  page: Page;
  stage: Stage;
  /** Set on the list of events. */
  events: EventSummary[] | undefined;
  /** Set on an event's page. */
  eventId: string | undefined;
  /** With shows and zones. */
  event: EventDetail | undefined;
  /** Newer than the same values in `event`. */
  sale: { state: SaleState; message?: string } | undefined;
  /** Newer than the same values in `event`. */
  seats: ZoneLeft[];
  preferences: SeatPreferences;
  /** The user's reserved bookings of all events. */
  unpaid: Booking[];
  /** Set on the list of bookings. */
  bookings: Booking[] | undefined;
  connection: ConnectionState;
  /** The connection was lost and is not back yet. */
  lost: boolean;
  /** The service does not answer; the page tries again by itself. */
  unreachable: boolean;
  /** The place is being requested again and again, because many users request one at this moment. */
  crowded: boolean;
  /** The sale ended while the user was in the queue. */
  endedInLine: boolean;
  /** When the place was last known to be current, in the device's time. */
  updatedAt: number | undefined;
  /** The user's places in the queues of other events. */
  others: OtherPlace[];
  /** A request of the user is in progress. */
  busy: boolean;
  error: PageError | undefined;
}

export const initialState: State = {
  page: "events",
  stage: { at: "starting" },
  events: undefined,
  eventId: undefined,
  event: undefined,
  sale: undefined,
  seats: [],
  preferences: [],
  unpaid: [],
  bookings: undefined,
  connection: { state: "idle" },
  lost: false,
  unreachable: false,
  crowded: false,
  endedInLine: false,
  updatedAt: undefined,
  others: [],
  busy: false,
  error: undefined,
};

/** The latest known state of the sale. */
export function saleOf({ event, sale }: State): { state: SaleState; message?: string | undefined } | undefined {
  const latest = sale ?? event;
  return latest && event ? { ...latest, state: shownState({ ...event, state: latest.state }) } : latest;
}

/** An open sale of which every seat is sold is sold out, whatever its line says. */
export function shownState({ state, sold_out }: { state: SaleState; sold_out?: boolean | undefined }): SaleState {
  return state === "open" && sold_out ? "sold_out" : state;
}

/** The latest known number of free seats in a zone. */
export function freeSeats(state: State, zone: { zone_id: string; available: number }): number {
  return state.seats.find(({ zone_id }) => zone_id === zone.zone_id)?.available ?? zone.available;
}
