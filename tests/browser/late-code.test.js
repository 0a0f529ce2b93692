// Code that does not arrive: after a lost packet, after an update of the server, from a server of another build. The page tries again.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { inspect, launch, user } from "./browser.js";
import { Server, origin } from "./sale.js";
import { booking, bookingId, join, open, reserve } from "./visitor.js";

const server = new Server();
const AT_ONCE = { state: "open", rate_per_second: 20, burst: 20 };
let browser;

before(async () => {
  browser = await launch();
});
after(() => browser?.close());

/** Answers the first requests for a file so: null breaks the connection off. */
async function fail(context, file, times, status = null) {
  const failed = { count: 0 };
  await context.route(new RegExp(`/assets/${file}-[^/]*\\.js`), (route) => {
    if (failed.count >= times) return route.continue();
    failed.count++;
    return status === null ? route.abort("connectionreset") : route.fulfill({ status, body: "Not Found" });
  });
  return failed;
}

async function hold(context, name) {
  const sale = await server.openSale(name, { queue: AT_ONCE });
  const page = await open(context, origin, sale.path);
  await join(page);
  await page.getByTestId("pass").waitFor();
  return page;
}

test("retries the payment after a lost packet, without a reload", async () => {
  const { context, faults } = await user(browser, origin);
  const failed = await fail(context, "demo-payment", 2);
  const page = await hold(context, "Lost Packet");
  await page.evaluate(() => (globalThis.loadedOnce = true));
  await reserve(page, 1);
  assert.equal(failed.count, 2);
  assert.ok(await page.evaluate(() => globalThis.loadedOnce));
  assert.deepEqual(faults, []);
  await context.close();
});

test("loads the page again once if the payment's code is gone, and keeps the hold", async () => {
  const { context, faults } = await user(browser, origin);
  // As after an update: the old names are gone until the page is loaded again.
  let gone = true;
  await context.route(/\/assets\/demo-payment-[^/]*\.js/, (route) => (gone ? route.fulfill({ status: 404, body: "Not Found" }) : route.continue()));
  const page = await hold(context, "New Build");
  await page.getByTestId("zone").first().check();
  page.once("load", () => (gone = false));
  await page.getByTestId("reserve").click();
  await booking(page, "reserved").waitFor();
  const id = await bookingId(page);
  await page.waitForEvent("load");
  await page.getByTestId("confirm").waitFor();
  assert.equal(await bookingId(page), id);
  assert.deepEqual(faults, []);
  await context.close();
});

test("offers a button if a reload did not help, and shows the code after it", async () => {
  const { context, faults } = await user(browser, origin);
  let gone = true;
  await context.route(/\/assets\/qr-[^/]*\.js/, (route) => (gone ? route.fulfill({ status: 404, body: "Not Found" }) : route.continue()));
  const page = await hold(context, "Still Gone");
  await reserve(page, 1);
  await page.getByTestId("confirm").click();
  await booking(page, "confirmed").waitFor();
  const retry = page.getByTestId("late-retry");
  await retry.waitFor({ timeout: 40_000 });
  await inspect(page, "code-not-loaded", { document: false });
  gone = false;
  await retry.click();
  await page.getByTestId("qr").waitFor();
  assert.deepEqual(faults, []);
  await context.close();
});

test("has payment and code before they are needed", async () => {
  const sale = await server.openSale("Packed Lunch", { ahead: 1 });
  const { context, faults } = await user(browser, origin);
  await context.addInitScript(() => (Math.random = () => 0));
  const page = await context.newPage();
  const ahead = ["demo-payment", "qr"].map((name) => page.waitForResponse(new RegExp(`/assets/${name}-`)));
  await page.goto(`${origin}${sale.path}`);
  await join(page);
  await Promise.all(ahead);
  await context.route("**/assets/**", (route) => route.abort());
  await sale.open();
  await reserve(page, 1);
  await page.getByTestId("confirm").click();
  await page.getByTestId("qr").waitFor();
  assert.deepEqual(faults, []);
  await context.close();
});

for (const status of [null, 404]) {
  test(`starts although the page's code ${status ? "was not found" : "was cut off"} at first`, async () => {
    const sale = await server.openSale("False Start", { ahead: 1 });
    const { context, faults } = await user(browser, origin);
    const failed = await fail(context, "index", 2, status);
    // No server answers at first: a reload would end in the browser's own error page.
    let answers = false;
    await context.route(`**${sale.path}`, (route) => (answers || route.request().isNavigationRequest() ? route.continue() : route.abort()));
    const page = await open(context, origin, sale.path);
    await page.locator("#starting").filter({ hasText: "could not be loaded completely" }).waitFor();
    await inspect(page, "code-missing", { document: false });
    answers = true;
    await page.getByTestId("join").waitFor({ timeout: 30_000 });
    assert.ok(failed.count >= 2);
    assert.deepEqual(faults.filter((fault) => !/dynamically imported module/.test(fault)), []);
    await context.close();
  });
}

test("keeps its place over a failed start", async () => {
  const sale = await server.openSale("Second Start", { ahead: 1 });
  const { context } = await user(browser, origin);
  const page = await open(context, origin, sale.path);
  await join(page);
  await fail(context, "index", 1, 404);
  await page.reload();
  await page.getByTestId("position").waitFor();
  assert.equal(await page.getByTestId("position").textContent(), "2");
  await context.close();
});
