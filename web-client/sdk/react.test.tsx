// @vitest-environment jsdom
// The React hook and its example: one connection under StrictMode, the place kept over mounts.
/** @jsxImportSource react */
import { StrictMode, act } from "react";
import { type Root, createRoot } from "react-dom/client";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { WaitingRoom } from "./examples/react";
import { FakeServer, event_id } from "./fake-server";
import { FakeSocket } from "./fake-socket";
import { useWaitingRoom } from "./react";
import type { RoomState } from "./room-state";

let server: FakeServer;
let root: Root;
let target: HTMLElement;

const render = (node: React.ReactNode) => act(async () => root.render(<StrictMode>{node}</StrictMode>));
const text = () => target.textContent;
const button = () => target.querySelector("button")!;

beforeEach(() => {
  vi.stubGlobal("IS_REACT_ACT_ENVIRONMENT", true);
  server = new FakeServer();
  target = document.body.appendChild(document.createElement("div"));
  root = createRoot(target);
});
afterEach(async () => {
  await act(async () => root.unmount());
  target.remove();
  vi.unstubAllGlobals();
});

test("the example goes from the join to the turn", async () => {
  const onTurn = vi.fn();
  await render(<WaitingRoom eventId={event_id} onTurn={onTurn} />);
  await vi.waitFor(() => expect(server.open).toHaveLength(1));
  expect(text()).toContain("Taking your place…");
  await act(async () => server.queued(7));
  expect(text()).toContain("You are in line7");
  await act(async () => server.pass());
  button().click();
  expect(onTurn).toHaveBeenCalledWith("jwt");
});

test("StrictMode reports each state once, over one connection", async () => {
  const seen: RoomState[] = [];
  const Probe = () => {
    seen.push(useWaitingRoom(event_id));
    return null;
  };
  await render(<Probe />);
  await vi.waitFor(() => expect(server.open).toHaveLength(1));
  seen.length = 0;
  await act(async () => server.queued(7));
  await act(async () => server.pass());
  expect(server.sent.filter(({ type }) => type === "ack")).toHaveLength(1);
  expect(seen.at(-1)).toMatchObject({ stage: "turn", pass: { pass_id: "p" }, position: { position: 7 } });
  expect(FakeSocket.all).toHaveLength(1);
});

test("an unmount closes the connection and keeps the place", async () => {
  await render(<WaitingRoom eventId={event_id} onTurn={() => {}} />);
  await vi.waitFor(() => expect(server.open).toHaveLength(1));
  await act(async () => server.queued(7));
  await render(null);
  expect(server.open).toHaveLength(0);
  await render(<WaitingRoom eventId={event_id} onTurn={() => {}} />);
  await vi.waitFor(() => expect(server.open).toHaveLength(1));
  await act(async () => server.queued(6));
  expect(server.sent.at(-1)).toMatchObject({ type: "join", event_id, ticket: "ticket-1", position: 7 });
  expect(text()).toContain("6");
});

test("leaves, and needs a token if guests are not admitted", async () => {
  await render(<WaitingRoom eventId={event_id} onTurn={() => {}} />);
  await vi.waitFor(() => expect(server.open).toHaveLength(1));
  await act(async () => server.queued(7));
  await act(async () => button().click());
  expect(text()).toBe("You are no longer in line.");
  expect(server.sent.at(-1)).toEqual({ type: "leave", event_id });

  localStorage.clear();
  server.admitsGuests = false;
  const stages: string[] = [];
  const Probe = () => {
    stages.push(useWaitingRoom(event_id).stage);
    return null;
  };
  await render(<Probe />);
  await vi.waitFor(() => expect(stages.at(-1)).toBe("signIn"));
});
