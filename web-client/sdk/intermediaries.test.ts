// Responses of intermediaries in the service's place (a proxy without the route, a firewall, a portal) on every request: the
// client keeps place and ticket and recovers by itself. The service's own refusals apply.
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Client, createClient } from "./client";
import { FakeSocket, FakeStore } from "./fake-socket";
import { Problem } from "./problem";
import { Shop, followSeats } from "./shop";
import type { WaitingRoomEvents } from "./waiting-room";

const event_id = "e";
const kept = { event_id, user_id: "alice", position: 3, total_in_queue: 9, estimated_wait_seconds: 5, is_ready: false, ticket: "ticket-1" };
const order = { event_id, show_id: "s", zone_id: "z", quantity: 1 };

const refusal = (status: number, code: string) =>
  new Response(JSON.stringify({ type: `urn:stanchion:problem:${code.toLowerCase().replaceAll("_", "-")}`, status, code, detail: code }), {
    status,
    headers: { "Content-Type": "application/problem+json" },
  });

const bodies: Record<string, [type: string, body: string]> = {
  html: ["text/html", "<html><h1>404 page not found</h1></html>"],
  nothing: ["", ""],
  "JSON of a gateway": ["application/json", '{"message":"no Route matched with those values"}'],
  "a problem of another service": ["application/problem+json", '{"type":"about:blank","status":404,"code":"NOT_IN_QUEUE"}'],
  "a page that looks like a stream": ["text/event-stream", "<html>\n\nwelcome\n\n"],
  "a refusal of ours that was cut off": ["application/problem+json", '{"type":"urn:stanchion:problem:not-in-queue","status":404,'],
};
const statuses = [200, 400, 401, 403, 404, 405, 429, 500, 502, 503];
const foreign = Object.entries(bodies).flatMap(([what, [type, body]]) =>
  statuses.map((status) => ({ name: `${status} with ${what}`, answer: () => new Response(body, { status, headers: { "Content-Type": type } }) })),
);
const broken = [
  { name: "no answer", answer: () => Promise.reject(new TypeError("network")) },
  { name: "a body that breaks off", answer: () => new Response(new ReadableStream({ start: (body) => body.error(new TypeError("network")) })) },
];
const anything: { name: string; answer: () => Response | Promise<Response> }[] = [...foreign, ...broken];

let store: FakeStore;
let client: Client;
/** Undefined if the service itself responds. */
let instead: (() => Response | Promise<Response>) | undefined;
let service: Record<string, () => Response>;
let requests: { route: string; body: string }[];
let emitted: { [Name in keyof WaitingRoomEvents]: WaitingRoomEvents[Name][] };

async function fetched(url: string | URL | Request, request: RequestInit = {}): Promise<Response> {
  const route = `${request.method ?? "GET"} ${new URL(String(url)).pathname.replace("/api/v1", "")}`;
  requests.push({ route, body: String(request.body) });
  return instead ? instead() : (service[route]?.() ?? refusal(404, "NOT_FOUND"));
}

