// An event's figures as they come, and the quarter of an hour before: the server's samples at first, ours from then on.
import { useEffect, useState } from "preact/hooks";
import type { Api } from "../api";
import { type History, type Moment, figureNames } from "../resources";

/** As many as the server keeps. */
const KEPT = 900;

export interface Live {
  now: Moment | undefined;
  history: History | undefined;
  stale: boolean;
}

export function useLive(api: Api, event: string): Live {
  const [live, set] = useState<Live>({ now: undefined, history: undefined, stale: false });
  useEffect(() => {
    const end = new AbortController();
    const watcher = {
      begins: (now: Moment, history: History) => set({ now, history, stale: false }),
      goesOn: (now: Moment) => set((before) => ({ now, history: before.history && extended(before.history, now), stale: false })),
      breaksOff: () => set((before) => ({ ...before, stale: true })),
    };
    void api.watch(event, watcher, end.signal);
    return () => end.abort();
  }, [api, event]);
  return live;
}

/** With one more sample, unless it is one that is there already. */
export function extended(history: History, { at, figures }: Moment): History {
  const atMs = Date.parse(at);
  if (atMs <= (history.at_ms.at(-1) ?? 0)) return history;
  const longer = <T>(values: T[], value: T) => [...values.slice(values.length + 1 - KEPT > 0 ? values.length + 1 - KEPT : 0), value];
  const columns = figureNames.map((name) => [name, longer(history[name], figures[name])]);
  return { at_ms: longer(history.at_ms, atMs), ...Object.fromEntries(columns) } as History;
}
