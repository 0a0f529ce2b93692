// The operators' page without a document: calculations, the live stream, the form.
import { expect, test, vi } from "vitest";
import { Problem } from "../../sdk/problem";
import { Api } from "./api";
import { ChangedMeanwhile, fieldError, isUnauthorized } from "./problem";
import { type AuditEntry, type EventSnapshot, type History, type Settings, metricNames } from "./schemas";
import { readClaims } from "./session";
import { closest, marksWithin, smoothed } from "./views/chart-data";
import { fromShown, toShown } from "./views/units";
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

test("settings are shown in minutes and sent in seconds", () => {
  expect([toShown("rate_per_second", 0.5), toShown("grace_seconds", 300), toShown("claim_window_seconds", 30)]).toEqual([30, 5, 30]);
  expect(fromShown("pass_ttl_seconds", 1.5, true)).toBe(90);
  for (const perMinute of [1, 7, 40, 100, 240]) expect(toShown("rate_per_second", fromShown("rate_per_second", perMinute, false))).toBe(perMinute);
});

test("rates are averaged, and moments and marks found", () => {
  expect(smoothed([3, 4, 3, 4, 1, null, 6])).toEqual([3, 3.5, 10 / 3, 3.5, 3, null, 3.5]);
  expect([closest([], 5), closest([1, 4, 9], 5), closest([1, 4, 9], 99)]).toEqual([-1, 1, 2]);
  const entry = (seconds: number) => ({ at: new Date(seconds * 1_000).toISOString() }) as AuditEntry;
  expect(marksWithin([entry(30), entry(20), entry(10)], 15_000, 40_000).map(({ at }) => at)).toEqual([20_000, 30_000]);
});

/** A queue that other operators change, as `PUT …/queue` with `If-Match` answers. */
function changingQueue(settings: Record<string, unknown>, revision: string) {
  return vi.fn(async (_: string, request: RequestInit) => {
    if (new Headers(request.headers).get("If-Match") === `"${revision}"`) {
      return Response.json({ ...settings, ...JSON.parse(String(request.body)), revision: "after" });
    }
    const conflict = { revision, current: settings, changed_by: "olga", changed_at: "2026-07-01T18:00:00Z" };
    const problem = { type: "urn:stanchion:problem:precondition-failed", code: "PRECONDITION_FAILED", status: 412, detail: "changed", conflict };
    return Response.json(problem, { status: 412 });
  });
}

const QUEUE: Settings = {
  ...{ state: "open", rate_per_second: 5, burst: 5, max_active: 200, pass_ttl_seconds: 300 },
  ...{ claim_window_seconds: 30, push_claim_window_seconds: 120, grace_seconds: 300, max_in_line: 1_000, message: null },
};

test("another operator's change of the same setting is reported, of another one kept", async () => {
  const api = new Api(() => "token", () => {});
  const seen = { revision: "seen", value: QUEUE };
  vi.stubGlobal("fetch", changingQueue({ ...QUEUE, rate_per_second: 7 }, "theirs"));

  const refused = await api.updateQueue("e", { rate_per_second: 3 }, seen).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(ChangedMeanwhile);
  expect((refused as ChangedMeanwhile).conflict).toMatchObject({ revision: "theirs", changed_by: "olga", current: { rate_per_second: 7 } });

  const changed = await api.updateQueue("e", { max_active: 9 }, seen);
  expect([changed.max_active, changed.rate_per_second, changed.revision]).toEqual([9, 7, "after"]);
  vi.unstubAllGlobals();
});

test("an open sale that is sold out counts as open", async () => {
  const api = new Api(() => "token", () => {});
  vi.stubGlobal("fetch", changingQueue(QUEUE, "theirs"));
  const changed = await api.updateQueue("e", { state: "paused" }, { revision: "seen", value: { ...QUEUE, state: "sold_out" } });
  expect(changed.state).toBe("paused");
  vi.unstubAllGlobals();
});