const stream = (name = "position", data: object = kept) => {
  const bytes = new TextEncoder().encode(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
  const body = new ReadableStream({ start: (body) => body.enqueue(bytes) });
  return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
};

const state = () => client.link.current;
const place = () => client.places.find("alice", event_id);
const lastJoin = () => JSON.parse(requests.findLast(({ route }) => route === "POST /queue/join")!.body) as unknown;

function start(WebSocket: unknown = FakeSocket): void {
  client = createClient({ origin: "http://stanchion", store, fetch: fetched, WebSocket: WebSocket as never, browser: {}, random: () => 0.5 });
  client.identities.keep({ token: "token", user_id: "alice", expires_at: "2096-01-01T00:00:00Z" });
  emitted = { connection: [], position: [], pass: [], reserved: [], left: [], event: [], error: [] };
  for (const name of Object.keys(emitted) as (keyof WaitingRoomEvents)[]) client.room.on(name, (payload) => emitted[name].push(payload as never));
  client.room.join(event_id);
}

/** Joined over a socket, which is then lost; no other socket connects. */
async function withoutSockets(): Promise<void> {
  FakeSocket.last.accept().deliver({ type: "queued", ...kept });
  for (let loss = 0; loss < 3; loss++) {
    FakeSocket.last.drop();
    await vi.advanceTimersByTimeAsync(1_100);
  }
}

async function nothingIsLost(): Promise<void> {
  await vi.advanceTimersByTimeAsync(90_000);
  expect(emitted.error.filter(({ then }) => then === "gone")).toEqual([]);
  expect([emitted.left, place()?.ticket, client.identities.current()?.user_id]).toEqual([[], "ticket-1", "alice"]);
  expect(emitted.connection.map(({ state }) => state)).not.toContain("refused");
  expect(state().state).toBe("reconnecting");
}

async function comesBack(): Promise<void> {
  instead = undefined;
  await vi.advanceTimersByTimeAsync(45_000);
  expect(state().state).toBe("connected");
  expect([place()?.ticket, emitted.position.at(-1)?.position]).toEqual(["ticket-1", 3]);
}

beforeEach(() => {
  vi.useFakeTimers();
  FakeSocket.all = [];
  requests = [];
  store = new FakeStore();
  instead = undefined;
  service = {
    "POST /queue/join": () => Response.json(kept, { status: 201 }),
    [`GET /queue/position/${event_id}`]: () => Response.json(kept),
    [`GET /queue/status/${event_id}`]: () => Response.json({ event_id, state: "open" }),
    [`GET /queue/position/${event_id}/stream`]: () => stream(),
  };
});
afterEach(() => {
  client.close();
  vi.useRealTimers();
});

test.each(anything)("$name to the join keeps the place", async ({ answer }) => {
  start();
  instead = answer;
  await withoutSockets();
  await nothingIsLost();
  await comesBack();
  expect(lastJoin()).toMatchObject({ event_id, ticket: "ticket-1" });
});

test.each(anything)("$name to polls keeps the place", async ({ answer }) => {
  start();
  delete service[`GET /queue/position/${event_id}/stream`];
  service[`GET /queue/position/${event_id}/stream`] = () => new Response("<html>", { status: 200 });
  await withoutSockets();
  expect(state()).toEqual({ state: "connected", via: "polling" });
  instead = answer;
  await nothingIsLost();
  await comesBack();
});

test.each(anything)("$name to the stream falls back to polls", async ({ answer }) => {
  start();
  service[`GET /queue/position/${event_id}/stream`] = answer as () => Response;
  await withoutSockets();
  await vi.advanceTimersByTimeAsync(20_000);
  expect(state()).toEqual({ state: "connected", via: "polling" });
  expect([emitted.error, place()?.ticket]).toEqual([[], "ticket-1"]);
});

test.each(anything)("$name to the shop is undecided", async ({ answer }) => {
  start();
  const shop = new Shop(client.rest);
  instead = answer;
  const calls = {
    reserve: () => client.rest.reserve(order, "pass", "key"),
    confirm: () => shop.confirm("b"),
    cancel: () => shop.cancel("b"),
    booking: () => shop.booking("b"),
    pending: () => shop.pending(),
    bookings: () => shop.bookings(),
    events: () => shop.events(),
    event: () => shop.event(event_id),
    guest: () => client.rest.guest(),
  };
  for (const [name, call] of Object.entries(calls)) {
    const failed = call().then(
      () => name,
      (error: unknown) => error,
    );
    await vi.advanceTimersByTimeAsync(10_000);
    const problem = await failed;
    expect(problem).toBeInstanceOf(Problem);
    expect((problem as Problem).undecided, name).toBe(true);
  }
});

test.each([200, 404])("%i to the stream of free seats does not end the updates", async (status) => {
  start();
  const zones = [{ zone_id: "z", available: 7 }];
  const [seats, end] = [vi.fn(), new AbortController()];
  instead = () => new Response("<html>", { status });
  void followSeats(new Shop(client.rest), event_id, seats, end.signal, () => true);
  await vi.advanceTimersByTimeAsync(30_000);
  instead = undefined;
  service[`GET /events/${event_id}/availability/stream`] = () => stream("availability", { event_id, zones });
  await vi.advanceTimersByTimeAsync(30_000);
  expect(seats).toHaveBeenCalledWith(zones);
  expect(requests.map(({ route }) => route)).not.toContain(`GET /events/${event_id}`);
  end.abort();
});

test("limits the Retry-After of a proxy", async () => {
  start();
  instead = () => new Response("<html>", { status: 503, headers: { "Retry-After": "86400" } });
  await withoutSockets();
  expect(state()).toEqual({ state: "reconnecting", in_ms: 30_500 });
});

test("ignores the clock of a proxy", async () => {
  start();
  const Date = "Thu, 01 Jan 2099 00:00:00 GMT";
  for (const status of [200, 404]) {
    instead = () => new Response("<html>", { status, headers: { Date } });
    await expect(client.rest.status(event_id)).rejects.toThrow();
    expect(client.identities.current()?.user_id).toBe("alice");
  }
  instead = () => Response.json({ event_id, state: "open" }, { headers: { Date } });
  await client.rest.status(event_id);
  expect(client.identities.current()).toBeUndefined();
});

describe("of the service itself", () => {
  test.each([
    [404, "NOT_IN_QUEUE"],
    [404, "EVENT_NOT_FOUND"],
    [403, "FORBIDDEN"],
    [409, "QUEUE_CLOSED"],
  ])("%i %s ends the wait", async (status, code) => {
    start();
    service["POST /queue/join"] = () => refusal(status, code);
    await withoutSockets();
    expect(emitted.error.at(-1)).toMatchObject({ code, then: "gone" });
    expect(place()).toBeUndefined();
  });

  test.each(["UNAUTHORIZED", "TOKEN_EXPIRED"])("401 %s refuses the identity", async (code) => {
    start();
    service["POST /queue/join"] = () => refusal(401, code);
    await withoutSockets();
    expect(state()).toMatchObject({ state: "refused", code: 4500 });
  });

  // A process that does not serve the route responded: a proxy is changing its routes.
  test.each([
    [404, "NOT_FOUND"],
    [405, "METHOD_NOT_ALLOWED"],
    [429, "RATE_LIMITED"],
    [503, "UNAVAILABLE"],
  ])("%i %s says nothing of the place", async (status, code) => {
    start();
    instead = () => refusal(status, code);
    await withoutSockets();
    await nothingIsLost();
    await comesBack();
  });
});

class Forbidden {
  constructor() {
    throw new DOMException("no sockets here", "SecurityError");
  }
}
test.each([
  ["throws", () => start(Forbidden)],
  ["is not there", () => (vi.stubGlobal("WebSocket", undefined), start(null))],
])("a WebSocket that %s leads to HTTP", async (_, begin) => {
  begin();
  await vi.advanceTimersByTimeAsync(3_000);
  expect(state()).toEqual({ state: "connected", via: "stream" });
  expect(place()?.ticket).toBe("ticket-1");
  vi.unstubAllGlobals();
});
