// Free seats of an event, followed: pushed where the server has a stream for them, asked for where it has not.
import { backoffMs } from "./backoff";
import { Problem } from "./problem";
import type { ZoneLeft } from "./resources";
import type { Shop } from "./shop";

const POLL_MS = 3_000;

/** Until `signal` ends it; a failure is tried again without a word. Nothing is asked for while `visible` says no. */
export async function followSeats(
  shop: Shop,
  eventId: string,
  told: (zones: ZoneLeft[]) => void,
  signal: AbortSignal,
  visible: () => boolean = () => document.visibilityState !== "hidden",
): Promise<void> {
  let streams = true;
  for (let failures = 0; !signal.aborted; ) {
    try {
      if (!visible()) await pause(POLL_MS, signal);
      else if (streams) await stream(shop, eventId, told, signal);
      else await poll(shop, eventId, told, signal);
      failures = 0;
    } catch (error) {
      streams &&= !(error instanceof Problem && error.status === 404);
      if (streams) await pause(POLL_MS + backoffMs(failures++, Math.random()), signal);
    }
  }
}

async function stream(shop: Shop, eventId: string, told: (zones: ZoneLeft[]) => void, signal: AbortSignal) {
  for await (const { zones } of shop.availability(eventId, signal)) told(zones);
  // A server that goes down ends its streams at the same moment for all.
  await pause(backoffMs(1, Math.random()), signal);
}

async function poll(shop: Shop, eventId: string, told: (zones: ZoneLeft[]) => void, signal: AbortSignal) {
  await pause(POLL_MS, signal);
  if (signal.aborted) return;
  const { shows } = await shop.event(eventId);
  if (!signal.aborted) told(shows.flatMap(({ zones }) => zones));
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
