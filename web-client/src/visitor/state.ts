// What the page knows at one moment. Views are functions of it.
import type { Booking, ConnectionState, Position, SaleState, WaitingRoomEvents, Wish, ZoneLeft } from "@stanchion/client";
import type { EventDetail, EventSummary } from "@stanchion/client/shop";
import type { Page } from "./route";

export type Pass = WaitingRoomEvents["pass"];

/** Where the user is on the way from the street to the seat. */
export type Stage =
  | { at: "starting" }
  /** No guests here: the user must bring a token. */
  | { at: "identify" }
  /** Before an event's door; on the other pages always. */
  | { at: "door" }
  /** No event has this id. */
  | { at: "missing" }
  /** Without a position until the server has told it. */
  | { at: "waiting"; position?: Position }
  | { at: "shopping"; pass: Pass }
  /** Held, confirmed, or over: the booking's status tells. */
  | { at: "booking"; booking: Booking };

/** Something that went wrong: `code` is the server's or the page's own, `detail` the server's words for it. */
export interface Trouble {
  code: string;
  detail?: string;
}

export interface State {
  page: Page;
  stage: Stage;
  /** On the page of events. */
  events: EventSummary[] | undefined;
  /** Of the event's page. */
  eventId: string | undefined;
  /** The event with its shows and zones. */
  event: EventDetail | undefined;
  /** Newer than the event's own. */
  sale: { state: SaleState; message?: string } | undefined;
  /** Newer than the event's own. */
  seats: ZoneLeft[];
  wish: Wish;
  /** Held and not paid for, wherever. */
  unpaid: Booking[];
  /** On the page of bookings. */
  bookings: Booking[] | undefined;
  connection: ConnectionState;
  /** There was a connection, and it has not come back yet. */
  lost: boolean;
  /** A request of the user's is under way. */
  busy: boolean;
  trouble: Trouble | undefined;
}

export const initialState: State = {
  page: "events",
  stage: { at: "starting" },
  events: undefined,
  eventId: undefined,
  event: undefined,
  sale: undefined,
  seats: [],
  wish: [],
  unpaid: [],
  bookings: undefined,
  connection: { state: "idle" },
  lost: false,
  busy: false,
  trouble: undefined,
};

/** Where the event's sale stands, as far as anything has told. */
export function saleOf({ event, sale }: State): { state: SaleState; message?: string | undefined } | undefined {
  return sale ?? event;
}

/** Free seats of a zone, as far as anything has told. */
export function free(state: State, zone: { zone_id: string; available: number }): number {
  return state.seats.find(({ zone_id }) => zone_id === zone.zone_id)?.available ?? zone.available;
}
