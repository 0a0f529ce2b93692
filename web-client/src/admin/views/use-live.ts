// An event's live metrics: the server's samples of the last 15 minutes at first, then one appended each second.
import { useEffect, useState } from "preact/hooks";
import type { Api, HistoryRange } from "../api";
import { type EventSnapshot, type History, metricNames } from "../schemas";

/** As many samples as the server keeps. */
const MAX_SAMPLES = 900;
/** Metrics arrive every second: after this long without any they are stale. */
const STALE_AFTER_MS = 3_000;
const AGE_CHECK_MS = 250;
/** Longer ranges are averages, which the server makes this often. */
const REFRESH_MS = 20_000;

export interface Live {
  now: EventSnapshot | undefined;
  history: History | undefined;
  stale: boolean;
}

interface Received {
  now: EventSnapshot | undefined;
  history: History | undefined;
  /** By the clock of this device since the page was loaded. */
  at: number;
}

export function useLive(api: Api, event: string): Live {
  const [{ now, history, at }, set] = useState<Received>({ now: undefined, history: undefined, at: 0 });
  useEffect(() => {
    const stop = new AbortController();
    const observer = {
      onStart: (now: EventSnapshot, history: History) => set({ now, history, at: performance.now() }),
      onUpdate: (now: EventSnapshot) =>
        set((before) => ({ now, history: before.history && appendSample(before.history, now), at: performance.now() })),
      onInterrupted: () => {},
    };
    void api.followLive(event, observer, stop.signal);
    return () => stop.abort();
  }, [api, event]);
  return { now, history, stale: useStale(at) };
}

/** True once the moment is too long ago. */
function useStale(at: number): boolean {
  const [stale, set] = useState(false);
  useEffect(() => {
    const check = () => set(at > 0 && performance.now() - at > STALE_AFTER_MS);
    check();
    const timer = setInterval(check, AGE_CHECK_MS);
    return () => clearInterval(timer);
  }, [at]);
  return stale;
}

/** The history of a range; that of the last 15 minutes is the live one. */
export function useHistory(api: Api, event: string, range: HistoryRange, live: History): History {
  const [longer, set] = useState<{ range: HistoryRange; history: History }>();
  useEffect(() => {
    if (range === "15m") return;
    const read = () => void api.history(event, range).then((history) => set({ range, history }), () => {});
    read();
    const timer = setInterval(read, REFRESH_MS);
    return () => clearInterval(timer);
  }, [api, event, range]);
  return range !== "15m" && longer?.range === range ? longer.history : live;
}

/** Appends the snapshot's sample, unless the history already has it, and drops the oldest beyond the limit. */
export function appendSample(history: History, { at, figures }: EventSnapshot): History {
  const atMs = Date.parse(at);
  if (atMs <= (history.at_ms.at(-1) ?? 0)) return history;

  const append = <T>(values: T[], value: T) => [...values.slice(Math.max(0, values.length + 1 - MAX_SAMPLES)), value];
  const columns = metricNames.map((name) => [name, append(history[name], figures[name])]);
  return { at_ms: append(history.at_ms, atMs), ...Object.fromEntries(columns) } as History;
}
