// Metrics as readable text.
import type { Format } from "../../i18n/format";

const MIB = 1_024 ** 2;

export interface MetricFormat {
  whole: (value: number | null | undefined) => string;
  /** With one decimal below 10. */
  rate: (value: number | null | undefined) => string;
  ms: (value: number | null | undefined) => string;
  share: (value: number | null | undefined) => string;
  seconds: (value: number | null | undefined) => string;
  memory: (bytes: number | null | undefined) => string;
  /** Includes seconds, so that audit entries are distinguishable. */
  moment: (time: string) => string;
  /** The time of day with seconds. */
  clock: (time: string | number) => string;
}

export function metricFormat(f: Format, unknown: string): MetricFormat {
  const moments = new Intl.DateTimeFormat(f.locale, { dateStyle: "medium", timeStyle: "medium" });
  const clocks = new Intl.DateTimeFormat(f.locale, { timeStyle: "medium" });
  const known = (show: (value: number) => string) => (value: number | null | undefined) =>
    value === null || value === undefined ? unknown : show(value);
  const fine = (value: number) => f.whole(value >= 10 ? Math.round(value) : Math.round(value * 10) / 10);
  return {
    whole: known((value) => f.whole(Math.round(value))),
    rate: known(fine),
    ms: known((value) => `${fine(value)} ms`),
    share: known((value) => `${fine(value * 100)} %`),
    seconds: known((value) => `${fine(value)} s`),
    memory: known((bytes) => `${f.whole(Math.round(bytes / MIB))} MiB`),
    moment: (time) => moments.format(new Date(time)),
    clock: (time) => clocks.format(new Date(time)),
  };
}
