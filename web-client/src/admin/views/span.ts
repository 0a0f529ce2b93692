// From when to when a plot shows, in seconds.

/** Less time than this on a whole plot would make noise look like news. */
const SHORTEST_S = 60;

/** `first` and `last` are samples; where there is none yet, it ends `now`. */
export function span(first: number | null, last: number | null, now: number): [number, number] {
  const end = last ?? now;
  return [Math.min(first ?? end, end - SHORTEST_S), end];
}
