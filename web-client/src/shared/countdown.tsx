// A countdown to a deadline. `ended` is called once; screen readers get announcements only at the marks below.
import { useEffect, useState } from "preact/hooks";
import { useI18n } from "../i18n/visitor";
import { Announcer } from "./announcer";
import { Figure } from "./changing";

const ANNOUNCED_S = [300, 120, 60, 30, 10];
const ENDING_MS = 60_000;

export function useMsLeft(until: string, now: () => number, ended?: () => void): number {
  const [left, setLeft] = useState(() => Date.parse(until) - now());
  useEffect(() => {
    let over = false;
    const tick = () => {
      const ms = Date.parse(until) - now();
      setLeft(ms);
      if (ms > 0 || over) return;
      over = true;
      ended?.();
    };
    tick();
    const timer = setInterval(tick, 500);
    return () => clearInterval(timer);
  }, [until]);
  return left;
}

interface CountdownProps {
  until: string;
  now: () => number;
  label: string;
  /** The announcement for screen readers. */
  announcement: (clock: string) => string;
  ended?: () => void;
}

export function Countdown({ until, now, label, announcement, ended }: CountdownProps) {
  const { f } = useI18n();
  const left = useMsLeft(until, now, ended);
  const mark = ANNOUNCED_S.findLast((seconds) => left <= seconds * 1_000);

  return (
    <p class={`countdown ${left < ENDING_MS ? "ending" : ""}`}>
      <span>{label}</span>{" "}
      <strong role="timer">
        <Figure data-testid="countdown">{f.clock(left)}</Figure>
      </strong>
      <Announcer text={mark === undefined || left <= 0 ? "" : announcement(f.clock(mark * 1_000))} />
    </p>
  );
}

/** The same for the eye only, where another countdown on the page speaks. */
export function SmallCountdown({ until, now, label }: Pick<CountdownProps, "until" | "now" | "label">) {
  const { f } = useI18n();
  const left = useMsLeft(until, now);
  return (
    <span class={`countdown small ${left < ENDING_MS ? "ending" : ""}`}>
      <span>{label}</span> <Figure class="numeral clock">{f.clock(left)}</Figure>
    </span>
  );
}
