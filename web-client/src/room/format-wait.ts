// The expected wait as text, no more precise than the estimate.
import type { Messages } from "../i18n/visitor/en";
import type { Format } from "../i18n/format";

type Waits = Messages["waiting"]["waits"];
/** In seconds. */
export interface Range {
  low: number;
  high: number;
}

const MINUTE = 60;
const HOUR = 3_600;

/** An undefined range means that there is no estimate. */
export function formatWait(range: Range | undefined, waits: Waits, f: Format): string {
  if (!range) return waits.unknown;
  if (range.high <= MINUTE) return waits.soon;
  if (range.high < 1.5 * HOUR) return span(range, MINUTE, waits.minute, waits.minutes, f);
  return span(range, HOUR, waits.hour, waits.hours, f);
}

function span(
  range: Range,
  unit: number,
  one: (n: number) => string,
  two: (low: string, high: string) => string,
  f: Format,
): string {
  const high = Math.ceil(range.high / unit);
  const low = Math.max(1, Math.floor(range.low / unit));
  return low >= high ? one(high) : two(f.whole(low), f.whole(high));
}
