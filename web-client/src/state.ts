// What the page knows at one moment. Views are functions of it.
import type { Booking, ConnectionState, EventDetail, EventSummary, Position, WaitingRoomEvents } from "../sdk";

export type Pass = WaitingRoomEvents["pass"];

/** Where the user is on the way from the street to the seat. */
export type Stage =
  | { at: "starting" }
  /** No guests here: the user must bring a token. */
  | { at: "identify" }
  | { at: "choosing" }
  /** Without a position until the server has told it. */
  | { at: "waiting"; position?: Position }
  | { at: "shopping"; pass: Pass }
  /** Held, confirmed, or over: the booking's status tells. */
  | { at: "booking"; booking: Booking };

export interface State {
  stage: Stage;
  events: EventSummary[];
  /** The chosen event. */
  eventId: string | undefined;
  /** Its shows and zones, once they were needed. */
  catalogue: EventDetail | undefined;
  connection: ConnectionState;
  /** A request of the user's is under way. */
  busy: boolean;
  error: string;
}

export const initialState: State = {
  stage: { at: "starting" },
  events: [],
  eventId: undefined,
  catalogue: undefined,
  connection: { state: "idle" },
  busy: false,
  error: "",
};

/** The chosen event as the list knows it. */
export function chosen(state: State): EventSummary | undefined {
  return state.events.find((event) => event.event_id === state.eventId);
}
