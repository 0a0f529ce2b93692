// @vitest-environment jsdom
// The web component and its example: states, languages, slot, events, and one connection over moves in the document.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { StanchionWaitingRoom } from "./element";
import markup from "./examples/element.html?raw";
import { FakeServer } from "./fake-server";
import { FakeSocket } from "./fake-socket";

const example = new DOMParser().parseFromString(markup, "text/html");
const event_id = example.querySelector("stanchion-waiting-room")!.getAttribute("event")!;
const queued = { type: "queued", event_id, ticket: "ticket-1", position: 1234, total_in_queue: 2000, estimated_wait_seconds: 150 } as const;

let server: FakeServer;
let room: StanchionWaitingRoom;

const part = (name: string) => room.shadowRoot!.querySelector<HTMLElement>(`[part=${name}]`)!;
const shown = () => [...room.shadowRoot!.querySelectorAll<HTMLElement>("[part]:not([hidden])")].filter(({ children }) => children.length === 0);
const texts = () => shown().map(({ textContent }) => textContent!);
const press = (name: string) => part(name).click();

async function connect(): Promise<void> {
  await vi.waitFor(() => expect(server.open).toHaveLength(1));
}

beforeEach(() => {
  // jsdom has no constructed style sheets.
  vi.stubGlobal("CSSStyleSheet", class { replaceSync() {} }); // prettier-ignore
  server = new FakeServer();
  document.documentElement.lang = "en";
  document.body.innerHTML = example.body.innerHTML;
  room = document.querySelector("stanchion-waiting-room")!;
});
afterEach(async () => {
  document.body.replaceChildren();
  await vi.waitFor(() => expect(server.open).toHaveLength(0));
  vi.unstubAllGlobals();
});

test("is what the example's markup makes", async () => {
  expect(room).toBeInstanceOf(StanchionWaitingRoom);
  await connect();
  expect(texts()).toContain("Taking your place…");
  expect(part("turn").hidden).toBe(true);

  FakeSocket.last.accept(10_000, "guest-1");
  FakeSocket.last.deliver(queued);
  expect(room.dataset["stage"]).toBe("waiting");
  expect(texts()).toEqual(["You are in line", "Your place in line", "1,234", "Expected wait: ~3 minutes", "Leave the line"]);
  expect(part("number").getAttribute("translate")).toBe("no");
});

test("shows the turn with its slot and the time left", async () => {
  const passes = vi.fn();
  document.body.addEventListener("pass", (event) => passes((event as CustomEvent).detail), { once: true });
  await connect();
  FakeSocket.last.accept(10_000, "guest-1");
  const expires_at = new Date(Date.now() + 299_500).toISOString();
  FakeSocket.last.deliver({ type: "pass", event_id, pass_id: "p", queue_pass: "jwt", expires_at });
  expect(texts()).toContain("It is your turn");
  expect(part("time").textContent).toMatch(/^Time left: (5:00|4:59)$/);
  expect(part("turn").hidden).toBe(false);
  expect(passes).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ queue_pass: "jwt" }));
});

test("asks before it gives the place up", async () => {
  const left = vi.fn();
  room.addEventListener("left", left);
  await connect();
  FakeSocket.last.accept(10_000, "guest-1");
  FakeSocket.last.deliver(queued);
  press("leave");
  expect(texts()).toContain("Give up your place?");
  press("leaveCancel");
  expect(server.sent.filter(({ type }) => type === "leave")).toEqual([]);
  press("leave");
  press("leaveConfirm");
  expect(server.sent.at(-1)).toEqual({ type: "leave", event_id });
  expect(texts()).toEqual(["You are no longer in line."]);
  expect(left).toHaveBeenCalledOnce();
});

test("speaks the page's language, and those that a shop adds", async () => {
  await connect();
  room.lang = "th-TH";
  await vi.waitFor(() => expect(texts()[0]).toBe(StanchionWaitingRoom.texts["th"]!.joining));
  StanchionWaitingRoom.texts["nl"] = { ...StanchionWaitingRoom.texts["en"]!, joining: "Uw plaats wordt gereserveerd…" };
  room.lang = "nl";
  await vi.waitFor(() => expect(texts()[0]).toBe("Uw plaats wordt gereserveerd…"));
  expect(server.open, "the same connection").toHaveLength(1);
  expect(FakeSocket.all).toHaveLength(1);
});

test("keeps its connection if it is moved, and ends it if removed", async () => {
  await connect();
  FakeSocket.last.accept(10_000, "guest-1");
  FakeSocket.last.deliver(queued);
  document.body.appendChild(document.createElement("div")).append(room);
  await Promise.resolve();
  expect([FakeSocket.all.length, server.open.length, room.state.stage]).toEqual([1, 1, "waiting"]);
  room.remove();
  await Promise.resolve();
  expect(server.open).toHaveLength(0);
});

test("tells a lost connection and a pause without blame", async () => {
  await connect();
  FakeSocket.last.accept(10_000, "guest-1");
  FakeSocket.last.deliver(queued);
  FakeSocket.last.deliver({ type: "event", event_id, state: "paused" });
  expect(part("notice").textContent).toBe("The line is paused. You keep your place.");
  FakeSocket.last.drop();
  expect(part("notice").textContent).toContain("You keep your place");
  expect(part("number").textContent).toBe("1,234");
});

test("warns if the browser stores nothing", async () => {
  const refuse = vi.spyOn(Storage.prototype, "setItem").mockImplementation(() => {
    throw new DOMException("full", "QuotaExceededError");
  });
  room.setAttribute("token", `h.${btoa(JSON.stringify({ sub: "alice", exp: 4e9 }))}.s`);
  await vi.waitFor(() => expect(part("warning").textContent).toBe(StanchionWaitingRoom.texts["en"]!.inMemory));
  refuse.mockRestore();
});
