// Connections in a bad network: one for all tabs, fallbacks to other transports, recovery after every loss.
import assert from "node:assert/strict";
import { after, before, beforeEach, afterEach, test } from "node:test";
import { TEST_TIMEOUT_MS, inspect, launch, user } from "./browser.js";
import { Network, ServerProcess } from "./server-process.js";
import { booking, bookingId, join, open, position, reserve } from "./visitor.js";

let browser;
let stanchion;
let server;
let network;

before(async () => {
  [browser, stanchion] = await Promise.all([launch(), ServerProcess.start()]);
  server = stanchion.operate();
});
after(async () => {
  await browser?.close();
  await stanchion?.end();
});
beforeEach(async () => {
  network = await Network.before(stanchion.origin);
});
afterEach(() => network.end());

const via = (page, carrier) => page.locator(`[data-testid=connection][data-state=connected][data-via=${carrier}]`).waitFor({ state: "attached" });

/** The number of open sockets, once it is what it should be. */
async function sockets(expected) {
  const deadline = Date.now() + TEST_TIMEOUT_MS;
  let open = await server.metric("stanchion_websocket_connections");
  while (open !== expected && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    open = await server.metric("stanchion_websocket_connections");
  }
  assert.equal(open, expected, "open sockets");
}

test("shares place and connection between tabs when the leader closes", async () => {
  const sale = await server.openSale("Many Tabs", { ahead: 2 });
  const { context, faults } = await user(browser, network.origin);
  const first = await open(context, network.origin, sale.path);
  await join(first);
  const tabs = [await open(context, network.origin, sale.path), await open(context, network.origin, sale.path)];
  for (const tab of tabs) assert.equal(await position(tab), 3, "the same place in every tab");
  await sockets(1);

  await first.close();
  for (const tab of tabs) await via(tab, "socket");
  await sockets(1);
  await sale.open();
  for (const tab of tabs) await tab.getByTestId("pass").waitFor();

  const id = await reserve(tabs[0], 1);
  await tabs[1].getByTestId("confirm").waitFor();
  assert.equal(await bookingId(tabs[1]), id, "what one tab holds, the others show");
  await tabs[0].getByTestId("cancel").click();
  await tabs[0].getByTestId("cancel-yes").click();
  await booking(tabs[0], "cancelled").waitFor();
  await inspect(tabs[0], "cancelled");
  assert.deepEqual(faults, []);
  await context.close();
});

test("keeps the place over a network loss and recovers at once", async () => {
  const sale = await server.openSale("Tunnel", { ahead: 1 });
  const { context, faults } = await user(browser, network.origin);
  const page = await open(context, network.origin, sale.path);
  await join(page);
  await context.setOffline(true);
  network.cut();
  await page.getByTestId("connection").filter({ hasText: "Your place is kept" }).waitFor();
  assert.equal(await position(page), 2);
  await inspect(page, "connection-lost");
  network.mend();
  await context.setOffline(false);
  await via(page, "socket");
  assert.equal(await position(page), 2);
  assert.equal(await page.getByTestId("error").textContent(), "");
  assert.deepEqual(faults, []);
  await context.close();
});

test("restores the place from the ticket when the server restarts", async () => {
  const sale = await server.openSale("Restart", { ahead: 1, queue: { grace_seconds: 600 } });
  const { context, faults } = await user(browser, network.origin);
  const page = await open(context, network.origin, sale.path);
  await join(page);
  assert.equal(await position(page), 2);
  await stanchion.kill();
  await page.locator("[data-testid=connection][data-state=reconnecting]").waitFor({ state: "attached" });
  await stanchion.start();
  await page.locator("[data-testid=connection][data-state=connected]").waitFor({ state: "attached" });
  await sale.open();
  await page.getByTestId("pass").waitFor();
  assert.equal(await page.getByTestId("error").textContent(), "");
  assert.deepEqual(faults, []);
  await context.close();
});

test("shows the extended end of a hold after an outage", async () => {
  const sale = await server.openSale("Given Back", { hold_seconds: 45, queue: { state: "open", rate_per_second: 50 } });
  const { context, faults } = await user(browser, network.origin);
  const page = await open(context, network.origin, sale.path);
  await join(page);
  await page.getByTestId("pass").waitFor();
  const id = await reserve(page, 1);
  const token = await page.evaluate(() => JSON.parse(localStorage.getItem("stanchion.identity")).token);
  const ends = async () => Date.parse((await server.call("GET", `bookings/${id}`, undefined, token)).expires_at);
  const shown = async () => {
    const [minutes, seconds] = (await page.getByTestId("countdown").textContent()).split(":").map(Number);
    return Date.now() + (60 * minutes + seconds) * 1_000;
  };
  const before = await ends();
  await page.evaluate(() => (globalThis.loadedOnce = true));
  // Holds are extended by an outage of more than three seconds.
  await stanchion.freeze(6_000);
  const deadline = Date.now() + TEST_TIMEOUT_MS;
  while ((await ends()) < before + 4_000 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 100));
  const after = await ends();
  assert.ok(after >= before + 4_000, `the server gave back ${after - before} ms`);
  while (Math.abs((await shown()) - after) > 1_500 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 100));
  assert.ok(Math.abs((await shown()) - after) <= 1_500, "the page shows the new end");
  assert.ok(await page.evaluate(() => globalThis.loadedOnce));
  await page.getByTestId("confirm").click();
  await booking(page, "confirmed").waitFor();
  assert.deepEqual(faults, []);
  await context.close();
});

