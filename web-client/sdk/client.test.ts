// The assembled client: its end is final, it works without what browsers may refuse, and it repeats what was not decided.
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Client, type ClientOptions, createClient } from "./client";
import { FakeSocket, FakeStore } from "./fake-socket";
import type { WaitingRoomEvents } from "./waiting-room";

const event_id = "0197a4b2-5c1e-7d3a-9f00-2b8c6d4e1a01";
const guest = { token: "t", user_id: "guest-1", expires_at: "2096-01-01T00:00:00Z" };
const place = { event_id, user_id: "guest-1", position: 3, total_in_queue: 9, estimated_wait_seconds: 5, is_ready: false, ticket: "ticket-1" };

let answers: Record<string, () => Response | Promise<Response>>;
let requests: { route: string; body: string }[];
let store: FakeStore;
const clients: Client[] = [];

async function fetched(url: string | URL | Request, request: RequestInit = {}): Promise<Response> {
  const route = `${request.method ?? "GET"} ${new URL(String(url)).pathname.replace("/api/v1", "")}`;
  requests.push({ route, body: String(request.body) });
  const answer = answers[route];
  if (!answer) throw new TypeError("network");
  return answer();
}

const refusal = (status: number, code: string, headers: Record<string, string> = {}) => () =>
  Response.json({ type: `urn:stanchion:problem:${code}`, status, code, detail: code }, { status, headers });

function create(options: ClientOptions = {}): Client {
  const client = createClient({
    ...{ origin: "http://stanchion", store, fetch: fetched, WebSocket: FakeSocket as never, browser: {}, random: () => 0.5 },
    ...options,
  });
  clients.push(client);
  return client;
}

const names = ["connection", "position", "pass", "reserved", "left", "event", "error"] as const;

/** What the client reports, as `connection connecting`, `position 3`, `error RATE_LIMITED`. */
function log(client: Client): string[] {
  const lines: string[] = [];
  for (const name of names) {
    client.room.on(name, (payload: WaitingRoomEvents[typeof name]) => {
      const what = "state" in payload ? payload.state : "position" in payload ? payload.position : "code" in payload ? payload.code : "";
      lines.push(`${name} ${what}`.trim());
    });
  }
  return lines;
}

function serve(): void {
  FakeSocket.last.accept(10_000, "guest-1");
  FakeSocket.last.deliver({ type: "queued", event_id, ticket: "ticket-1", position: 3, total_in_queue: 9, estimated_wait_seconds: 5 });
}

const settle = () => vi.advanceTimersByTimeAsync(0);
const count = (route: string) => requests.filter((request) => request.route === route).length;

beforeEach(() => {
  vi.useFakeTimers();
  FakeSocket.all = [];
  requests = [];
  store = new FakeStore();
  answers = { "POST /guest": () => Response.json(guest, { status: 201 }) };
});
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

describe("a closed client", () => {
  test("reports nothing and opens nothing", async () => {
    const client = create();
    const lines = log(client);
    await client.guest();
    client.room.join(event_id);
    serve();
    const before = [...lines];
    client.close();
    expect(FakeSocket.last.closedWith).toBe(1000);

    const later = log(client);
    client.room.join(event_id);
    client.room.leave(event_id);
    client.room.finish(event_id);
    client.transport.open();
    client.transport.probe();
    expect(client.room.reserve({ event_id, show_id: "s", zone_id: "z", quantity: 1, idempotency_key: "k" })).toBe(false);
    await vi.advanceTimersByTimeAsync(24 * 3_600_000);
    expect([FakeSocket.all.length, count("POST /guest"), lines, later]).toEqual([1, 1, before, []]);
    expect(client.places.find("guest-1", event_id)?.ticket, "the place is kept for another client").toBe("ticket-1");
  });

  test("stays closed if a guest's identity arrives later", async () => {
    let answer = (_: Response) => {};
    answers["POST /guest"] = () => new Promise((resolve) => (answer = resolve));
    const client = create();
    const lines = log(client);
    const entered = client.guest().then(() => client.room.join(event_id));
    await settle();
    client.close();
    answer(Response.json(guest, { status: 201 }));
    await entered;
    await vi.advanceTimersByTimeAsync(60_000);
    expect([lines, FakeSocket.all.length]).toEqual([[], 0]);
    expect(client.identities.current()?.user_id, "another client uses the identity").toBe("guest-1");
  });

  test("asks for no identity, and stops asking for one", async () => {
    answers["POST /guest"] = refusal(503, "UNAVAILABLE");
    const client = create();
    const asked = client.guest();
    await settle();
    client.close();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await asked).toBeUndefined();
    expect(await client.guest()).toBeUndefined();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(count("POST /guest")).toBe(1);
  });

  test("ignores the answer to a join over HTTP", async () => {
    let answer = (_: Response) => {};
    answers["POST /queue/join"] = () => new Promise((resolve) => (answer = resolve));
    const client = create({ WebSocket: null as never });
    const lines = log(client);
    await client.guest();
    client.room.join(event_id);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(count("POST /queue/join")).toBe(1);
    const before = [...lines];
    client.close();
    answer(Response.json(place, { status: 201 }));
    await vi.advanceTimersByTimeAsync(60_000);
    expect([lines, requests.length]).toEqual([before, 2]);
  });

  test("delivers an event to no listener after the one that closes it", async () => {
    const client = create();
    const positions = vi.fn();
    client.room.on("position", () => client.close());
    client.room.on("position", positions);
    await client.guest();
    client.room.join(event_id);
    serve();
    expect(positions).not.toHaveBeenCalled();
  });
});

