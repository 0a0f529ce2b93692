// A slider over several powers of ten: each tenth more of the way multiplies by the same, and what it gives are round numbers.

const STEPS = 1_000;

/** From 0 to `most`, as a position from 0 to 1,000. */
export function toSlider(value: number, most: number): number {
  if (!(value > 0)) return 0;
  return Math.round((Math.log1p(Math.min(value, most)) / Math.log1p(most)) * STEPS);
}

export function fromSlider(position: number, most: number): number {
  return Math.min(most, round(Math.expm1((position / STEPS) * Math.log1p(most))));
}

/** To two digits that count. */
function round(value: number): number {
  if (value < 10) return Math.round(value);
  const unit = 10 ** (Math.floor(Math.log10(value)) - 1);
  return Math.round(value / unit) * unit;
}