test("shows an unreachable server and resumes when it answers", async () => {
  const sale = await server.openSale("Early Morning", { ahead: 1, queue: { grace_seconds: 600 } });
  const { context, faults } = await user(browser, network.origin);
  const page = await open(context, network.origin, sale.path);
  await join(page);
  // What a page of a proxy in front does: its files are there, the rest is not.
  await context.route("**/api/**", (route) => route.fulfill({ status: 502, body: "Bad Gateway" }));
  await page.reload();
  await page.getByTestId("position").waitFor();
  assert.equal(await position(page), 2, "who has a ticket waits on: the line itself answers");
  assert.equal(await page.getByTestId("join").count(), 0);
  assert.equal(await page.getByTestId("error").textContent(), "");
  await inspect(page, "first-load-unanswered", { document: false });
  const stranger = await user(browser, network.origin);
  await stranger.context.route("**/api/**", (route) => route.fulfill({ status: 502, body: "Bad Gateway" }));
  const door = await open(stranger.context, network.origin, sale.path);
  await door.getByTestId("connection").filter({ hasText: "cannot reach the ticket shop" }).waitFor();
  await door.getByText("One moment").waitFor();
  await inspect(door, "unreachable", { document: false });

  await Promise.all([context.unroute("**/api/**"), stranger.context.unroute("**/api/**")]);
  await door.getByTestId("join").waitFor();
  for (const one of [page, door]) await one.getByTestId("connection").filter({ hasText: /^$/ }).waitFor({ state: "attached" });
  await page.getByTestId("event-facts").waitFor();
  assert.equal(await position(page), 2);
  assert.deepEqual(stranger.faults, []);
  await stranger.context.close();
  assert.deepEqual(faults, []);
  await context.close();
});

test("falls back to a stream and returns to a socket", async () => {
  const sale = await server.openSale("No Upgrade", { ahead: 1 });
  const { context, faults } = await user(browser, network.origin);
  network.refuse("sockets");
  const page = await open(context, network.origin, sale.path);
  await join(page);
  await via(page, "stream");
  assert.equal(await position(page), 2);
  network.sockets = true;
  await page.evaluate(() => dispatchEvent(new Event("online")));
  await via(page, "socket");
  assert.equal(await position(page), 2);

  network.refuse("sockets");
  await via(page, "stream");
  await sale.open();
  await reserve(page, 1);
  assert.deepEqual(faults, []);
  await context.close();
});

test("takes the place at once when sockets stay silent", async () => {
  const sale = await server.openSale("Silent Proxy", { ahead: 1 });
  const { context, faults } = await user(browser, network.origin);
  network.sockets = "silent";
  const page = await open(context, network.origin, sale.path);
  const pressed = Date.now();
  await join(page);
  const ms = Date.now() - pressed;
  assert.ok(ms < 3_000, `the place came after ${ms} ms`);
  assert.equal(await position(page), 2);
  await via(page, "stream");

  network.permit("sockets");
  // The silent socket may still be in its handshake at the first of these events.
  await page.evaluate(() => setInterval(() => dispatchEvent(new Event("online")), 200));
  await via(page, "socket");
  assert.equal(await position(page), 2);
  assert.deepEqual(faults, []);
  await context.close();
});

test("falls back to polling when streams are buffered", async () => {
  const sale = await server.openSale("Old Proxy", { ahead: 1 });
  const { context, faults } = await user(browser, network.origin);
  network.refuse("sockets");
  network.refuse("streams");
  const page = await open(context, network.origin, sale.path);
  await join(page);
  await via(page, "polling");
  assert.equal(await position(page), 2);
  await inspect(page, "polling");
  await sale.open();
  await reserve(page, 1);
  assert.deepEqual(faults, []);
  await context.close();
});

test("passes an unclaimed turn on and returns it on reconnect", async () => {
  const queue = { rate_per_second: 20, burst: 20, claim_window_seconds: 1, grace_seconds: 1 };
  const sale = await server.openSale("Out of the Room", { queue });
  const { context, faults } = await user(browser, network.origin);
  const page = await open(context, network.origin, sale.path);
  await join(page);
  assert.equal(await position(page), 1);
  network.cut();
  await page.locator("[data-testid=connection][data-state=reconnecting]").waitFor({ state: "attached" });
  const behind = await user(browser, stanchion.origin);
  const next = await open(behind.context, stanchion.origin, sale.path);
  await join(next);
  await sale.open();
  await next.getByTestId("pass").waitFor();
  assert.equal(await page.getByTestId("pass").count(), 0, "nobody told the page, which is cut off");
  network.mend();
  await page.getByTestId("pass").waitFor();
  assert.deepEqual([...faults, ...behind.faults], []);
  await Promise.all([context.close(), behind.context.close()]);
});

// Chromium forgets the close frame of a connection that is reset: Chromium 156 says 1006 if the rest of a frame is still unread when
// the server closes the socket, and 1006 lets a client reconnect forever.
test("closes an oversized frame with its own code", async () => {
  const { context } = await user(browser, stanchion.origin);
  const page = await context.newPage();
  await page.goto(`${stanchion.origin}/health`);
  const codes = await page.evaluate(async (lengths) => {
    const closed = (length) =>
      new Promise((resolve) => {
        const socket = new WebSocket(`ws://${location.host}/api/v1/ws`, "stanchion.v1");
        socket.onopen = () => socket.send(JSON.stringify({ type: "connect", token: "x".repeat(length) }));
        socket.onclose = ({ code }) => resolve(code);
      });
    const seen = [];
    for (const length of lengths) seen.push(await closed(length));
    return seen;
  }, [17_000, 17_000, 17_000, 200_000, 200_000, 200_000, 2_000_000, 2_000_000]);
  assert.deepEqual(codes, codes.map(() => 4501));
  await context.close();
});
