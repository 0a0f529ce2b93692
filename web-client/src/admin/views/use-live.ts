// An event's live metrics: the server's samples of the last 15 minutes at first, then one appended each second.
import { useEffect, useState } from "preact/hooks";
import type { Api } from "../api";
import { type EventSnapshot, type History, metricNames } from "../schemas";

/** As many samples as the server keeps. */
const MAX_SAMPLES = 900;

export interface Live {
  now: EventSnapshot | undefined;
  history: History | undefined;
  stale: boolean;
}

export function useLive(api: Api, event: string): Live {
  const [live, set] = useState<Live>({ now: undefined, history: undefined, stale: false });
  useEffect(() => {
    const stop = new AbortController();
    const observer = {
      onStart: (now: EventSnapshot, history: History) => set({ now, history, stale: false }),
      onUpdate: (now: EventSnapshot) =>
        set((before) => ({ now, history: before.history && appendSample(before.history, now), stale: false })),
      onInterrupted: () => set((before) => ({ ...before, stale: true })),
    };
    void api.followLive(event, observer, stop.signal);
    return () => stop.abort();
  }, [api, event]);
  return live;
}

/** Appends the snapshot's sample, unless the history already has it, and drops the oldest beyond the limit. */
export function appendSample(history: History, { at, figures }: EventSnapshot): History {
  const atMs = Date.parse(at);
  if (atMs <= (history.at_ms.at(-1) ?? 0)) return history;

  const append = <T>(values: T[], value: T) => [...values.slice(Math.max(0, values.length + 1 - MAX_SAMPLES)), value];
  const columns = metricNames.map((name) => [name, append(history[name], figures[name])]);
  return { at_ms: append(history.at_ms, atMs), ...Object.fromEntries(columns) } as History;
}
