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
  expect(formatFor("th").money(12_500, "THB", 2)).toBe("฿125.00");
  expect(formatFor("th").money(12_500, "JPY", 0)).toContain("12,500");
  for (const currency of ["HUF", "IDR", "COP", "LAK"]) expect(formatFor("en").money(1_250_000, currency, 2)).toContain("12,500.00");
  expect(formatFor("en").money(1_250, "EUR", undefined), "an earlier release of booking").toContain("12.50");
  expect(formatFor("en").money(1_250_000, "KWD", 3)).toContain("1,250.000");
});

test("an event's time is in its zone, which is named", () => {
  const time = (zone?: string) => formatFor("en", ["en-GB"]).eventTime("2030-05-03T18:00:00Z", zone);
  expect(time("Europe/Oslo")).toMatch(/Friday,? 3 May 2030 at 20:00 Central European Summer Time/);
  expect(time("Asia/Tokyo")).toMatch(/Saturday,? 4 May 2030 at 0?3:00 Japan Standard Time/);
  expect(time("Europe/Atlantis")).toBe(time());
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
