// Time left until a deadline, shown each second; the end is told once, and a screen reader hears only the last stretches.
import { useEffect, useState } from "preact/hooks";
import { useWords } from "../i18n/words";
import { Announcer } from "./announce";

const TOLD_S = [300, 120, 60, 30, 10];

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
  /** How a screen reader is told of the time, given a clock. */
  told: (clock: string) => string;
  ended?: () => void;
}

export function Countdown({ until, now, label, told, ended }: CountdownProps) {
  const { f } = useWords();
  const left = useMsLeft(until, now, ended);
  const mark = TOLD_S.findLast((seconds) => left <= seconds * 1_000);
  return (
    <p class={`countdown ${left < 60_000 ? "ending" : ""}`}>
      <span>{label}</span> <strong role="timer" data-testid="countdown">{f.clock(left)}</strong>
      <Announcer text={mark === undefined || left <= 0 ? "" : told(f.clock(mark * 1_000))} />
    </p>
  );
}
