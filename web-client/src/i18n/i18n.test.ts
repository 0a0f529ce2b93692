// Language preference, and the formats of numbers, amounts and plurals.
import { expect, test } from "vitest";
import { english } from "./visitor/en";
import { formatFor } from "./format";
import { preferredLanguage } from "./language";
import { thai } from "./visitor/th";

test.each([
  [null, ["th-TH", "en"], "th"],
  [null, ["de-DE", "TH", "en"], "th"],
  [null, ["de"], "en"],
  [null, [], "en"],
  ["en", ["th"], "en"],
  ["klingon", ["th"], "th"],
] as const)("chosen %s, preferring %s, reads %s", (chosen, preferences, expected) => {
  expect(preferredLanguage(chosen, preferences)).toBe(expected);
});

test("money is in minor units of its currency", () => {
  expect(formatFor("th").money(12_500, "THB")).toBe("฿125.00");
  expect(formatFor("th").money(12_500, "JPY")).toContain("12,500");
});

test("plurals have the forms of the language", () => {
  const forms = { one: "{n} person", other: "{n} people" };
  expect([1, 2, 12_345].map((count) => formatFor("en").plural(count, forms))).toEqual(["1 person", "2 people", "12,345 people"]);
  expect(formatFor("th").plural(1, { other: "{n} คน" })).toBe("1 คน");
});

test("a countdown ends at zero", () => {
  expect([300_000, 59_001, 1, 0, -5].map(formatFor("en").clock)).toEqual(["5:00", "1:00", "0:01", "0:00", "0:00"]);
});

test.each(["paused", "sold_out", "slowed", "returned", "counting"])("the wait reason %s has a text in each language", (reason) => {
  const words = [english(formatFor("en")), thai(formatFor("th"))].map(({ waiting }) => waiting.reasons[reason]);
  for (const text of words) expect(text).toMatch(/\S/);
  expect(words[0]).not.toBe(words[1]);
});
