// What a screen reader is told while nothing else is: politely, and never faster than it can be heard.
import { useEffect, useRef, useState } from "preact/hooks";

const PAUSE_MS = 20_000;
/** Long enough for a group of changes to become one sentence. */
const SETTLE_MS = 1_000;

/** The latest text wins, however fast texts follow each other; `urgent` ones skip the pause. */
export function Announcer({ text, urgent = false }: { text: string; urgent?: boolean }) {
  const [said, say] = useState("");
  const lastAt = useRef(-Infinity);
  const latest = useRef(text);
  latest.current = text;
  const unsaid = text !== said && text !== "";
  useEffect(() => {
    if (!unsaid) return;
    const wait = urgent ? 0 : Math.max(SETTLE_MS, lastAt.current + PAUSE_MS - performance.now());
    const timer = setTimeout(() => {
      lastAt.current = performance.now();
      say(latest.current);
    }, wait);
    return () => clearTimeout(timer);
  }, [unsaid, urgent]);
  return (
    <p class="visually-hidden" role="status" data-testid="announcer">
      {said}
    </p>
  );
}
