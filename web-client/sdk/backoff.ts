// Exponential backoff with full jitter, so that clients that lost the same server do not reconnect at the same moment.
// https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/

const BASE_DELAY_MS = 1_000;
const MAX_DELAY_MS = 20_000;

/** `attempt` counts from 0, `random` is in [0, 1). */
export function backoffMs(attempt: number, random: number): number {
  return random * Math.min(MAX_DELAY_MS, BASE_DELAY_MS * 2 ** attempt);
}
