// The operators' page without a document: calculations, the live stream, the form.
import { expect, test, vi } from "vitest";
import { Problem } from "../../sdk/problem";
import { Api } from "./api";
import { fieldError, isUnauthorized } from "./problem";
import { type History, type EventSnapshot, metricNames } from "./schemas";
import { readClaims } from "./session";
import { appendSample } from "./views/use-live";
import { toRequest } from "./views/new-event";
import { fromSlider, toSlider } from "./views/slider";
import { timeRange } from "./views/time-range";

test("a slider maps to round numbers and back", () => {
  expect([0, 1_000].map((position) => fromSlider(position, 100_000))).toEqual([0, 100_000]);
  for (const value of [0, 1, 5, 50, 120, 2_000, 35_000, 100_000]) expect(fromSlider(toSlider(value, 100_000), 100_000)).toBe(value);
  expect(toSlider(1_000_000, 100_000)).toBe(1_000);
});

test("a chart spans at least a minute, the last one without samples", () => {
  expect(timeRange([1_000, 1_300, 1_600], 9_000)).toEqual([1_000, 1_600]);
  expect(timeRange([1_590, 1_600], 9_000)).toEqual([1_540, 1_600]);
  expect(timeRange([1_600], 9_000)).toEqual([1_540, 1_600]);
  expect(timeRange([], 9_000)).toEqual([8_940, 9_000]);
});

test("reads a token's claims and rejects malformed tokens", () => {
  const payload = btoa(JSON.stringify({ sub: "olga", role: "admin" }));
  expect(readClaims(`x.${payload}.y`)).toEqual({ sub: "olga", role: "admin" });
  expect(["", "x", "x.y.z", "x.e30.z"].map(readClaims)).toEqual([undefined, undefined, undefined, undefined]);
});

test("history appends new samples only and drops the oldest", () => {
  const column = Array.from({ length: 900 }, (_, index) => index);
  const history = { at_ms: column, ...Object.fromEntries(metricNames.map((name) => [name, column])) } as unknown as History;
  const figures = Object.fromEntries(metricNames.map((name) => [name, 7])) as EventSnapshot["figures"];
  const later = { at: new Date(5_000).toISOString(), figures } as EventSnapshot;
  const longer = appendSample(history, later);
  expect([longer.at_ms.length, longer.at_ms[0], longer.at_ms.at(-1), longer.line.at(-1)]).toEqual([900, 1, 5_000, 7]);
  expect(appendSample(longer, later)).toBe(longer);
});

test("prices are in minor units; invalid numbers become invalid values", () => {
  const zone = (price: string) => ({ name: "Z", capacity: "10", price });
  const draft = (currency: string, price: string, timeZone = "", startsAt = "") => ({
    ...{ name: "N", venue: "", city: "", timeZone, limit: "6", hold: "10", state: "open" as const, rate: "30", cap: "10", currency },
    shows: [{ name: "S", startsAt, zones: [zone(price)] }],
  });
  const known = new Map([["EUR", 2], ["HUF", 2], ["JPY", 0], ["KWD", 3]]);
  const request = (...given: Parameters<typeof draft>) => toRequest(draft(...given), known);
  const price = (currency: string, text: string) => request(currency, text).shows[0]?.zones[0]?.unit_price;
  expect([price("EUR", "12.5"), price("HUF", "12500"), price("JPY", "900"), price("KWD", "1.5"), price("EUR", "")]).toEqual([
    1_250, 1_250_000, 900, 1_500, -1,
  ]);
  expect(request("EUR", "1")).toMatchObject({ hold_seconds: 600, queue: { rate_per_second: 0.5 } });
  expect(request("EUR", "1").shows[0]).not.toHaveProperty("starts_at");
  expect(request("EUR", "1", "Europe/Oslo", "2030-05-03T20:00")).toMatchObject({
    time_zone: "Europe/Oslo",
    shows: [{ starts_at_local: "2030-05-03T20:00" }],
  });
  expect(request("EUR", "1", "", "2030-05-03T20:00").shows[0]).toHaveProperty("starts_at");
});

test.each([200, 400, 401, 403, 404, 405, 502, 503])("%i from a proxy neither signs out nor ends the live stream", async (status) => {
  vi.useFakeTimers();
  const fetched = vi.fn(async () => new Response("<html>", { status, headers: { "Content-Type": "text/html" } }));
  vi.stubGlobal("fetch", fetched);
  const [onUnauthorized, onInterrupted, end] = [vi.fn(), vi.fn(), new AbortController()];
  const api = new Api(() => "token", onUnauthorized);

  void api.followLive("e", { onStart: () => {}, onUpdate: () => {}, onInterrupted }, end.signal);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(fetched.mock.calls.length).toBeGreaterThanOrEqual(5);
  expect(onInterrupted).toHaveBeenCalledTimes(fetched.mock.calls.length);

  await expect(api.events()).rejects.toMatchObject({ name: "Problem", status: 0 });
  expect(onUnauthorized).not.toHaveBeenCalled();
  end.abort();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

test.each([401, 403])("%i from the service signs out and ends the live stream", async (status) => {
  const problem = { type: "urn:stanchion:problem:x", code: "X", detail: "name is too long", field: "name" };
  vi.stubGlobal("fetch", async () => Response.json(problem, { status }));
  const onUnauthorized = vi.fn();
  const api = new Api(() => "token", onUnauthorized);

  await api.followLive("e", { onStart: () => {}, onUpdate: () => {}, onInterrupted: () => {} }, new AbortController().signal);
  expect(onUnauthorized).toHaveBeenCalledOnce();

  const refused = await api.events().catch((error: Problem) => error);
  expect(refused).toMatchObject({ code: "X", status });
  expect(isUnauthorized(refused as Problem)).toBe(true);
  vi.unstubAllGlobals();
});

test("shows the problem's detail at the field it names", () => {
  const problem = Problem.read({ code: "INVALID_REQUEST", detail: "name is too long", field: "name" }, 422);
  expect(fieldError(problem, "name")).toBe("is too long");
  const elsewhere = Problem.read({ code: "INVALID_REQUEST", detail: "time_zone: must be a zone", field: "time_zone" }, 422);
  expect(fieldError(elsewhere, "time_zone")).toBe("must be a zone");
  expect([fieldError(problem, "currency"), fieldError(undefined, "name")]).toEqual(["", ""]);
});
