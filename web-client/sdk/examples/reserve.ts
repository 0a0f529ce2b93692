import type { Client, ReserveRequest } from "@stanchion/client";
import { Shop, retry } from "@stanchion/client/shop";

/** Repeats what decides nothing, a reservation with the same key, so that it can never book twice. */
export async function buy(stanchion: Client, request: ReserveRequest, queuePass: string) {
  const shop = new Shop(stanchion.rest);
  const key = crypto.randomUUID();
  const booking = await retry(() => stanchion.rest.reserve(request, queuePass, key));
  return retry(() => shop.confirm(booking.booking_id));
}
