// Fallback from sockets to plain HTTP, and back.
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { FallbackTransport } from "./fallback-transport";
import { WebSocketTransport } from "./websocket-transport";
import { FakeSocket } from "./fake-socket";
import { HttpTransport } from "./http-transport";
import type { ConnectionState } from "./transport";
import type { ServerMessage } from "./messages";
import { Rest } from "./rest";

const event_id = "e";
const place = { event_id, user_id: "alice", position: 3, total_in_queue: 9, estimated_wait_seconds: 5, is_ready: false, ticket: "t" };
const ready = { ...place, position: 0, is_ready: true, pass_id: "p", queue_pass: "jwt", queue_pass_expires_at: "2096-01-01T00:00:00Z" };

type Answer = { status?: number; body?: unknown; headers?: Record<string, string> } | "none" | { stream: string };
let answers: Record<string, () => Answer>;
let requests: string[];
let bodies: unknown[];
let states: ConnectionState[];
let heard: ServerMessage[];
let transport: FallbackTransport;

async function answer(url: string | URL | Request, request?: RequestInit): Promise<Response> {
  const route = `${request?.method ?? "GET"} ${new URL(String(url)).pathname.replace("/api/v1", "")}`;
  requests.push(route);
  if (typeof request?.body === "string") bodies.push(JSON.parse(request.body));
  const given: Answer = answers[route]?.() ?? refusal(404, "NOT_IN_QUEUE");
  if (given === "none") throw new TypeError("network");
  const headers = { "Content-Type": "text/event-stream" };
  if ("stream" in given) return new Response(untilAborted(given.stream, request!.signal!), { headers });
  return Response.json(given.body, { status: given.status ?? 200, headers: given.headers ?? {} });
}

const refusal = (status: number, code: string, headers = {}): Answer & object => ({
  ...{ status, headers },
  body: { type: `urn:stanchion:problem:${code}`, code, detail: "x" },
});

