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
  const { unit, low, high } = inUnits(range);
  const [one, two] = unit === MINUTE ? [waits.minute, waits.minutes] : [waits.hour, waits.hours];
  return low === high ? one(high) : two(f.whole(low), f.whole(high));
}

/** The range as the text names it, so that a time of day beside the text does not contradict it. */
export function roundedRange(range: Range): Range {
  const { unit, low, high } = inUnits(range);
  return { low: low * unit, high: high * unit };
}

function inUnits(range: Range): { unit: number; low: number; high: number } {
  const unit = range.high < 1.5 * HOUR ? MINUTE : HOUR;
  const high = Math.ceil(range.high / unit);
  const low = Math.min(high, Math.max(1, Math.floor(range.low / unit)));
  return { unit, low, high };
}
