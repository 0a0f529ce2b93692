// Pages that the browser suspends: in the back/forward cache, frozen, behind other tabs. An absent user does not count as
// present, and a background tab receives its pass.
import assert from "node:assert/strict";
import { after, before, beforeEach, afterEach, test } from "node:test";
import { TEST_TIMEOUT_MS } from "./browser.js";
import { Chromium } from "./chromium.js";
import { ServerProcess } from "./server-process.js";

let stanchion;
let server;
let chromium;

before(async () => {
  stanchion = await ServerProcess.start();
  server = stanchion.operate();
});
after(() => stanchion?.end());
beforeEach(async () => {
  chromium = await Chromium.start();
});
afterEach(() => chromium.end());

async function until(what, read, expected) {
  const deadline = Date.now() + TEST_TIMEOUT_MS;
  let value = await read();
  while (value !== expected && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    value = await read();
  }
  assert.equal(value, expected, what);
}

const sockets = (expected) => until("open sockets", () => server.metric("stanchion_websocket_connections"), expected);
const live = async (sale) => server.call("GET", `admin/events/${sale.event_id}/live`, undefined, await server.operator());
/** Passes, as of the last sample. */
const released = async (sale) => (await live(sale)).totals.released;
const absent = (sale, expected) => until("absent", async () => (await live(sale)).figures.absent, expected);

/** In line, in a tab that is allowed to notify. */
async function waiting(sale) {
  const tab = await chromium.tab(`${stanchion.origin}${sale.path}`);
  await tab.evaluate(`localStorage.setItem("stanchion.notification", "yes")`);
  await tab.click("join");
  await tab.seen("position");
  await tab.evaluate(`globalThis.loadedOnce = true`);
  return tab;
}

async function another(sale) {
  const tab = await chromium.tab(`${stanchion.origin}${sale.path}`);
  await tab.seen("position");
  await tab.evaluate(`globalThis.loadedOnce = true`);
  return tab;
}

const connected = `document.querySelector("[data-testid=connection]").dataset.state === "connected"`;
/** A page that does not know of places: every page of the shop shows them, and keeps its visitor present. */
const elsewhere = () => `${stanchion.origin}/?plain`;

test("marks a user absent on navigation and restores the place on return", async () => {
  const sale = await server.openSale("Round the Corner", { queue: { grace_seconds: 600, rate_per_second: 50 } });
  const tab = await waiting(sale);
  await sockets(1);
  await tab.goto(elsewhere());
  await sockets(0);
  await absent(sale, 1);
  await sale.open();
  // Behind the user who left: a user who is taken for present gets the pass first.
  const other = await server.guest();
  await server.call("POST", "queue/join", { event_id: sale.event_id }, other);
  await until("the next one's pass", async () => (await server.call("GET", `queue/position/${sale.event_id}`, undefined, other)).is_ready, true);
  await until("passes: the one of who is there", () => released(sale), 1);

  await tab.back();
  await tab.until(`globalThis.loadedOnce && document.title.includes("It is your turn")`);
  await sockets(1);
  await tab.seen("zone");
  assert.equal((await live(sale)).totals.taken_back, 0);
});

test("notifies a hidden tab while the leading tab is cached", async () => {
  const sale = await server.openSale("Two Windows", { queue: { grace_seconds: 600, rate_per_second: 50 } });
  const first = await waiting(sale);
  const second = await another(sale);
  await first.show();
  await second.until(`document.visibilityState === "hidden" && document.title.startsWith("1 ")`);
  await sockets(1);
  await first.goto(elsewhere());
  await second.until(connected);
  await sockets(1);
  await absent(sale, 0);

  await sale.open();
  await second.until(`document.title.includes("It is your turn")`);
  await second.until(`globalThis.notifications.length === 1`);
  assert.equal(await second.evaluate("document.visibilityState"), "hidden");

  await first.back();
  await first.until(`globalThis.loadedOnce && document.title.includes("It is your turn")`);
  await sockets(1);
  await until("passes", () => released(sale), 1);
  assert.equal((await live(sale)).totals.taken_back, 0);
});

test("shows another tab's changes when restored from the cache", async () => {
  const sale = await server.openSale("Changed My Mind", { queue: { grace_seconds: 600 } });
  const first = await waiting(sale);
  const second = await another(sale);
  await first.show();
  await first.goto(elsewhere());
  await second.until(connected);
  await second.show();
  await second.click("leave");
  await second.click("leave-yes");
  await second.seen("join");
  await until("in line", async () => (await live(sale)).figures.line, 0);
  await first.back();
  await first.until(`globalThis.loadedOnce && !!document.querySelector("[data-testid=join]")`);
  const { totals, figures } = await live(sale);
  assert.deepEqual([totals.joined, figures.line], [1, 0], "nobody joined again");
});

test("hands the lead over when frozen and follows when resumed", async () => {
  const sale = await server.openSale("Cold Night", { queue: { grace_seconds: 600, rate_per_second: 50 } });
  const first = await waiting(sale);
  const second = await another(sale);
  await first.freeze();
  await second.until(connected);
  await sockets(1);
  await absent(sale, 0);
  await first.thaw();
  await first.until(connected);
  await sockets(1);
  await second.freeze();
  await first.until(connected);
  await sockets(1);
  await sale.open();
  await first.until(`document.title.includes("It is your turn")`);
  await second.thaw();
  await second.until(`document.title.includes("It is your turn")`);
});
