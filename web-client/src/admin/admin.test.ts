// The operators' page without a page: its arithmetic, its stream, its form.
import { expect, test, vi } from "vitest";
import { Api } from "./api";
import { Refusal } from "./refusal";
import { type History, type Moment, figureNames } from "./resources";
import { serverSent } from "./server-sent";
import { claimsOf } from "./session";
import { extended } from "./views/live";
import { requested } from "./views/new-event";
import { span } from "./views/span";
import { fromSlider, toSlider } from "./views/slider";

test("a slider covers powers of ten in round numbers and comes back to where it was", () => {
  expect([0, 1_000].map((position) => fromSlider(position, 100_000))).toEqual([0, 100_000]);
  for (const value of [0, 1, 5, 50, 120, 2_000, 35_000, 100_000]) expect(fromSlider(toSlider(value, 100_000), 100_000)).toBe(value);
  expect(toSlider(1_000_000, 100_000)).toBe(1_000);
});

test("a plot shows a minute at least, and the last one where nothing is known yet", () => {
  expect(span([1_000, 1_300, 1_600], 9_000)).toEqual([1_000, 1_600]);
  expect(span([1_590, 1_600], 9_000)).toEqual([1_540, 1_600]);
  expect(span([1_600], 9_000)).toEqual([1_540, 1_600]);
  expect(span([], 9_000)).toEqual([8_940, 9_000]);
});

test("events of a stream are read whole, however they arrive", async () => {
  const text = 'event: live\ndata: {"a":"ก"}\n\n: heartbeat\n\nevent: live\ndata: {}\n\nevent: li';
  const bytes = new TextEncoder().encode(text);
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (let at = 0; at < bytes.length; at += 7) controller.enqueue(bytes.slice(at, at + 7));
      controller.close();
    },
  });
  const events = [];
  for await (const event of serverSent(body)) events.push(event);
  expect(events).toEqual([
    { name: "live", data: '{"a":"ก"}' },
    { name: "", data: "" },
    { name: "live", data: "{}" },
  ]);
});

test("a token says whose it is, and nonsense says nothing", () => {
  const payload = btoa(JSON.stringify({ sub: "olga", role: "admin" }));
  expect(claimsOf(`x.${payload}.y`)).toEqual({ sub: "olga", role: "admin" });
  expect(["", "x", "x.y.z", "x.e30.z"].map(claimsOf)).toEqual([undefined, undefined, undefined, undefined]);
});

test("history grows by one sample, forgets the oldest, and takes none twice", () => {
  const column = Array.from({ length: 900 }, (_, index) => index);
  const history = { at_ms: column, ...Object.fromEntries(figureNames.map((name) => [name, column])) } as unknown as History;
  const figures = Object.fromEntries(figureNames.map((name) => [name, 7])) as Moment["figures"];
  const later = { at: new Date(5_000).toISOString(), figures } as Moment;
  const longer = extended(history, later);
  expect([longer.at_ms.length, longer.at_ms[0], longer.at_ms.at(-1), longer.line.at(-1)]).toEqual([900, 1, 5_000, 7]);
  expect(extended(longer, later)).toBe(longer);
});

test("prices are in minor units of the currency, and what is no number is refused by the server", () => {
  const zone = (price: string) => ({ name: "Z", capacity: "10", price });
  const draft = (currency: string, price: string) => ({
    ...{ name: "N", limit: "6", hold: "600", state: "open", rate: "5", cap: "10", currency },
    shows: [{ name: "S", startsAt: "", zones: [zone(price)] }],
  });
  const price = (currency: string, text: string) => requested(draft(currency, text)).shows[0]?.zones[0]?.unit_price;
  expect([price("EUR", "12.5"), price("JPY", "900"), price("??", "1"), price("EUR", "")]).toEqual([1_250, 900, 100, -1]);
  expect(requested(draft("EUR", "1")).shows[0]).not.toHaveProperty("starts_at");
});

test.each([200, 400, 401, 403, 404, 405, 502, 503])("%i from a proxy signs nobody out and ends no watch", async (status) => {
  vi.useFakeTimers();
  const fetched = vi.fn(async () => new Response("<html>", { status, headers: { "Content-Type": "text/html" } }));
  vi.stubGlobal("fetch", fetched);
  const [unwelcome, breaksOff, end] = [vi.fn(), vi.fn(), new AbortController()];
  const api = new Api(() => "token", unwelcome);
  void api.watch("e", { begins: () => {}, goesOn: () => {}, breaksOff }, end.signal);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(fetched.mock.calls.length).toBeGreaterThanOrEqual(5);
  expect(breaksOff).toHaveBeenCalledTimes(fetched.mock.calls.length);
  await expect(api.events()).rejects.toMatchObject({ code: "NO_ANSWER", unwelcome: false });
  expect(unwelcome).not.toHaveBeenCalled();
  end.abort();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

test.each([401, 403])("%i of the service's own does", async (status) => {
  const problem = { type: "urn:stanchion:problem:x", code: "X", detail: "no", field: "name" };
  expect(await Refusal.of(Response.json(problem, { status }))).toMatchObject({ unwelcome: true, code: "X", detail: "no", field: "name" });
});
