// The journey with a scripted server: identities, reloads, refusals, and passes and holds that expire.
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import withHold from "../../../tests/wire/server.pass.with-hold.json";
import { WebSocketTransport } from "../../sdk/websocket-transport";
import { Identities, identityFromToken } from "../../sdk/identities";
import { PlaceStore } from "../../sdk/place-store";
import { Rest } from "../../sdk/rest";
import { Shop } from "@stanchion/client/shop";
import { WaitingRoom } from "../../sdk/waiting-room";
import { FakeSocket, FakeStore } from "../../sdk/fake-socket";
import type { ServerMessages } from "../../sdk/messages";
import { Journey } from "./journey";
import { BookingStore } from "./booking-store";

const held = withHold.hold;
const { event_id, show_id, zone_id } = held;
const order = { show_id, zone_id, quantity: 2 };
const token = `header.${btoa(JSON.stringify({ sub: "alice", exp: 4e9 }))}.signature`;
const user = { token, user_id: "alice", expires_at: "2096-01-01T00:00:00Z" };

const event = {
  ...{ event_id, name: "Night", state: "open", currency: "EUR", currency_digits: 2, max_seats_per_user: 4, hold_seconds: 300 },
  shows: [],
};

type Answer = { status?: number; body: unknown } | "none";
let answers: Record<string, Answer>;
let requests: { route: string; headers: Record<string, string> }[];
let store: FakeStore;
let connection: WebSocketTransport;
let news: string[];
let paysElsewhere: boolean;
let journey: Journey;

const refusal = (status: number, code: string): Answer => ({ status, body: { type: "urn:stanchion:problem:x", status, code, detail: `${code} in words.` } });

async function answer(url: string | URL | Request, request?: RequestInit): Promise<Response> {
  const route = `${request?.method} ${new URL(String(url)).pathname.replace("/api/v1", "")}`;
  requests.push({ route, headers: request?.headers as Record<string, string> });
  const given = answers[route] ?? refusal(404, "NOT_FOUND");
  if (given === "none") throw new TypeError("network");
  return Response.json(given.body, { status: given.status ?? 200 });
}

/** A page load. */
async function load(): Promise<void> {
  connection?.close();
  const identities = new Identities(store);
  const current = () => identities.current()?.token;
  const rest = new Rest({ base: "http://stanchion/api/v1", token: current, fetch: answer });
  const WebSocket = FakeSocket as unknown as new () => WebSocket;
  connection = new WebSocketTransport({ url: "ws://stanchion", token: () => current() ?? "", WebSocket });
  const places = new PlaceStore(store);
  const room = new WaitingRoom(connection, places);
  const signIn = (given: string) => {
    const identity = identityFromToken(given.trim());
    return identity && identities.keep(identity);
  };
  const guest = async () => {
    const identity = identities.current() ?? (await rest.guest());
    return identity && identities.keep(identity);
  };
  const tabs = {
    bookings: new BookingStore(store),
    storage: { keys: () => [...store.content.keys()], isMemoryOnly: false },
    news: { send: (bookingId: string) => void news.push(bookingId) },
    payments: { acquire: async () => !paysElsewhere, release: () => {} },
  };
  const deps = { rest, shop: new Shop(rest), transport: connection, room, identities, places, signIn, guest, ...tabs };
  journey = new Journey(deps, () => {});
  await journey.start({ page: "event", eventId: event_id });
}

async function inLine(): Promise<void> {
  await journey.join();
  FakeSocket.last.accept();
  const line = { position: 3, total_in_queue: 9, estimated_wait_seconds: 5 };
  FakeSocket.last.deliver({ type: "queued", event_id, ticket: "ticket-1", ...line });
}

async function withPass(): Promise<void> {
  await inLine();
  FakeSocket.last.deliver({ type: "pass", event_id, pass_id: "p", queue_pass: "jwt", expires_at: "2096-01-01T00:00:00Z" });
}

const at = () => journey.state.stage.at;
const keys = () => requests.filter(({ route }) => route.endsWith("/reserve")).map(({ headers }) => headers["Idempotency-Key"]);

