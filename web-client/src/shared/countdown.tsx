// A countdown to a deadline. `ended` is called once; screen readers get announcements only at the marks below.
import { useEffect, useState } from "preact/hooks";
import { useI18n } from "../i18n/visitor";
import { Announcer } from "./announcer";

const ANNOUNCED_S = [300, 120, 60, 30, 10];

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
    <p class={`countdown ${left < 60_000 ? "ending" : ""}`}>
      <span>{label}</span> <strong role="timer" data-testid="countdown">{f.clock(left)}</strong>
      <Announcer text={mark === undefined || left <= 0 ? "" : announcement(f.clock(mark * 1_000))} />
    </p>
  );
}
