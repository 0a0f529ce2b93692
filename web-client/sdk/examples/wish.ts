import type { Client, Wish } from "@stanchion/client";

/** The first that is free is held when the turn comes; `hold` is then a booking to be paid. */
export function wish(stanchion: Client, eventId: string, choices: Wish, held: (bookingId: string) => void) {
  stanchion.room.on("pass", ({ hold }) => hold && held(hold.booking_id));
  stanchion.room.join(eventId, choices); // a place that exists is kept
}