beforeEach(async () => {
  vi.useFakeTimers();
  FakeSocket.all = [];
  requests = [];
  store = new FakeStore();
  news = [];
  paysElsewhere = false;
  answers = {
    [`GET /events/${event_id}`]: { body: event },
    "POST /guest": { status: 201, body: user },
    "GET /bookings/pending": { body: { bookings: [] } },
  };
  await load();
});

afterEach(() => {
  connection.close();
  vi.useRealTimers();
});

describe("a server that does not answer during the load", () => {
  test.each<[string, Answer]>([
    ["without an answer", "none"],
    ["with too many requests", refusal(429, "RATE_LIMITED")],
    ["unavailable", refusal(503, "UNAVAILABLE")],
  ])("is asked again at each refresh: %s", async (_, refused) => {
    const event = answers[`GET /events/${event_id}`]!;
    answers[`GET /events/${event_id}`] = refused;
    await load();
    expect([at(), journey.state.unreachable]).toEqual(["starting", true]);
    await journey.refresh();
    expect([at(), journey.state.unreachable]).toEqual(["starting", true]);
    answers[`GET /events/${event_id}`] = event;
    await journey.refresh();
    expect([at(), journey.state.unreachable]).toEqual(["event", false]);
  });

  test("never leads a user with a ticket to the door", async () => {
    await inLine();
    const event = answers[`GET /events/${event_id}`]!;
    answers[`GET /events/${event_id}`] = refusal(429, "RATE_LIMITED");
    await load();
    expect(at()).toBe("waiting");
    FakeSocket.last.accept();
    expect(FakeSocket.last.sent.at(-1)).toMatchObject({ type: "join", ticket: "ticket-1" });
    await expect(journey.refresh()).rejects.toThrow();
    expect([at(), journey.state.event]).toEqual(["waiting", undefined]);
    answers[`GET /events/${event_id}`] = event;
    await journey.refresh();
    expect([at(), journey.state.event?.name, journey.state.unreachable]).toEqual(["waiting", "Night", false]);
  });

  test("shows a held booking that it learns of while waiting", async () => {
    await inLine();
    const event = answers[`GET /events/${event_id}`]!;
    answers[`GET /events/${event_id}`] = "none";
    await load();
    Object.assign(answers, { [`GET /events/${event_id}`]: event, "GET /bookings/pending": { body: { bookings: [held] } } });
    await journey.refresh();
    expect(journey.state.stage).toMatchObject({ at: "booking", booking: { booking_id: held.booking_id } });
  });

  test("is reported after two refreshes without an answer", async () => {
    const event = answers[`GET /events/${event_id}`]!;
    answers[`GET /events/${event_id}`] = "none";
    await expect(journey.refresh()).rejects.toThrow();
    expect(journey.state.unreachable).toBe(false);
    await expect(journey.refresh()).rejects.toThrow();
    expect(journey.state.unreachable).toBe(true);
    answers[`GET /events/${event_id}`] = event;
    await journey.refresh();
    expect(journey.state.unreachable).toBe(false);
  });

  test("may refuse later", async () => {
    answers[`GET /events/${event_id}`] = "none";
    await load();
    answers[`GET /events/${event_id}`] = refusal(404, "EVENT_NOT_FOUND");
    await journey.refresh();
    expect([at(), journey.state.unreachable]).toEqual(["missing", false]);
  });
});

describe("a join among too many", () => {
  test("is repeated until there is a decision, and nobody is blamed", async () => {
    answers["POST /guest"] = { status: 429, body: { type: "urn:stanchion:problem:x", status: 429, code: "RATE_LIMITED", detail: "", retry_after: 1 } };
    const joined = journey.join();
    await vi.advanceTimersByTimeAsync(3_000);
    expect([at(), journey.state.crowded, journey.state.busy, journey.state.error]).toEqual(["event", true, true, undefined]);
    answers["POST /guest"] = { status: 201, body: user };
    await vi.advanceTimersByTimeAsync(20_000);
    await joined;
    expect([at(), journey.state.crowded, journey.state.busy]).toEqual(["waiting", false, false]);
    expect(requests.filter(({ route }) => route === "POST /guest").length).toBeGreaterThan(2);
  });

  test("ends with a refusal that decides", async () => {
    answers["POST /guest"] = refusal(400, "INVALID_REQUEST");
    await journey.join();
    expect([at(), journey.state.error?.code]).toEqual(["event", "INVALID_REQUEST"]);
  });

  test("goes on in the waiting room without an error until the place is known", async () => {
    await journey.join();
    FakeSocket.last.accept();
    FakeSocket.last.deliver({ type: "error", code: "RATE_LIMITED", message: "too many", ref: event_id });
    expect([at(), journey.state.crowded, journey.state.error]).toEqual(["waiting", true, undefined]);
    FakeSocket.last.deliver({ type: "queued", event_id, ticket: "ticket-1", position: 3, total_in_queue: 9, estimated_wait_seconds: 5 });
    expect([at(), journey.state.crowded]).toEqual(["waiting", false]);
  });
});

