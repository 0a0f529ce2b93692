// When a guest's token is renewed.
import { expect, test } from "vitest";
import { HALF_LIFE_MS, RENEW_AFTER_MS, isGuestOlderThan } from "./identities";

const NOW = Date.parse("2026-06-01T18:00:00Z");
const DAY_MS = 24 * 3_600_000;

function madeAgo(ms: number, user_id = "guest-1") {
  return { token: "t", user_id, expires_at: new Date(NOW - ms + DAY_MS).toISOString() };
}

test("renews only guests, and only with a token that is not recent", () => {
  expect(isGuestOlderThan(RENEW_AFTER_MS, madeAgo(0), NOW)).toBe(false);
  expect(isGuestOlderThan(RENEW_AFTER_MS, madeAgo(60_000), NOW)).toBe(false);
  expect(isGuestOlderThan(RENEW_AFTER_MS, madeAgo(180_000), NOW)).toBe(true);
  expect(isGuestOlderThan(RENEW_AFTER_MS, madeAgo(180_000, "alice"), NOW)).toBe(false);
});

test("renews a guest's token past half of its life", () => {
  expect(isGuestOlderThan(HALF_LIFE_MS, madeAgo(DAY_MS / 2 - 1), NOW)).toBe(false);
  expect(isGuestOlderThan(HALF_LIFE_MS, madeAgo(DAY_MS / 2 + 1), NOW)).toBe(true);
  expect(isGuestOlderThan(HALF_LIFE_MS, madeAgo(DAY_MS / 2 + 1, "alice"), NOW)).toBe(false);
});
