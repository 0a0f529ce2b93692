// Repeats a request whose refusals decide nothing, after growing pauses with jitter.
import { Problem } from "@stanchion/client";

const BASE_PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 15_000;

/** The service did not decide: it did not answer, failed, or has too many requests at this moment. */
export function decidesNothing(error: unknown): error is Problem {
  return error instanceof Problem && (error.undecided || error.status === 429) && error.code !== "QUEUE_FULL";
}

/** Runs until the service decides. `onRepeat` is called before each pause. */
export async function untilDecided<T>(request: () => Promise<T>, onRepeat: (refusal: Problem) => void): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await request();
    } catch (error) {
      if (!decidesNothing(error)) throw error;
      onRepeat(error);
      await pause(pauseMs(attempt, error.retryAfterSeconds, Math.random()));
    }
  }
}

/** At least what the service asks for, and more by chance, so that refused visitors do not come back together. `random` is in [0, 1). */
export function pauseMs(attempt: number, retryAfterSeconds = 0, random: number): number {
  const growing = Math.min(MAX_PAUSE_MS, BASE_PAUSE_MS * 2 ** Math.min(attempt, 10));
  return retryAfterSeconds * 1_000 + growing * (0.25 + 0.75 * random);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
