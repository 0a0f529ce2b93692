// The state below the views: what ends a wait, what does not, and actions at any time.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Client, createClient } from "./client";
import { FakeSocket, FakeStore } from "./fake-socket";
import { type FollowedRoom, type RoomState, followRoom } from "./room-state";

const event_id = "0197a4b2-5c1e-7d3a-9f00-2b8c6d4e1a01";
const token = `h.${btoa(JSON.stringify({ sub: "alice", exp: 4e9 }))}.s`;
const queued = { type: "queued", event_id, ticket: "ticket-1", position: 3, total_in_queue: 9, estimated_wait_seconds: 5 } as const;
const pass = { type: "pass", event_id, pass_id: "p", queue_pass: "jwt", expires_at: "2096-01-01T00:00:00Z" } as const;

let client: Client;
let followed: FollowedRoom;
let state: RoomState;
let answer: (response: Response) => void;

const settle = () => vi.advanceTimersByTimeAsync(0);
const sent = () => FakeSocket.last.sent.slice(1);

function follow(options = {}): void {
  followed = followRoom(event_id.toUpperCase(), { client, ...options }, (changed) => (state = changed));
}

async function inLine(): Promise<void> {
  follow({ token });
  await settle();
  FakeSocket.last.accept().deliver(queued);
}

beforeEach(() => {
  vi.useFakeTimers();
  FakeSocket.all = [];
  const fetch = () => new Promise<Response>((resolve) => (answer = resolve));
  const WebSocket = FakeSocket as never;
  client = createClient({ origin: "http://stanchion", store: new FakeStore(), fetch, WebSocket, browser: {}, random: () => 0.5 });
});
afterEach(() => {
  followed.close();
  client.close();
  vi.useRealTimers();
});

test("follows position, pass, sale and a revoked pass", async () => {
  await inLine();
  expect(state).toMatchObject({ stage: "waiting", position: { position: 3 }, connection: { state: "connected" } });
  FakeSocket.last.deliver(pass);
  expect(state).toMatchObject({ stage: "turn", pass: { queue_pass: "jwt" } });
  FakeSocket.last.deliver({ type: "event", event_id, state: "paused", message: "Soon." });
  expect(state.sale).toMatchObject({ state: "paused", message: "Soon." });
  FakeSocket.last.deliver({ type: "error", code: "PASS_REVOKED", message: "Unclaimed.", ref: "p" });
  FakeSocket.last.deliver(queued);
  expect([state.stage, state.pass]).toEqual(["waiting", undefined]);
});

test("says nothing of another event", async () => {
  await inLine();
  const before = state;
  FakeSocket.last.deliver({ ...queued, event_id: "another" });
  FakeSocket.last.deliver({ type: "left", event_id: "another" });
  FakeSocket.last.deliver({ type: "event", event_id: "another", state: "closed" });
  expect(state).toBe(before);
});

test.each([
  ["a final refusal", () => FakeSocket.last.deliver({ type: "error", code: "QUEUE_CLOSED", message: "Over.", ref: event_id }), "refused"],
  ["a refused connection", () => FakeSocket.last.drop(4500), "refused"],
  ["leaving in another tab", () => FakeSocket.last.deliver({ type: "left", event_id }), "left"],
  ["leaving", () => followed.leave(), "left"],
  ["a used pass", () => followed.finish(), "left"],
])("%s ends the wait", async (_, act, stage) => {
  await inLine();
  act();
  expect([state.stage, state.position, state.pass]).toEqual([stage, undefined, undefined]);
});

test("requests a pass that does not come at position 0", async () => {
  await inLine();
  FakeSocket.last.deliver({ type: "position", event_id, position: 0, total_in_queue: 9, estimated_wait_seconds: 0 });
  await vi.advanceTimersByTimeAsync(2_000);
  expect(sent().filter(({ type }) => type === "join")).toHaveLength(2);
  FakeSocket.last.deliver(pass);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(sent().filter(({ type }) => type === "join")).toHaveLength(2);
});

test("keeps preferences until there is an identity", async () => {
  follow();
  const wish = [{ zone_id: "z", quantity: 2 }];
  await settle();
  followed.prefer(wish);
  expect(FakeSocket.all, "no connection without an identity").toEqual([]);
  answer(Response.json({ token: "t", user_id: "guest-1", expires_at: "2096-01-01T00:00:00Z" }, { status: 201 }));
  await settle();
  FakeSocket.last.accept(10_000, "guest-1");
  expect(sent()).toEqual([{ type: "join", event_id, wish }]);
});

test.each([
  ["left", () => followed.leave()],
  ["closed", () => followed.close()],
])("does not join if it was %s meanwhile", async (_, act) => {
  follow();
  await settle();
  act();
  expect(client.transport.current).toEqual({ state: "idle" });
  answer(Response.json({ token: "t", user_id: "guest-1", expires_at: "2096-01-01T00:00:00Z" }, { status: 201 }));
  await vi.advanceTimersByTimeAsync(10_000);
  expect(FakeSocket.all).toEqual([]);
});

test("leaves a shared client open", async () => {
  await inLine();
  followed.close();
  expect(client.transport.current.state).toBe("connected");
  expect(client.places.find("alice", event_id)?.ticket).toBe("ticket-1");
});