test("an effect that runs twice gets each event once", async () => {
  const lines: string[] = [];
  let held: Promise<unknown> = Promise.resolve();
  const request = (_: string, ...rest: unknown[]) => (held = held.then(rest.at(-1) as () => unknown));
  const mount = () => {
    const client = create({ browser: { locks: { request } } });
    for (const name of ["position", "pass"] as const) client.room.on(name, () => lines.push(name));
    void client.guest().then(() => client.room.join(event_id));
    return () => client.close();
  };
  mount()();
  mount();
  await settle();
  expect(FakeSocket.all).toHaveLength(1);
  serve();
  FakeSocket.last.deliver({ type: "pass", event_id, pass_id: "p", queue_pass: "jwt", expires_at: "2096-01-01T00:00:00Z" });
  expect(lines).toEqual(["position", "pass"]);
  expect(count("POST /guest"), "one guest").toBe(1);
});

describe("connecting is reported once", () => {
  class Channel {
    onmessage = null;
    postMessage() {}
    close() {}
  }
  const locks = { request: async (_: string, ...rest: unknown[]) => (rest.at(-1) as (lock: null) => unknown)(null) };

  test.each([
    ["with locks", { locks, BroadcastChannel: Channel }],
    ["without", {}],
  ])("%s", async (_, browser) => {
    const client = create({ browser });
    const lines = log(client);
    await client.guest();
    client.room.join(event_id);
    await settle();
    serve();
    expect(lines).toEqual(["connection connecting", "connection connected", "position 3"]);
  });
});

describe("ids in upper case", () => {
  test("are those of the server", async () => {
    const client = create();
    const lines = log(client);
    await client.guest();
    const wish = [{ show_id: "AB", zone_id: "CD", quantity: 2 }];
    client.room.join(event_id.toUpperCase(), wish);
    FakeSocket.last.accept();
    expect(FakeSocket.last.sent.at(-1)).toEqual({ type: "join", event_id, wish });
    serve();
    FakeSocket.last.deliver({ type: "pass", event_id, pass_id: "p", queue_pass: "jwt", expires_at: "2096-01-01T00:00:00Z" });
    expect(lines.slice(-2)).toEqual(["position 3", "pass"]);
    expect(client.places.find("guest-1", event_id.toUpperCase())?.ticket).toBe("ticket-1");

    client.room.reserve({ event_id: event_id.toUpperCase(), show_id: "AB", zone_id: "CD", quantity: 1, idempotency_key: "K" });
    expect(FakeSocket.last.sent.at(-1)).toEqual({ type: "reserve", event_id, show_id: "AB", zone_id: "CD", quantity: 1, idempotency_key: "K" });
    client.room.leave(event_id.toUpperCase());
    expect(FakeSocket.last.sent.at(-1)).toEqual({ type: "leave", event_id });
    expect(client.places.find("guest-1", event_id)).toBeUndefined();
  });

  test("are those of the server over HTTP", async () => {
    answers["POST /queue/join"] = () => Response.json(place, { status: 201 });
    answers[`GET /queue/position/${event_id}`] = () => Response.json(place);
    answers["POST /bookings/reserve"] = () => Response.json({ booking_id: "b" }, { status: 201 });
    const client = create({ WebSocket: null as never });
    const lines = log(client);
    await client.guest();
    client.room.join(event_id.toUpperCase());
    await vi.advanceTimersByTimeAsync(2_000);
    expect(lines).toContain("position 3");
    expect((await client.rest.place(event_id.toUpperCase())).ticket).toBe("ticket-1");
  });
});

