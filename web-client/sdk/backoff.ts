// How long to wait before the next attempt: exponential with full jitter, so that many clients which lost
// the same server do not come back together. https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/

const FIRST_MS = 1_000;
const LONGEST_MS = 20_000;

/** `attempt` counts from 0, `random` is in [0, 1). */
export function backoffMs(attempt: number, random: number): number {
  return Math.floor(random * Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt, 20)));
}
