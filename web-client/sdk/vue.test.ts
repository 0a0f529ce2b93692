// @vitest-environment jsdom
// The Vue composable and its example: the place is kept over mounts, and follows the event's id.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type App, createApp, createSSRApp, h, nextTick, ref } from "vue";
import { renderToString } from "vue/server-renderer";
import { WaitingRoom } from "./examples/vue";
import { FakeServer, event_id } from "./fake-server";

let server: FakeServer;
let target: HTMLElement;
let app: App | undefined;

beforeEach(() => {
  server = new FakeServer();
  target = document.body.appendChild(document.createElement("div"));
});
afterEach(() => {
  app?.unmount();
  app = undefined;
  target.remove();
  vi.unstubAllGlobals();
});

async function mount(props: Record<string, unknown> = {}): Promise<void> {
  app = createApp(WaitingRoom, { eventId: event_id, ...props });
  app.mount(target);
  await vi.waitFor(() => expect(server.open).toHaveLength(1));
}

test("the example goes from the join to the turn", async () => {
  const onTurn = vi.fn();
  await mount({ onTurn });
  expect(target.textContent).toContain("Taking your place…");
  server.queued(7);
  await nextTick();
  expect(target.textContent).toContain("You are in line7");
  server.pass();
  await nextTick();
  target.querySelector("button")!.click();
  expect(onTurn).toHaveBeenCalledExactlyOnceWith("jwt");
});

test("an unmount closes the connection and keeps the place", async () => {
  await mount();
  server.queued(7);
  app!.unmount();
  expect(server.open).toHaveLength(0);
  await mount();
  server.queued(7);
  expect(server.sent.at(-1)).toMatchObject({ type: "join", event_id, ticket: "ticket-1", position: 7 });
});

test("another event's id is another room", async () => {
  const eventId = ref(event_id);
  app = createApp(() => h(WaitingRoom, { eventId: eventId.value }));
  app.mount(target);
  await vi.waitFor(() => expect(server.open).toHaveLength(1));
  server.queued(7);
  const [first] = server.open;
  eventId.value = "another";
  await vi.waitFor(() => expect(server.open[0]).not.toBe(first));
  server.open[0]!.accept();
  expect(server.sent).toEqual([{ type: "join", event_id: "another" }]);
  expect(target.textContent).toContain("Taking your place…");
});

test("a server renders it without a connection", async () => {
  expect(await renderToString(createSSRApp(WaitingRoom, { eventId: event_id }))).toContain("Taking your place…");
  expect([server.requests, server.open]).toEqual([[], []]);
});
