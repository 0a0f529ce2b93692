import type { Client, SeatPreferences } from "@stanchion/client";

/** The first available choice is held when the pass is issued; `hold` is then a booking to be paid. */
export function prefer(stanchion: Client, eventId: string, choices: SeatPreferences, held: (bookingId: string) => void) {
  stanchion.room.on("pass", ({ hold }) => hold && held(hold.booking_id));
  stanchion.room.join(eventId, choices); // an existing place is kept
}
