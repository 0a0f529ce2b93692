import { type Client, Problem, type ReserveRequest } from "@stanchion/client";
import { Shop } from "@stanchion/client/shop";

/** Repeats a reservation whose outcome is unknown with the same key, so that it can never book twice. */
export async function buy(stanchion: Client, request: ReserveRequest, queuePass: string) {
  const shop = new Shop(stanchion.rest);
  const key = crypto.randomUUID();
  for (;;) {
    try {
      const booking = await stanchion.rest.reserve(request, queuePass, key);
      return await shop.confirm(booking.booking_id);
    } catch (error) {
      if (!(error instanceof Problem) || !error.undecided) throw error;
      await new Promise((resolve) => setTimeout(resolve, (error.retryAfterSeconds ?? 1) * 1_000));
    }
  }
}