describe("what decides nothing is repeated", () => {
  test.each([
    ["too many requests", refusal(429, "RATE_LIMITED", { "Retry-After": "3" }), "RATE_LIMITED", 3_000],
    ["an overloaded server", refusal(503, "UNAVAILABLE", { "Retry-After": "2" }), "UNAVAILABLE", 2_000],
    ["a proxy's page", () => new Response("<html>", { status: 502 }), "UNAVAILABLE", 0],
    ["no answer", () => Promise.reject(new TypeError("network")), "NO_ANSWER", 0],
  ])("after %s", async (_, answer, code, wait) => {
    answers["POST /guest"] = answer;
    const client = create();
    const lines = log(client);
    const asked = client.guest();
    await settle();
    expect(lines).toEqual([`error ${code}`]);
    await vi.advanceTimersByTimeAsync(wait + 499);
    expect(count("POST /guest"), "after Retry-After and jitter").toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(count("POST /guest")).toBe(2);
    answers["POST /guest"] = () => Response.json(guest, { status: 201 });
    await vi.advanceTimersByTimeAsync(wait + 1_000);
    expect((await asked)?.user_id).toBe("guest-1");
  });

  test("a refusal is not", async () => {
    answers["POST /guest"] = refusal(403, "FORBIDDEN");
    await expect(create().guest()).rejects.toMatchObject({ code: "FORBIDDEN" });
    answers["POST /guest"] = refusal(404, "NOT_FOUND");
    expect(await create().guest()).toBeUndefined();
    expect(count("POST /guest")).toBe(2);
  });
});

describe("a browser that refuses", () => {
  const forbidden = () => {
    throw new DOMException("The operation is insecure.", "SecurityError");
  };
  const full = Object.assign(new FakeStore(), {
    setItem: () => {
      throw new DOMException("full", "QuotaExceededError");
    },
  });

  test.each([
    ["to open the storage", () => Object.defineProperty(globalThis, "localStorage", { get: forbidden, configurable: true })],
    ["to store more", () => vi.stubGlobal("localStorage", full)],
    ["to be a browser", () => {}],
  ])("%s keeps the place in memory", async (_, refuse) => {
    refuse();
    const client = create({ store: undefined as never });
    expect(client.store.inMemory).toBe(true);
    await client.guest();
    client.room.join(event_id);
    serve();
    FakeSocket.last.drop();
    await vi.advanceTimersByTimeAsync(1_000);
    FakeSocket.last.accept(10_000, "guest-1");
    expect(FakeSocket.last.sent.at(-1)).toEqual({ type: "join", event_id, ticket: "ticket-1", position: 3 });
    client.room.leave(event_id);
    expect(client.places.find("guest-1", event_id)).toBeUndefined();
    Reflect.deleteProperty(globalThis, "localStorage");
  });

  test("nothing keeps nothing in memory", async () => {
    const client = create();
    expect(client.store.inMemory).toBe(false);
    expect([...store.content.keys()], "no trace of the probe").toEqual([]);
    await client.guest();
    expect(store.content.size).toBe(1);
  });

  test.each([
    ["locks", { locks: { request: () => Promise.reject(new DOMException("denied", "SecurityError")) }, BroadcastChannel }],
    ["channels", { locks: { request: async () => forbidden() }, BroadcastChannel: class { constructor() { forbidden(); } } as never }], // prettier-ignore
  ])("%s gives each tab its own connection", async (_, browser) => {
    const client = create({ browser });
    const lines = log(client);
    await client.guest();
    client.room.join(event_id);
    await settle();
    serve();
    expect(lines).toEqual(["connection connecting", "connection connected", "position 3"]);
    client.close();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(FakeSocket.all).toHaveLength(1);
  });
});

test("needs an origin outside of browsers, and says so", () => {
  expect(() => createClient()).toThrow(/needs an origin/);
});

test("names the likely cause if another origin does not answer", async () => {
  delete answers["POST /guest"];
  await expect(create().rest.guest()).rejects.toMatchObject({ code: "NO_ANSWER", detail: expect.stringContaining("CORS") });
});
