// Generated from the tables in the domain: UPDATE_DOCS=1 cargo test -p stanchion --test queue_reference.

/** The numeric settings of a queue, with the limits that the server enforces. */
export const queueNumbers = {
  rate_per_second: { min: 0, max: 100000, integer: false },
  burst: { min: 1, max: 100000, integer: true },
  max_active: { min: 1, max: 1000000, integer: true },
  pass_ttl_seconds: { min: 1, max: 86400, integer: true },
  claim_window_seconds: { min: 1, max: 3600, integer: true },
  push_claim_window_seconds: { min: 0, max: 3600, integer: true },
  grace_seconds: { min: 0, max: 86400, integer: true },
  max_in_line: { min: 1, max: 10000000, integer: true },
} as const;
export type QueueNumber = keyof typeof queueNumbers;

/** What has happened in a queue so far. */
export const counterNames = [
  "joined",
  "released",
  "taken_back",
  "expired",
  "dropped",
  "left",
] as const;
export type CounterName = (typeof counterNames)[number];
