// What the waiting page says about the wait and the seats: never more hope than there is.
import { expect, test } from "vitest";
import { formatFor } from "../i18n/format";
import { english } from "../i18n/visitor/en";
import { formatWait, roundedRange } from "./format-wait";
import { seatsOutlook } from "./seats-outlook";

test.each([
  [40, 28, 4, "perhaps"],
  [116, 28, 4, "enough"],
  [115, 28, 4, "perhaps"],
  [28, 28, 4, "few"],
  [4, 0, 4, "enough"],
  [0, 0, 4, "few"],
] as const)("%s seats, %s people ahead, max %s each: %s", (left, ahead, max, outlook) => {
  expect(seatsOutlook(left, ahead, max)).toBe(outlook);
});

test.each([
  [{ low: 61, high: 150 }, "1 to 3 minutes", { low: 60, high: 180 }],
  [{ low: 20, high: 118 }, "1 to 2 minutes", { low: 60, high: 120 }],
  [{ low: 115, high: 120 }, "1 to 2 minutes", { low: 60, high: 120 }],
  [{ low: 10, high: 61 }, "1 to 2 minutes", { low: 60, high: 120 }],
  [{ low: 180, high: 180 }, "about 3 minutes", { low: 180, high: 180 }],
  [{ low: 3_700, high: 7_300 }, "1 to 3 hours", { low: 3_600, high: 10_800 }],
])("the wait %o is %s, and the time of day the same", (range, text, rounded) => {
  const f = formatFor("en");
  expect(formatWait(range, english(f).waiting.waits, f)).toBe(text);
  expect(roundedRange(range)).toEqual(rounded);
});
