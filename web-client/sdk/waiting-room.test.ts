// A user's place: kept across reconnects and reloads, passes acknowledged, positions never rising.
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { WebSocketTransport } from "./websocket-transport";
import wireReserved from "../../tests/wire/server.reserved.json";
import { FakeSocket, FakeStore } from "./fake-socket";
import type { ServerMessage } from "./messages";
import { PlaceStore } from "./place-store";
import { type Position, WaitingRoom } from "./waiting-room";

const event_id = "0197a4b2-5c1e-7d3a-9f00-2b8c6d4e1a01";
const shown: Position[] = [];
let store: FakeStore;
let connection: WebSocketTransport;
let room: WaitingRoom;

/** A page load: new objects on the same store. */
function load(): void {
  connection?.close();
  shown.length = 0;
  connection = new WebSocketTransport({
    url: "ws://stanchion/api/v1/ws",
    token: () => "token",
    WebSocket: FakeSocket as unknown as new () => WebSocket,
    random: () => 0.5,
  });
  room = new WaitingRoom(connection, new PlaceStore(store), () => 0.5);
  room.on("position", (position) => shown.push(position));
}

function queued(position: number, ticket = "ticket-1"): void {
  FakeSocket.last.deliver({
    type: "queued",
    event_id,
    ticket,
    position,
    total_in_queue: 100,
    estimated_wait_seconds: position,
  });
}

function moved(position: number): void {
  FakeSocket.last.deliver({ type: "position", event_id, position, total_in_queue: 100, estimated_wait_seconds: 1 });
}

function reconnect(): FakeSocket {
  FakeSocket.last.drop();
  vi.advanceTimersByTime(20_000);
  return FakeSocket.last.accept();
}

const joins = () => FakeSocket.last.sent.filter(({ type }) => type === "join");
const positions = () => shown.map(({ position }) => position);

beforeEach(() => {
  vi.useFakeTimers();
  FakeSocket.all = [];
  store = new FakeStore();
  load();
});

afterEach(() => {
  connection.close();
  vi.useRealTimers();
});

test("joins once connected, with preferences and without a ticket", () => {
  const wish = [{ zone_id: "z", quantity: 2 }];
  room.join(event_id, wish);
  expect(FakeSocket.last.sent).toEqual([]);
  FakeSocket.last.accept();
  expect(joins()).toEqual([{ type: "join", event_id, wish }]);
});

describe("the ticket", () => {
  test("is sent again after a lost connection", () => {
    room.join(event_id);
    FakeSocket.last.accept();
    queued(40);
    reconnect();
    expect(joins()).toEqual([{ type: "join", event_id, ticket: "ticket-1", position: 40 }]);
  });

  test("is sent again after a reload", () => {
    room.join(event_id);
    FakeSocket.last.accept();
    queued(40);
    load();
    room.join(event_id);
    FakeSocket.last.accept();
    expect(joins()).toEqual([{ type: "join", event_id, ticket: "ticket-1", position: 40 }]);
  });

  test("is not sent for another user", () => {
    room.join(event_id);
    FakeSocket.last.accept();
    queued(40);
    load();
    room.join(event_id);
    FakeSocket.last.accept(10_000, "bob");
    expect(joins()).toEqual([{ type: "join", event_id }]);
  });

  test("is deleted by a leave, also while offline", () => {
    room.join(event_id);
    FakeSocket.last.accept();
    queued(40);
    FakeSocket.last.drop();
    room.leave(event_id);
    expect(store.content.size).toBe(0);
    vi.advanceTimersByTime(20_000);
    FakeSocket.last.accept();
    expect(FakeSocket.last.sent.slice(1)).toEqual([{ type: "leave", event_id }]);
  });
});

test("the answer to a leave does not end a later join", () => {
  const left = vi.fn();
  room.on("left", left);
  room.join(event_id);
  FakeSocket.last.accept();
  queued(40);
  room.leave(event_id);
  room.join(event_id);
  FakeSocket.last.deliver({ type: "left", event_id });
  expect(left).not.toHaveBeenCalled();
  queued(100, "ticket-2");
  expect(shown.at(-1)!.position).toBe(100);
  FakeSocket.last.deliver({ type: "left", event_id });
  expect(left).toHaveBeenCalledOnce();
});

describe("after a loss of the queue", () => {
  const ticket = (num: number, epoch: string) => `h.${btoa(JSON.stringify({ num, epoch })).replaceAll("=", "")}.s`;

  test("a new ticket with the same number keeps the position", () => {
    room.join(event_id);
    FakeSocket.last.accept();
    queued(40, ticket(41, "one"));
    reconnect();
    queued(45, ticket(41, "two"));
    expect(positions()).toEqual([40, 40]);
    reconnect();
    expect(joins()).toEqual([{ type: "join", event_id, ticket: ticket(41, "two"), position: 40 }]);
  });

  test("another number starts with its own position", () => {
    room.join(event_id);
    FakeSocket.last.accept();
    queued(40, ticket(41, "one"));
    queued(90, ticket(1_000_102, "two"));
    expect(positions()).toEqual([40, 90]);
  });
});

describe("the position", () => {
  beforeEach(() => {
    room.join(event_id);
    FakeSocket.last.accept();
    queued(40);
  });

  test("never rises by a message, a reconnect or a reload", () => {
    for (const position of [38, 39, 37]) moved(position);
    reconnect();
    queued(45);
    expect(positions()).toEqual([40, 38, 38, 37, 37]);
    load();
    room.join(event_id);
    FakeSocket.last.accept();
    queued(45);
    moved(36);
    expect(positions()).toEqual([37, 36]);
    expect(shown.at(-1)!.first).toBe(40);
  });

  test("is reset by another place", () => {
    queued(90, "ticket-2");
    expect(positions()).toEqual([40, 90]);
    expect(shown.at(-1)!.first).toBe(90);
  });

  test("is not reported after a leave", () => {
    room.leave(event_id);
    moved(3);
    expect(positions()).toEqual([40]);
  });
});

