// The time range of a chart, in seconds.

/** A shorter range would make noise look like a trend. */
const MIN_RANGE_S = 60;

/** Ends at the last sample, or at `now` if there is none yet. */
export function timeRange(samples: ArrayLike<number>, now: number): [number, number] {
  const end = samples[samples.length - 1] ?? now;
  return [Math.min(samples[0] ?? end, end - MIN_RANGE_S), end];
}
