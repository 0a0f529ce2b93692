// Announcements for screen readers, rate-limited so that each can be read to its end.
import { useEffect, useRef, useState } from "preact/hooks";
import { Changing } from "./changing";

const MIN_INTERVAL_MS = 20_000;
/** Changes within this time become one announcement. */
const SETTLE_MS = 1_000;

/** Announces the latest text only. `urgent` texts are announced at once, and so is what replaces them: they are no longer true. */
export function Announcer({ text, urgent = false }: { text: string; urgent?: boolean }) {
  const [announced, announce] = useState({ text: "", urgent: false });
  const lastAt = useRef(-Infinity);
  const latest = useRef({ text, urgent });
  latest.current = { text, urgent };
  const pending = text !== announced.text && (text !== "" || announced.urgent);
  const atOnce = urgent || announced.urgent;
  useEffect(() => {
    if (!pending) return;
    const wait = atOnce ? 0 : Math.max(SETTLE_MS, lastAt.current + MIN_INTERVAL_MS - performance.now());
    const timer = setTimeout(() => {
      lastAt.current = performance.now();
      announce(latest.current);
    }, wait);
    return () => clearTimeout(timer);
  }, [pending, atOnce]);

  return (
    <p class="visually-hidden" role="status" data-testid="announcer">
      <Changing>{announced.text}</Changing>
    </p>
  );
}