describe("a place in the queue of another event", () => {
  const other = "d0000000-0000-0001-0000-0000000000ff";
  const place = { event_id: other, user_id: "alice", ticket: "ticket-2", position: 7, total_in_queue: 9, estimated_wait_seconds: 5, is_ready: false };

  beforeEach(async () => {
    new Identities(store).keep(user);
    new PlaceStore(store).keep("alice", other, { ticket: "ticket-2" });
    new PlaceStore(store).keep("bob", "d0000000-0000-0001-0000-0000000000fe", { ticket: "ticket-3" });
    answers[`GET /events/${other}`] = { body: { ...event, event_id: other, name: "Northern Lights" } };
    answers[`GET /queue/position/${other}`] = { body: place };
    await load();
  });

  test("is known on every page, with its number, and then with its turn", async () => {
    expect(journey.state.others).toEqual([{ eventId: other, name: "Northern Lights", position: 7 }]);
    const until = "2096-01-01T00:00:00Z";
    answers[`GET /queue/position/${other}`] = { body: { ...place, position: 0, is_ready: true, queue_pass: "jwt", pass_id: "p", queue_pass_expires_at: until } };
    await journey.refresh();
    expect(journey.state.others).toEqual([{ eventId: other, name: "Northern Lights", position: 0, passUntil: until }]);
    answers[`GET /queue/position/${other}`] = "none";
    await journey.refresh();
    expect(journey.state.others).toHaveLength(1);
    answers[`GET /queue/position/${other}`] = refusal(404, "NOT_IN_QUEUE");
    await journey.refresh();
    expect(journey.state.others).toEqual([]);
  });

  test("of another user is not asked for", () => {
    expect(requests.filter(({ route }) => route.startsWith("GET /queue/position")).map(({ route }) => route)).toEqual([`GET /queue/position/${other}`]);
  });
});

describe("identity", () => {
  test("of a guest is requested once, at the join", async () => {
    expect(requests.map(({ route }) => route)).toEqual([`GET /events/${event_id}`]);
    await inLine();
    await load();
    expect(at()).toBe("waiting");
    expect(requests.filter(({ route }) => route === "POST /guest")).toHaveLength(1);
  });

  test("is a token if guests are not admitted", async () => {
    delete answers["POST /guest"];
    await journey.join();
    expect(at()).toBe("signIn");
    await journey.signIn("not a token");
    expect(journey.state.error).toEqual({ code: "NOT_A_TOKEN" });
    await journey.signIn(` ${token}\n`);
    expect(at()).toBe("waiting");
  });

  test("is deleted after the server refused it", async () => {
    await inLine();
    FakeSocket.last.drop(4500);
    expect(at()).toBe("event");
    expect(journey.state.error).toEqual({ code: "UNAUTHORIZED" });
    expect(store.content.size).toBe(0);
  });
});

