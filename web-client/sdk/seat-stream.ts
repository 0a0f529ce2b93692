// Follows the free seats of an event: over the server's stream if it has one, by polling if not.
import { backoffMs } from "./backoff";
import type { Availability, Event as EventDetail, ZoneLeft } from "./openapi";
import type { Signal } from "./platform";
import { Problem } from "./problem";
import { retryDelayMs } from "./retry";

const POLL_INTERVAL_MS = 3_000;

/** The two routes of `Shop` that report free seats. */
export interface SeatSource {
  availability(eventId: string, signal: Signal): AsyncGenerator<Availability>;
  event(eventId: string): Promise<EventDetail>;
}

/** Runs until `signal` aborts and retries failures silently. Sends no request while `visible` returns false. */
export async function followSeats(
  shop: SeatSource,
  eventId: string,
  onSeats: (zones: ZoneLeft[]) => void,
  signal: Signal,
  visible: () => boolean = () => document.visibilityState !== "hidden",
): Promise<void> {
  let hasStream = true;

  for (let failures = 0; !signal.aborted; ) {
    try {
      if (!visible()) await pause(POLL_INTERVAL_MS, signal);
      else if (hasStream) await stream(shop, eventId, onSeats, signal);
      else await poll(shop, eventId, onSeats, signal);
      failures = 0;
    } catch (error) {
      hasStream &&= !(error instanceof Problem && error.status === 404);
      if (hasStream) await pause(POLL_INTERVAL_MS + retryDelayMs(Problem.from(error), failures++, Math.random()), signal);
    }
  }
}

async function stream(shop: SeatSource, eventId: string, onSeats: (zones: ZoneLeft[]) => void, signal: Signal) {
  for await (const { zones } of shop.availability(eventId, signal)) onSeats(zones);
  // A server that shuts down ends all streams at the same moment: spread the reconnects.
  await pause(backoffMs(1, Math.random()), signal);
}

async function poll(shop: SeatSource, eventId: string, onSeats: (zones: ZoneLeft[]) => void, signal: Signal) {
  await pause(POLL_INTERVAL_MS, signal);
  if (signal.aborted) return;
  const { shows } = await shop.event(eventId);
  if (!signal.aborted) onSeats(shows.flatMap(({ zones }) => zones));
}

function pause(ms: number, signal: Signal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
