// Amounts respect the currency's minor unit; durations read well at their edges.
import { expect, test } from "vitest";
import { clock, estimate, money } from "./wording";

test("money is in minor units of its currency", () => {
  expect(money(12_500, "EUR")).toContain("125");
  expect(money(12_500, "JPY")).toContain("12,500");
});

test("an estimate is rough", () => {
  expect([0, 20, 90, 241, 5_400].map(estimate)).toEqual([
    "a few seconds",
    "about a minute",
    "about 2 minutes",
    "about 4 minutes",
    "about 2 hours",
  ]);
});

test("a countdown ends at zero", () => {
  expect([300_000, 59_001, 1, 0, -5].map(clock)).toEqual(["5:00", "1:00", "0:01", "0:00", "0:00"]);
});
