// When a guest is made anew.
import { expect, test } from "vitest";
import { isPastHalfLife, needsRenewal } from "./identities";

const NOW = Date.parse("2026-06-01T18:00:00Z");
const DAY_MS = 24 * 3_600_000;

function madeAgo(ms: number, user_id = "guest-1") {
  return { token: "t", user_id, expires_at: new Date(NOW - ms + DAY_MS).toISOString() };
}

test("a guest is renewed once it was made a while ago, and nobody else is", () => {
  expect(needsRenewal(madeAgo(0), NOW)).toBe(false);
  expect(needsRenewal(madeAgo(60_000), NOW)).toBe(false);
  expect(needsRenewal(madeAgo(180_000), NOW)).toBe(true);
  expect(needsRenewal(madeAgo(180_000, "alice"), NOW)).toBe(false);
});

test("a guest's token that is half over is renewed", () => {
  expect(isPastHalfLife(madeAgo(DAY_MS / 2 - 1), NOW)).toBe(false);
  expect(isPastHalfLife(madeAgo(DAY_MS / 2 + 1), NOW)).toBe(true);
  expect(isPastHalfLife(madeAgo(DAY_MS / 2 + 1, "alice"), NOW)).toBe(false);
});
