// When a page falls asleep and when it wakes: in the browser's back/forward cache, frozen, or with its device.
import type { Link, StatedLink } from "./link";

/**
 * A page that is put to sleep gives up its link, and the lead of the user's tabs with it: its socket would answer pings, and its
 * user count as present, while nobody hears. Whenever the connection may have been lost without word it is probed. Answers the
 * function that ends all this.
 */
export function sleepAndWake(link: Link & Pick<StatedLink, "ended">): () => void {
  const stop = new AbortController();
  const { signal } = stop;
  let asleep = false;
  const sleep = () => {
    if (link.ended) return;
    asleep = true;
    link.close();
  };
  const wake = () => {
    if (asleep) link.open();
    else link.probe();
    asleep = false;
  };
  const seen = () => void (document.visibilityState === "visible" && link.probe());
  const moments = { freeze: sleep, pagehide: sleep, resume: wake, pageshow: wake, visibilitychange: seen, online: wake, offline: wake };
  // Those of the document pass the window, too, on their way down.
  for (const [moment, act] of Object.entries(moments)) window.addEventListener(moment, act, { signal, capture: true });
  return () => stop.abort();
}