describe("a reservation", () => {
  test("sends the pass and ends the wait", async () => {
    await withPass();
    answers["POST /bookings/reserve"] = { status: 201, body: held };
    await journey.purchase.reserve(order);
    expect(at()).toBe("booking");
    expect(requests.find(({ route }) => route.endsWith("/reserve"))!.headers["X-Queue-Pass"]).toBe("jwt");
    expect(new PlaceStore(store).find("alice", event_id)).toBeUndefined();
    expect(connection.current.state).toBe("idle");
  });

  test("keeps its key while undecided and gets a new one after a refusal", async () => {
    await withPass();
    for (const outcome of ["none", refusal(503, "UNAVAILABLE"), refusal(409, "INSUFFICIENT_SEATS"), "none"] as Answer[]) {
      answers["POST /bookings/reserve"] = outcome;
      await journey.purchase.reserve(order);
      expect(at()).toBe("shopping");
      expect(journey.state.error).toBeDefined();
    }
    const [first, second, third, fourth] = keys();
    expect([second, third]).toEqual([first, first]);
    expect(fourth).not.toBe(first);
  });

  test("with a revoked pass joins the queue again with the ticket", async () => {
    await withPass();
    answers["POST /bookings/reserve"] = refusal(403, "PASS_REVOKED");
    await journey.purchase.reserve(order);
    expect(at()).toBe("waiting");
    expect(FakeSocket.last.sent.at(-1)).toEqual({ type: "join", event_id, ticket: "ticket-1", position: 3 });
    expect(journey.state.error?.detail).toBe("PASS_REVOKED in words.");
  });

  test("with a pass used in another tab shows that booking", async () => {
    await withPass();
    answers["POST /bookings/reserve"] = refusal(409, "PASS_USED");
    answers["GET /bookings/pending"] = { body: { bookings: [held] } };
    await journey.purchase.reserve(order);
    await vi.waitFor(() => expect(at()).toBe("booking"));
  });

  test("may come with the pass", async () => {
    await inLine();
    FakeSocket.last.deliver(withHold as ServerMessages["pass"]);
    expect(at()).toBe("booking");
  });

  test.each([["while waiting", inLine], ["while choosing", withPass]])("may come after the pass, %s", async (_, before) => {
    await before();
    const late = { type: "reserved", ...held, ref: "wish-p" } as ServerMessages["reserved"];
    FakeSocket.last.deliver({ ...late, event_id: show_id });
    expect(at()).not.toBe("booking");
    FakeSocket.last.deliver(late);
    expect(journey.state.stage).toMatchObject({ at: "booking", booking: held });
    expect(new PlaceStore(store).find("alice", event_id)).toBeUndefined();
  });
});

describe("a hold", () => {
  const at = (ms: number) => new Date(Date.now() + ms).toISOString();
  const reads = () => requests.filter(({ route }) => route === `GET /bookings/${held.booking_id}`).length;
  const shown = () => (journey.state.stage as { booking: { expires_at: string; status: string } }).booking;

  const heldFor = async (ms: number) => {
    new Identities(store).keep(user);
    answers["GET /bookings/pending"] = { body: { bookings: [{ ...held, expires_at: at(ms) }] } };
    await load();
  };
  const isNow = (change: object) => (answers[`GET /bookings/${held.booking_id}`] = { body: { ...held, ...change } });

  test("shows its extended end without a reload", async () => {
    await heldFor(300_000);
    const later = at(420_000);
    isNow({ expires_at: later });
    await journey.refresh();
    expect(reads(), "it was read just before").toBe(0);
    vi.advanceTimersByTime(31_000);
    await journey.refresh();
    expect([shown().expires_at, reads()]).toEqual([later, 1]);
  });

  test("is read at each refresh in its last minute and after its end", async () => {
    await heldFor(50_000);
    answers[`GET /bookings/${held.booking_id}`] = "none";
    vi.advanceTimersByTime(51_000);
    await expect(journey.refresh()).rejects.toThrow();
    expect([shown().status, journey.state.error]).toEqual(["reserved", undefined]);
    const later = at(90_000);
    isNow({ expires_at: later });
    await journey.refresh();
    expect(shown().expires_at).toBe(later);
  });

  test("that expired is shown with the server's status", async () => {
    await heldFor(1_000);
    isNow({ status: "expired" });
    journey.purchase.onHoldEnded();
    await vi.advanceTimersByTimeAsync(1_500);
    expect(shown().status).toBe("expired");
  });

  test("that is decided during a read stays decided", async () => {
    await heldFor(50_000);
    isNow({});
    const reading = journey.refresh();
    answers[`POST /bookings/${held.booking_id}/confirm`] = { body: { ...held, status: "confirmed" } };
    await Promise.all([journey.purchase.confirm(), reading]);
    expect(shown().status).toBe("confirmed");
    await journey.refresh();
    expect(reads()).toBe(1);
  });
});

