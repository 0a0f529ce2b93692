// What the journey is made of: the SDK's parts and what the browser remembers.
import type { Connection, Identities, Places, Rest, WaitingRoom } from "../sdk";
import type { RememberedBookings } from "./remembered-bookings";

export interface Parts {
  rest: Rest;
  connection: Connection;
  room: WaitingRoom;
  identities: Identities;
  places: Places;
  bookings: RememberedBookings;
}