const stream = (...events: [string, unknown][]) => ({
  stream: events.map(([name, data]) => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`).join(""),
});

function untilAborted(text: string, signal: AbortSignal): ReadableStream {
  return new ReadableStream({
    start(controller) {
      if (text) controller.enqueue(new TextEncoder().encode(text));
      signal.addEventListener("abort", () => controller.error(signal.reason));
    },
  });
}

async function refuseSockets(times = 2): Promise<void> {
  for (let refusal = 0; refusal < times; refusal++) {
    FakeSocket.last.drop();
    await vi.advanceTimersByTimeAsync(1_000);
  }
}

const last = () => states.at(-1);

beforeEach(() => {
  vi.useFakeTimers();
  FakeSocket.all = [];
  requests = [];
  bodies = [];
  states = [];
  heard = [];
  answers = {
    "POST /queue/join": () => ({ status: 201, body: place }),
    "GET /queue/position/e/stream": () => stream(["position", place]),
    "GET /queue/position/e": () => ({ body: place }),
    "GET /queue/status/e": () => ({ body: { event_id, state: "open" } }),
  };
  const rest = new Rest({ base: "http://stanchion/api/v1", token: () => "token", fetch: answer });
  const WebSocket = FakeSocket as unknown as new () => WebSocket;
  const socket = new WebSocketTransport({ url: "ws://stanchion", token: () => "token", WebSocket, random: () => 0.5 });
  transport = new FallbackTransport(socket, new HttpTransport(rest, () => "alice", () => 0.5), () => 0.5);
  transport.on("state", (state) => states.push(state));
  transport.on("message", (message) => heard.push(message));
  transport.on("connected", () => transport.send({ type: "join", event_id, ticket: "t" }));
  transport.open();
});
afterEach(() => {
  transport.close();
  vi.useRealTimers();
});

describe("a socket that does not speak", () => {
  test("has the place taken over HTTP within two seconds", async () => {
    FakeSocket.last.onopen?.(); // accepted, then silent
    await vi.advanceTimersByTimeAsync(1_499);
    expect(requests).toEqual([]);
    expect(heard, "no place before the server said so").toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(requests[0]).toBe("POST /queue/join");
    expect(heard[0]).toMatchObject({ type: "queued", ticket: "t", position: 3 });
    expect(last()).toEqual({ state: "connected", via: "stream" });
    expect(FakeSocket.last.closedWith, "its handshake continues").toBeUndefined();
  });

  test("takes over from HTTP when it speaks", async () => {
    await vi.advanceTimersByTimeAsync(4_000);
    FakeSocket.last.accept();
    expect(last()).toEqual({ state: "connected", via: "socket" });
    expect(FakeSocket.last.sent.at(-1)).toMatchObject({ type: "join", ticket: "t" });
    const asked = requests.length;
    await vi.advanceTimersByTimeAsync(20_000);
    expect([FakeSocket.all.length, requests.length]).toEqual([1, asked]);
  });

  test("is given up after the handshake's time and tried again rarely", async () => {
    await vi.advanceTimersByTimeAsync(10_500);
    expect(FakeSocket.last.closedWith).toBe(4412);
    expect(last()).toMatchObject({ state: "connected" });
    await vi.advanceTimersByTimeAsync(45_000);
    expect(FakeSocket.all).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(FakeSocket.all).toHaveLength(2);
  });

  test("gets no company once it is closed", async () => {
    transport.close();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(requests).toEqual([]);
  });
});

test("keeps the socket after a single loss", async () => {
  FakeSocket.last.accept().drop();
  await vi.advanceTimersByTimeAsync(600);
  FakeSocket.last.drop();
  await vi.advanceTimersByTimeAsync(1_100);
  expect(requests).toEqual([]);
});

test("streams after two failed handshakes, with a socket's messages", async () => {
  await refuseSockets();
  expect(last()).toEqual({ state: "connected", via: "stream" });
  expect(heard.at(-1)).toMatchObject({ type: "queued", ticket: "t", position: 3 });
});

test("polls if the stream is silent", async () => {
  answers["GET /queue/position/e/stream"] = () => stream();
  await refuseSockets();
  await vi.advanceTimersByTimeAsync(20_000);
  expect(last()).toEqual({ state: "connected", via: "polling" });
  answers["GET /queue/position/e"] = () => ({ body: ready });
  await vi.advanceTimersByTimeAsync(6_000);
  expect(heard.filter(({ type }) => type === "pass").at(-1)).toMatchObject({ pass_id: "p", queue_pass: "jwt" });
  expect(heard.at(-1)).toEqual({ type: "event", event_id, state: "open" });
});

test("joins with ticket and position after a refusal", async () => {
  answers["GET /queue/position/e/stream"] = () => stream();
  await refuseSockets();
  await vi.advanceTimersByTimeAsync(20_000);
  expect(last()).toEqual({ state: "connected", via: "polling" });
  answers["POST /queue/join"] = () => ({ body: { ...place, ticket: "t2", position: 2 } });
  answers["GET /queue/position/e"] = () => refusal(503, "UNAVAILABLE");
  await vi.advanceTimersByTimeAsync(8_000);
  expect(bodies.at(-1)).toEqual({ event_id, ticket: "t", position: 3 });
  expect(heard.at(-1)).toMatchObject({ type: "queued", ticket: "t2", position: 2 });
  await vi.advanceTimersByTimeAsync(8_000);
  expect(bodies.at(-1)).toEqual({ event_id, ticket: "t2", position: 2 });
});

test("stops HTTP when a socket works again", async () => {
  await refuseSockets();
  transport.probe();
  FakeSocket.last.accept();
  expect(last()).toEqual({ state: "connected", via: "socket" });
  expect(FakeSocket.last.sent.at(-1)).toMatchObject({ type: "join", ticket: "t" });
  const asked = requests.length;
  await vi.advanceTimersByTimeAsync(5_000);
  expect(requests).toHaveLength(asked);
});

test("tries sockets rarely while HTTP works", async () => {
  await refuseSockets();
  const before = FakeSocket.all.length;
  FakeSocket.last.drop();
  await vi.advanceTimersByTimeAsync(49_000);
  expect(FakeSocket.all.length - before).toBeLessThanOrEqual(1);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(FakeSocket.all.length).toBeGreaterThan(before);
});

test("reports a blocked network and respects Retry-After", async () => {
  answers["POST /queue/join"] = () => refusal(503, "UNAVAILABLE", { "Retry-After": "30" });
  await refuseSockets();
  expect(last()).toEqual({ state: "reconnecting", in_ms: 30_500 });
  const joins = () => requests.filter((route) => route === "POST /queue/join").length;
  await vi.advanceTimersByTimeAsync(29_000);
  expect(joins()).toBe(1);
  await vi.advanceTimersByTimeAsync(3_000);
  expect(joins()).toBe(2);
});

test("answers leave and reserve, reports refusals, stops after a bad token", async () => {
  await refuseSockets();
  transport.send({ type: "leave", event_id });
  await vi.advanceTimersByTimeAsync(10);
  expect(heard.at(-1)).toMatchObject({ type: "error", code: "NOT_IN_QUEUE", ref: event_id });
  answers["DELETE /queue/leave"] = () => ({ body: {} });
  transport.send({ type: "leave", event_id });
  await vi.advanceTimersByTimeAsync(10);
  expect(heard.at(-1)).toEqual({ type: "left", event_id });
  transport.send({ type: "reserve", event_id, show_id: "s", zone_id: "z", quantity: 1, idempotency_key: "k" });
  await vi.advanceTimersByTimeAsync(10);
  expect(heard.at(-1)).toMatchObject({ type: "error", ref: "k" });
  answers["POST /queue/join"] = () => refusal(401, "UNAUTHORIZED");
  transport.send({ type: "join", event_id });
  await vi.advanceTimersByTimeAsync(10);
  expect(last()).toMatchObject({ state: "refused", code: 4500 });
});
