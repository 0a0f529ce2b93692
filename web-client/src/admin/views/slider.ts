// A logarithmic slider over several powers of ten that yields round numbers.

const STEPS = 1_000;

/** Maps a value from 0 to `max` to a slider position from 0 to 1,000. */
export function toSlider(value: number, max: number): number {
  if (!(value > 0)) return 0;
  return Math.round((Math.log1p(Math.min(value, max)) / Math.log1p(max)) * STEPS);
}

export function fromSlider(position: number, max: number): number {
  return Math.min(max, round(Math.expm1((position / STEPS) * Math.log1p(max))));
}

/** Rounds to two significant digits. */
function round(value: number): number {
  if (value < 10) return Math.round(value);
  const unit = 10 ** (Math.floor(Math.log10(value)) - 1);
  return Math.round(value / unit) * unit;
}
