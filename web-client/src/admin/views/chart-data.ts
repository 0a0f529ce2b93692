// What the charts draw of the samples: averages of noisy series, the sample at a moment, and the marks of changes.
import type { AuditEntry, History, MetricName } from "../schemas";

/** Passes and arrivals are whole numbers per second: their rates are averaged over this many samples. */
const SMOOTHED_SAMPLES = 5;

/** The mean of the known values; `null` if none is known. */
export function mean(values: (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length;
}

/** Each value averaged with those before it. */
export function smoothed(values: (number | null)[]): (number | null)[] {
  return values.map((value, index) => (value === null ? null : mean(values.slice(Math.max(0, index + 1 - SMOOTHED_SAMPLES), index + 1))));
}

/** The recent average of a metric. */
export function recent(history: History, metric: MetricName): number | null {
  return mean(history[metric].slice(-SMOOTHED_SAMPLES));
}

/** The index of the sample that is closest to a moment; -1 if there is none. */
export function closest(times: number[], at: number): number {
  let best = -1;
  for (const [index, time] of times.entries()) {
    if (best < 0 || Math.abs(time - at) <= Math.abs(times[best]! - at)) best = index;
  }
  return best;
}

/** The changes within a range, oldest first. */
export function marksWithin(entries: AuditEntry[], from: number, to: number): { at: number; entry: AuditEntry }[] {
  const marks = entries.map((entry) => ({ at: Date.parse(entry.at), entry }));
  return marks.filter(({ at }) => at >= from && at <= to).toReversed();
}