describe("a payment", () => {
  const route = `GET /bookings/${held.booking_id}`;
  const status = () => (journey.state.stage as { booking: { status: string } }).booking.status;

  beforeEach(async () => {
    new Identities(store).keep(user);
    answers["GET /bookings/pending"] = { body: { bookings: [held] } };
    await load();
    news = [];
  });

  test("begins only after the booking was read again", async () => {
    answers[route] = { body: held };
    expect(await journey.purchase.beginPayment()).toBe(true);
    answers[route] = "none";
    expect(await journey.purchase.beginPayment()).toBe(false);
    expect(journey.state.error?.code).toBe("NO_ANSWER");
    answers[route] = { body: { ...held, status: "confirmed" } };
    expect(await journey.purchase.beginPayment()).toBe(false);
    expect(status()).toBe("confirmed");
  });

  test("does not begin while another tab pays", async () => {
    answers[route] = { body: held };
    paysElsewhere = true;
    expect(await journey.purchase.beginPayment()).toBe(false);
    expect(journey.state.error).toEqual({ code: "PAYING_ELSEWHERE" });
  });

  test("is reported to other tabs, which read the booking at once", async () => {
    answers[`POST /bookings/${held.booking_id}/confirm`] = { body: { ...held, status: "confirmed" } };
    await journey.purchase.confirm();
    expect(news).toEqual([held.booking_id]);
    await load();
    expect(status()).toBe("reserved");
    answers[route] = { body: { ...held, status: "confirmed" } };
    await journey.onBookingChanged(show_id);
    expect(status(), "another booking").toBe("reserved");
    await journey.onBookingChanged(held.booking_id);
    expect(status()).toBe("confirmed");
  });

  test("is noticed when the visitor turns to the tab", async () => {
    answers[route] = { body: { ...held, status: "confirmed" } };
    await journey.attend();
    expect(status()).toBe("confirmed");
  });
});

describe("a reload", () => {
  const reloadWith = async (status: string, path = `GET /bookings/${held.booking_id}`) => {
    new Identities(store).keep(user);
    new BookingStore(store).keep("alice", event_id, held.booking_id);
    answers[path] = { body: { ...held, status } };
    await load();
  };

  test("shows a hold that is not confirmed", async () => {
    new Identities(store).keep(user);
    answers["GET /bookings/pending"] = { body: { bookings: [held] } };
    await load();
    expect(journey.state.stage).toMatchObject({ at: "booking", booking: { status: "reserved" } });
  });

  test("shows the last booking", async () => {
    await reloadWith("confirmed");
    expect(journey.state.stage).toMatchObject({ at: "booking", booking: { status: "confirmed" } });
  });

  test("ignores a booking that no longer exists", async () => {
    answers[`GET /bookings/${held.booking_id}`] = refusal(404, "BOOKING_NOT_FOUND");
    await reloadWith("confirmed", "GET /elsewhere");
    expect([at(), journey.state.error?.detail]).toEqual(["event", undefined]);
  });
});

test("a page back from the cache notices that another tab left the queue", async () => {
  await inLine();
  await journey.wake();
  expect(at()).toBe("waiting");
  new PlaceStore(store).forget("alice", event_id);
  await journey.wake();
  expect(at()).toBe("event");
  connection.close();
  connection.open();
  FakeSocket.last.accept();
  expect(FakeSocket.last.sent.filter(({ type }) => type === "join"), "it does not join by itself").toEqual([]);
});

