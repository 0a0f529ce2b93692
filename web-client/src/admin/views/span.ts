// From when to when a plot shows, in seconds.

/** Less time than this on a whole plot would make noise look like news. */
const SHORTEST_S = 60;

/** To the last sample, or to `now` where there is none yet. */
export function span(samples: ArrayLike<number>, now: number): [number, number] {
  const end = samples[samples.length - 1] ?? now;
  return [Math.min(samples[0] ?? end, end - SHORTEST_S), end];
}
