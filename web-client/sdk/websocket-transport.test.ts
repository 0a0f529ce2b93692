// Reconnects with growing, jittered delays, close codes, and detection of dead sockets.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { backoffMs } from "./backoff";
import { WebSocketTransport } from "./websocket-transport";
import { FakeSocket } from "./fake-socket";
import type { ConnectionState } from "./transport";

let random = 0.5;
let states: ConnectionState[];
let connection: WebSocketTransport;

beforeEach(() => {
  vi.useFakeTimers();
  FakeSocket.all = [];
  random = 0.5;
  states = [];
  connection = new WebSocketTransport({
    url: "ws://stanchion/api/v1/ws",
    token: () => "token",
    WebSocket: FakeSocket as unknown as new () => WebSocket,
    random: () => random,
  });
  connection.on("state", (state) => states.push(state));
  connection.open();
});

afterEach(() => {
  connection.close();
  vi.useRealTimers();
});

test("uses the subprotocol and sends the token first", () => {
  FakeSocket.last.accept();
  expect(FakeSocket.last.protocol).toBe("stanchion.v1");
  expect(FakeSocket.last.sent).toEqual([{ type: "connect", token: "token" }]);
  expect(states.map(({ state }) => state)).toEqual(["connecting", "connected"]);
});

test("sends nothing before the handshake is complete", () => {
  FakeSocket.last.onopen?.();
  expect(connection.send({ type: "ping" })).toBe(false);
  expect(FakeSocket.last.sent).toHaveLength(1);
});

test("backs off with full jitter up to a limit", () => {
  const delays: number[] = [];
  for (let loss = 0; loss < 7; loss++) {
    FakeSocket.last.drop();
    const state = connection.current;
    if (state.state !== "reconnecting") throw new Error(state.state);
    delays.push(state.in_ms);
    vi.advanceTimersByTime(state.in_ms - 1);
    expect(FakeSocket.all).toHaveLength(loss + 1);
    vi.advanceTimersByTime(1);
    expect(FakeSocket.all).toHaveLength(loss + 2);
  }
  expect(delays).toEqual([500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
  expect(backoffMs(3, 0)).toBe(0);
  expect(backoffMs(3, 0.999)).toBe(7_992);
});

test("resets the backoff once a socket is stable", () => {
  const lose = () => {
    FakeSocket.last.drop();
    const state = connection.current;
    if (state.state !== "reconnecting") throw new Error(state.state);
    vi.advanceTimersByTime(state.in_ms);
    return state.in_ms;
  };
  FakeSocket.last.accept();
  expect(lose()).toBe(500);
  FakeSocket.last.accept();
  expect(lose()).toBe(1_000);
  FakeSocket.last.accept();
  vi.advanceTimersByTime(10_000);
  expect(lose()).toBe(500);
});

test.each([1000, 1001, 1006, 1011, 4001, 4008, 4012, 4029, 4499])("reconnects after %i", (code) => {
  FakeSocket.last.accept().drop(code);
  vi.advanceTimersByTime(500);
  expect(FakeSocket.all).toHaveLength(2);
});

test.each([4500, 4501, 4502, 4505, 4999])("does not reconnect after %i", (code) => {
  FakeSocket.last.accept().drop(code);
  vi.advanceTimersByTime(3_600_000);
  expect(FakeSocket.all).toHaveLength(1);
  expect(connection.current).toEqual({ state: "refused", code, reason: "" });
});

test("a socket is dead after 2.5 heartbeats without any message", () => {
  FakeSocket.last.accept(10_000);
  vi.advanceTimersByTime(24_000);
  FakeSocket.last.deliver({ type: "heartbeat" });
  vi.advanceTimersByTime(24_000);
  FakeSocket.last.deliverRaw('{"type":"not-known-here"}');
  vi.advanceTimersByTime(24_999);
  expect(connection.current.state).toBe("connected");
  vi.advanceTimersByTime(1);
  expect(connection.current.state).toBe("reconnecting");
  expect(FakeSocket.all[0]!.closedWith).toBe(4412);
  vi.advanceTimersByTime(500);
  expect(FakeSocket.all).toHaveLength(2);
});

test("limits the duration of a handshake", () => {
  FakeSocket.last.onopen?.();
  vi.advanceTimersByTime(10_000);
  expect(connection.current.state).toBe("reconnecting");
});

test("a probe replaces a dead socket soon and keeps a live one", () => {
  FakeSocket.last.accept(60_000);
  connection.probe();
  expect(FakeSocket.last.sent.at(-1)).toEqual({ type: "ping" });
  FakeSocket.last.deliver({ type: "heartbeat" });
  vi.advanceTimersByTime(5_000);
  expect(connection.current.state).toBe("connected");
  connection.probe();
  vi.advanceTimersByTime(4_000);
  expect(connection.current.state).toBe("reconnecting");
  connection.probe();
  expect(FakeSocket.all).toHaveLength(2);
});

test("leaves a draining node after the given time plus jitter", () => {
  FakeSocket.last.accept();
  FakeSocket.last.deliver({ type: "reconnect", after_ms: 2_000 });
  expect(connection.current.state).toBe("connected");
  vi.advanceTimersByTime(1_000);
  FakeSocket.last.drop(4001);
  expect(connection.current).toEqual({ state: "reconnecting", in_ms: 1_500 });
  vi.advanceTimersByTime(1_500);
  FakeSocket.last.accept();
  vi.advanceTimersByTime(10_000);
  FakeSocket.last.deliver({ type: "reconnect", after_ms: 0 });
  vi.advanceTimersByTime(501);
  expect(FakeSocket.all).toHaveLength(3);
  expect(FakeSocket.all[1]!.closedWith).toBe(1000);
});

test("ignores a malformed message", () => {
  const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
  FakeSocket.last.accept();
  for (const broken of ["{", "", "null", "7", "[]", '{"type":7}', '{"type":"toString"}']) FakeSocket.last.deliverRaw(broken);
  expect(warn).toHaveBeenCalledTimes(2);
  expect(connection.current.state).toBe("connected");
  warn.mockRestore();
});

test("a closed connection stays closed", () => {
  FakeSocket.last.accept();
  connection.close();
  vi.advanceTimersByTime(3_600_000);
  expect(FakeSocket.all).toHaveLength(1);
  expect(FakeSocket.last.closedWith).toBe(1000);
});

test("reconnects with the current token after the socket's token expired", () => {
  const expired = { type: "error", code: "TOKEN_EXPIRED", message: "over" } as const;
  FakeSocket.last.accept();
  FakeSocket.last.deliver({ ...expired, ref: "an event" });
  expect(connection.current.state).toBe("reconnecting");
  vi.advanceTimersByTime(500);
  expect(FakeSocket.all).toHaveLength(2);
  FakeSocket.last.onopen?.();
  FakeSocket.last.deliver(expired);
  FakeSocket.last.drop(4500);
  expect(connection.current).toMatchObject({ state: "refused", code: 4500 });
});