describe("a response of an intermediary", () => {
  const portal = { status: 404, body: { message: "no Route matched with those values" } };

  test("during the load is retried until the service responds", async () => {
    await inLine();
    const event = answers[`GET /events/${event_id}`]!;
    for (const route of [`GET /events/${event_id}`, "GET /bookings/pending"]) answers[route] = portal;
    await load();
    expect([at(), journey.state.unreachable]).toEqual(["waiting", true]);
    Object.assign(answers, { [`GET /events/${event_id}`]: event, "GET /bookings/pending": { body: { bookings: [] } } });
    await journey.refresh();
    expect([at(), journey.state.unreachable, journey.state.event?.name]).toEqual(["waiting", false, "Night"]);
  });

  test("to a reservation keeps the pass, the place and the key", async () => {
    await withPass();
    for (const status of [200, 401, 403, 404]) {
      answers["POST /bookings/reserve"] = { ...portal, status };
      await journey.purchase.reserve(order);
      expect([at(), new PlaceStore(store).find("alice", event_id)?.ticket]).toEqual(["shopping", "ticket-1"]);
    }
    answers["POST /bookings/reserve"] = { status: 201, body: held };
    await journey.purchase.reserve(order);
    expect(at()).toBe("booking");
    expect(new Set(keys()).size).toBe(1);
  });

  test("to a confirmation keeps the hold, and a retry confirms it", async () => {
    await withPass();
    answers["POST /bookings/reserve"] = { status: 201, body: held };
    await journey.purchase.reserve(order);
    const route = `POST /bookings/${held.booking_id}/confirm`;
    for (const status of [200, 401, 403, 404]) {
      answers[route] = { ...portal, status };
      await journey.purchase.confirm();
      expect(journey.state.stage).toMatchObject({ at: "booking", booking: { status: "reserved" } });
    }
    answers[route] = { body: { ...held, status: "confirmed" } };
    await journey.purchase.confirm();
    expect(journey.state.stage).toMatchObject({ booking: { status: "confirmed" } });
  });
});

test("joins again if the pass does not arrive at position 0", async () => {
  await inLine();
  FakeSocket.last.deliver({ type: "position", event_id, position: 0, total_in_queue: 9, estimated_wait_seconds: 0 });
  await vi.advanceTimersByTimeAsync(2_000);
  expect(FakeSocket.last.sent.at(-1)).toEqual({ type: "join", event_id, ticket: "ticket-1", position: 0 });
});

test("the end of the sale is told to who was in line", async () => {
  await inLine();
  FakeSocket.last.drop(4505);
  expect([at(), journey.state.endedInLine, journey.state.error]).toEqual(["event", true, undefined]);
});

test("a rebuild of the queue is temporary, an expired pass is final", async () => {
  await inLine();
  FakeSocket.last.deliver({ type: "error", code: "UNAVAILABLE", message: "The line is being rebuilt.", ref: event_id });
  expect([at(), journey.state.error?.detail]).toEqual(["waiting", "The line is being rebuilt."]);
  FakeSocket.last.deliver({ type: "position", event_id, position: 2, total_in_queue: 9, estimated_wait_seconds: 0 });
  expect([at(), journey.state.error?.detail]).toEqual(["waiting", undefined]);
  FakeSocket.last.deliver({ type: "error", code: "PASS_EXPIRED", message: "The pass has expired.", ref: event_id });
  expect([at(), journey.state.error?.detail]).toEqual(["event", "The pass has expired."]);
  await load();
  expect(at()).toBe("event");
});

test("a revoked pass returns to the queue, a temporary error does not", async () => {
  await withPass();
  FakeSocket.last.deliver({ type: "error", code: "UNAVAILABLE", message: "in a moment", ref: event_id });
  expect(at()).toBe("shopping");
  FakeSocket.last.deliver({ type: "error", code: "PASS_REVOKED", message: "unclaimed", ref: event_id });
  expect([at(), journey.state.error?.code]).toEqual(["waiting", "PASS_REVOKED"]);
  FakeSocket.last.deliver({ type: "queued", event_id, ticket: "ticket-1", position: 1, total_in_queue: 9, estimated_wait_seconds: 1 });
  expect([at(), journey.state.error]).toEqual(["waiting", undefined]);
});

test("a late confirmation shows the expired booking and the reason", async () => {
  await withPass();
  answers["POST /bookings/reserve"] = { status: 201, body: held };
  await journey.purchase.reserve(order);
  answers[`POST /bookings/${held.booking_id}/confirm`] = refusal(409, "BOOKING_EXPIRED");
  answers[`GET /bookings/${held.booking_id}`] = { body: { ...held, status: "expired" } };
  await journey.purchase.confirm();
  expect(journey.state.stage).toMatchObject({ booking: { status: "expired" } });
  expect(journey.state.error?.detail).toBe("BOOKING_EXPIRED in words.");
});
