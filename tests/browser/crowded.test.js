// The moment of the peak: refusals that decide nothing are repeated by the page, and a line that stands still tells the truth.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { inspect, launch, user } from "./browser.js";
import { Server, origin } from "./sale.js";
import { join, open, position } from "./visitor.js";

const server = new Server();
let browser;

before(async () => {
  browser = await launch();
});
after(() => browser?.close());

const refusal = (status, code) => ({
  status,
  contentType: "application/problem+json",
  headers: { "Retry-After": "1" },
  body: JSON.stringify({ type: `urn:stanchion:problem:${code.toLowerCase()}`, status, code, detail: "too many requests", retry_after: 1 }),
});

for (const [status, code] of [[429, "RATE_LIMITED"], [503, "UNAVAILABLE"]]) {
  test(`takes the place by itself after refusals with ${status}`, async () => {
    const sale = await server.openSale("Rush Hour", { ahead: 1 });
    const { context, faults } = await user(browser, origin);
    let refused = 0;
    await context.route("**/api/v1/guest", (route) => (refused++ < 2 ? route.fulfill(refusal(status, code)) : route.continue()));
    const page = await open(context, origin, sale.path);
    await page.getByTestId("join").click();
    await page.getByTestId("crowded").filter({ hasText: "Many people at once. We are taking your place…" }).waitFor();
    assert.equal(await page.getByTestId("error").textContent(), "", "no blame");
    await inspect(page, `crowded-${status}`, { document: false });
    await page.getByTestId("position").waitFor();
    assert.equal(await position(page), 2);
    assert.ok(refused >= 2);
    assert.deepEqual(faults, []);
    await context.close();
  });
}

test("never shows the door to who has a ticket", async () => {
  const sale = await server.openSale("Old Friends", { ahead: 1 });
  const { context, faults } = await user(browser, origin);
  const page = await open(context, origin, sale.path);
  await join(page);
  await context.addInitScript(() => {
    globalThis.doors = 0;
    new MutationObserver(() => document.querySelector("[data-testid=join]") && globalThis.doors++).observe(document, { childList: true, subtree: true });
  });
  await context.route("**/api/v1/events/**", (route) => route.fulfill(refusal(429, "RATE_LIMITED")));
  await page.reload();
  await page.getByTestId("position").waitFor();
  assert.equal(await position(page), 2);
  await context.unroute("**/api/v1/events/**");
  await page.getByTestId("event-facts").waitFor();
  assert.equal(await page.evaluate(() => globalThis.doors), 0);
  assert.deepEqual(faults, []);
  await context.close();
});

test("counts those who join behind while the line stands", async () => {
  const sale = await server.openSale("Standing Still", { ahead: 1 });
  const { context, faults } = await user(browser, origin);
  const page = await open(context, origin, sale.path);
  await join(page);
  const behind = page.getByTestId("behind");
  await behind.filter({ hasText: "Nobody is behind you yet" }).waitFor();
  await sale.takePlaces(3);
  await behind.filter({ hasText: "3 people behind you" }).waitFor();
  const updated = await page.getByTestId("updated").textContent();
  assert.match(updated, /^\d\d:\d\d:\d\d$/);
  await page.waitForFunction((before) => document.querySelector("[data-testid=updated]").textContent !== before, updated);
  assert.match(await page.getByTestId("queue-id").textContent(), /^guest-/);
  assert.deepEqual(faults, []);
  await context.close();
});

test("compares seats with what the people ahead may buy", async () => {
  const zones = [{ name: "Floor", capacity: 12, unit_price: 4_000 }];
  const sale = await server.openSale("Few Seats", { ahead: 5, zones, queue: { state: "open", rate_per_second: 0, burst: 1 } });
  const { context, faults } = await user(browser, origin);
  const page = await open(context, origin, sale.path);
  await join(page);
  // Seats are reported with a position that moves, or with the length of the line.
  await sale.takePlaces(1);
  await page.getByTestId("seats-left").filter({ hasText: /^12$/ }).waitFor();
  assert.equal(await page.getByTestId("seats-outlook").textContent(), "May not be enough: each person may take up to 4");
  assert.deepEqual(faults, []);
  await context.close();
});
