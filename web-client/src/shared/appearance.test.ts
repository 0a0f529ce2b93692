// Text is readable for any colours of an event.
import { expect, test } from "vitest";
import { contrast, parse, readableOn, textOn } from "./appearance";

const LIGHT = ["#ffffff", "#f6f5f1"].map((hex) => parse(hex)!);
const DARK = ["#1b1d27", "#12131a"].map((hex) => parse(hex)!);

test.each(["#ffd400", "#000000", "#ffffff", "#ff0000", "#34418f", "#0f0"])("%s is readable on light and on dark", (hex) => {
  for (const grounds of [LIGHT, DARK]) {
    const readable = readableOn(parse(hex)!, grounds);
    for (const ground of grounds) expect(contrast(readable, ground)).toBeGreaterThanOrEqual(4.5);
    expect(contrast(textOn(readable), readable)).toBeGreaterThanOrEqual(4.5);
  }
});

test("keeps a readable colour and ignores invalid ones", () => {
  expect(readableOn(parse("#34418f")!, LIGHT)).toEqual([0x34, 0x41, 0x8f]);
  for (const nonsense of ["red", "#12", "url(x)", "", undefined]) expect(parse(nonsense)).toBeUndefined();
});
