// The units in which operators read and enter settings: the interface has all of them in seconds or per second.
import type { QueueNumber } from "../queue-fields";

/** How many of the unit shown make one of the interface's. Settings that are not here have the same unit. */
const FACTORS: Partial<Record<QueueNumber, number>> = {
  rate_per_second: 60,
  pass_ttl_seconds: 1 / 60,
  grace_seconds: 1 / 60,
};

/** Decimals beyond these come from the conversion. */
const PRECISION = 1e4;

const rounded = (value: number) => Math.round(value * PRECISION) / PRECISION;

export function toShown(name: QueueNumber, value: number): number {
  return rounded(value * (FACTORS[name] ?? 1));
}

/** `integer`: the interface takes whole numbers only. */
export function fromShown(name: QueueNumber, shown: number, integer: boolean): number {
  const value = shown / (FACTORS[name] ?? 1);
  return integer ? Math.round(value) : value;
}
