// An event's branding on top of the theme. Colours are adjusted until text on them is readable.
import type { Appearance } from "@stanchion/client/shop";

type Rgb = [number, number, number];

/** The minimum contrast of WCAG 2.2 AA. */
const READABLE = 4.5;
const WHITE: Rgb = [255, 255, 255];
const BLACK: Rgb = [0, 0, 0];

export function applyBranding(appearance: Appearance | undefined, root = document.documentElement): void {
  const background = parse(appearance?.background);
  if (background) {
    root.style.setProperty("--band", css(background));
    root.style.setProperty("--on-band", css(textOn(background)));
  }

  const accent = parse(appearance?.accent);
  if (!accent) return;

  const surface = colour(root, "--surface") ?? WHITE;
  const soft = mix(surface, accent, 0.14);
  const grounds = [surface, soft, colour(root, "--ground") ?? surface, colour(root, "--sunken") ?? surface];
  const readable = readableOn(accent, grounds);
  root.style.setProperty("--accent", css(readable));
  root.style.setProperty("--on-accent", css(textOn(readable)));
  root.style.setProperty("--accent-soft", css(soft));
}

function colour(root: HTMLElement, name: string): Rgb | undefined {
  return parse(getComputedStyle(root).getPropertyValue(name).trim());
}

/** Parses `#rgb` and `#rrggbb`; undefined for anything else. */
export function parse(colour: string | undefined): Rgb | undefined {
  const [, hex] = /^#([\da-f]{3}|[\da-f]{6})$/i.exec(colour ?? "") ?? [];
  if (!hex) return undefined;
  const pairs = hex.length === 3 ? [...hex].map((digit) => digit + digit) : hex.match(/../g)!;
  return pairs.map((pair) => Number.parseInt(pair, 16)) as Rgb;
}

/** The colour closest to `wanted` that is readable on all of the grounds. */
export function readableOn(wanted: Rgb, grounds: Rgb[]): Rgb {
  const towards = textOn(grounds[0]!);
  for (let part = 0; part < 1; part += 0.05) {
    const mixed = mix(wanted, towards, part);
    if (grounds.every((ground) => contrast(mixed, ground) >= READABLE)) return mixed;
  }
  return towards;
}

export function textOn(ground: Rgb): Rgb {
  return contrast(WHITE, ground) >= contrast(BLACK, ground) ? WHITE : BLACK;
}

/** https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio */
export function contrast(one: Rgb, other: Rgb): number {
  const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

function luminance(colour: Rgb): number {
  const [r, g, b] = colour.map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  }) as Rgb;
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function mix(one: Rgb, other: Rgb, part: number): Rgb {
  return one.map((value, index) => Math.round(value + (other[index]! - value) * part)) as Rgb;
}

const css = ([r, g, b]: Rgb) => `rgb(${r} ${g} ${b})`;