test("acknowledges each delivery of a pass and reports it once", () => {
  const passes = vi.fn();
  room.on("pass", passes);
  room.join(event_id);
  FakeSocket.last.accept();
  const pass = { event_id, pass_id: "p1", queue_pass: "jwt", expires_at: "2026-06-01T18:05:00Z" };
  FakeSocket.last.deliver({ type: "pass", ...pass });
  FakeSocket.last.deliver({ type: "pass", ...pass });
  expect(FakeSocket.last.sent.filter(({ type }) => type === "ack")).toEqual([
    { type: "ack", pass_id: "p1" },
    { type: "ack", pass_id: "p1" },
  ]);
  reconnect().deliver({ type: "pass", ...pass });
  expect(FakeSocket.last.sent.at(-1)).toEqual({ type: "ack", pass_id: "p1" });
  expect(passes).toHaveBeenCalledOnce();
});

test("reports an extended pass again", () => {
  const passes = vi.fn();
  room.on("pass", passes);
  room.join(event_id);
  FakeSocket.last.accept();
  const pass = { event_id, pass_id: "p1", queue_pass: "jwt", expires_at: "2026-06-01T18:05:00Z" };
  const later = { ...pass, queue_pass: "jwt-2", expires_at: "2026-06-01T18:09:00Z" };
  for (const delivered of [pass, later, later]) FakeSocket.last.deliver({ type: "pass", ...delivered });
  expect(passes.mock.calls.map(([delivered]) => delivered.expires_at)).toEqual([pass.expires_at, later.expires_at]);
});

test("joins with the ticket after a pass was revoked", () => {
  const passes = vi.fn();
  room.on("pass", passes);
  room.join(event_id);
  FakeSocket.last.accept();
  queued(1);
  const pass = { event_id, pass_id: "p1", queue_pass: "jwt", expires_at: "2026-06-01T18:05:00Z" };
  for (const ref of [event_id, "p1"]) {
    FakeSocket.last.deliver({ type: "pass", ...pass });
    FakeSocket.last.deliver({ type: "error", code: "PASS_REVOKED", message: "Unclaimed.", ref });
    vi.advanceTimersByTime(20_000);
    FakeSocket.last.deliver({ type: "heartbeat" });
    expect(FakeSocket.last.sent.at(-1)).toEqual({ type: "join", event_id, ticket: "ticket-1", position: 1 });
  }
  expect(passes).toHaveBeenCalledTimes(2);
});

test("stores a place for a pass without a ticket", () => {
  room.join(event_id);
  FakeSocket.last.accept();
  FakeSocket.last.deliver({ type: "pass", event_id, pass_id: "p", queue_pass: "jwt", expires_at: "2026-06-01T18:05:00Z" });
  expect(new PlaceStore(store).find("alice", event_id)).toEqual({});
});

test("retries after a temporary refusal but not after a final one", () => {
  const errors = vi.fn();
  room.on("error", errors);
  room.join(event_id);
  FakeSocket.last.accept();
  FakeSocket.last.deliver({ type: "error", code: "UNAVAILABLE", message: "Busy.", ref: event_id });
  expect(errors).toHaveBeenLastCalledWith(expect.objectContaining({ then: "retrying" }));
  vi.advanceTimersByTime(500);
  expect(joins()).toHaveLength(2);
  FakeSocket.last.deliver({ type: "error", code: "QUEUE_CLOSED", message: "Closed.", ref: event_id });
  expect(errors).toHaveBeenLastCalledWith(expect.objectContaining({ then: "gone" }));
  reconnect();
  expect(joins()).toEqual([]);
});

test("joins with the ticket on a new socket after the token expired", () => {
  const errors = vi.fn();
  room.on("error", errors);
  room.join(event_id);
  FakeSocket.last.accept();
  FakeSocket.last.deliver({ type: "queued", event_id, ticket: "ticket-1", position: 3, total_in_queue: 9, estimated_wait_seconds: 5 });
  room.join(event_id, []);
  FakeSocket.last.deliver({ type: "error", code: "TOKEN_EXPIRED", message: "Over.", ref: event_id });
  expect(errors).toHaveBeenLastCalledWith(expect.objectContaining({ then: "retrying" }));
  vi.advanceTimersByTime(1_000);
  FakeSocket.last.accept();
  expect(FakeSocket.all.length).toBe(2);
  expect(FakeSocket.last.sent.at(-1)).toMatchObject({ type: "join", event_id, ticket: "ticket-1" });
});

test("reserves over the socket and matches the answer by reference", () => {
  const reserved = vi.fn();
  room.on("reserved", reserved);
  const order = { event_id, show_id: "s", zone_id: "z", quantity: 1, idempotency_key: "k" };
  expect(room.reserve(order)).toBe(false);
  room.join(event_id);
  FakeSocket.last.accept();
  expect(room.reserve(order)).toBe(true);
  expect(FakeSocket.last.sent.at(-1)).toEqual({ type: "reserve", ...order });
  FakeSocket.last.deliver({ ...(wireReserved as ServerMessage & { type: "reserved" }), ref: "k" });
  expect(reserved).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ ref: "k", status: "reserved" }));
});
