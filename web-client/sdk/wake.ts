// The moments when a device may have lost its connection without word: it woke, came back to the page, or went on- or offline.
import type { Link } from "./link";

/** Answers the function that ends it. */
export function probeOnWake(link: Pick<Link, "probe">): () => void {
  const stop = new AbortController();
  const { signal } = stop;
  const seen = () => (document.visibilityState === "visible" ? link.probe() : undefined);
  document.addEventListener("visibilitychange", seen, { signal });
  window.addEventListener("pageshow", ({ persisted }) => (persisted ? link.probe() : undefined), { signal });
  for (const change of ["online", "offline"]) window.addEventListener(change, () => link.probe(), { signal });
  return () => stop.abort();
}
