// The whole way of a user through a real browser: join, wait, reload, second tab, pass, seats, confirmation.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, screenshot, watch } from "./browser.js";
import { openSale, origin } from "./sale.js";

const PATIENCE_MS = 60_000;
let browser;

before(async () => {
  browser = await launch();
});
after(() => browser?.close());

/** A new user: nothing stored. */
async function user(options) {
  const context = await browser.newContext({ viewport: { width: 800, height: 900 }, ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  return { context, faults: watch(context, origin) };
}

async function open(context, event_id) {
  const page = await context.newPage();
  await page.goto(`${origin}/?event=${event_id}`);
  return page;
}

async function join(page) {
  await page.getByTestId("join").click();
  await page.getByTestId("position").or(page.getByTestId("pass")).filter({ visible: true }).first().waitFor();
}

async function position(page) {
  await page.waitForFunction(() => /\d/.test(document.querySelector("[data-testid=position]").textContent));
  return Number((await page.getByTestId("position").textContent()).replace(/\D/g, ""));
}

async function chooseSeats(page, quantity) {
  await page.getByTestId("pass").waitFor();
  await page.getByTestId("zone").and(page.locator(":enabled")).first().check();
  await page.getByTestId("quantity").fill(String(quantity));
}

async function reserve(page, quantity) {
  await chooseSeats(page, quantity);
  await page.getByTestId("reserve").click();
  await page.getByTestId("confirm").waitFor();
  assert.equal(await page.getByTestId("booking-status").textContent(), "reserved");
  return page.getByTestId("booking-id").textContent();
}

test("from the line to a confirmed booking, over reloads and a second tab", async () => {
  const sale = await openSale("Night of the Long Echo", 2);
  const { context, faults } = await user();
  const page = await open(context, sale.event_id);
  assert.equal(await page.getByTestId("event").and(page.locator(":checked")).count(), 1, "the event is chosen");
  await screenshot(page, "1-events");
  await join(page);

  if (sale.owned) {
    assert.equal(await position(page), sale.ahead + 1);
    await screenshot(page, "2-waiting");
    await page.reload();
    assert.equal(await position(page), sale.ahead + 1, "a reload keeps the place");
    const tab = await open(context, sale.event_id);
    assert.equal(await position(tab), sale.ahead + 1, "a second tab has the same place");
    await tab.close();
    await sale.open();
  }

  await chooseSeats(page, 2);
  await screenshot(page, "3-pass");
  await page.reload();
  const bookingId = await reserve(page, 2);
  await screenshot(page, "4-held");
  await page.reload();
  await page.getByTestId("confirm").waitFor();
  assert.equal(await page.getByTestId("booking-id").textContent(), bookingId, "a reload keeps the hold");

  await page.getByTestId("confirm").click();
  await page.getByTestId("booking-status").filter({ hasText: "confirmed" }).waitFor();
  await screenshot(page, "5-confirmed");
  await page.reload();
  await page.getByTestId("booking-status").filter({ hasText: "confirmed" }).waitFor();
  assert.equal(await page.getByTestId("booking-id").textContent(), bookingId, "a reload keeps the confirmation");
  assert.equal(await page.getByTestId("error").textContent(), "");
  assert.deepEqual(faults, []);
  await context.close();
});

test("a tab follows what another tab does: seats held there are shown here", async () => {
  const sale = await openSale("Two Tabs", 0);
  await sale.open();
  const { context, faults } = await user();
  const first = await open(context, sale.event_id);
  await join(first);
  await first.getByTestId("pass").waitFor();
  const second = await open(context, sale.event_id);
  await second.getByTestId("pass").waitFor();

  const bookingId = await reserve(first, 1);
  await second.getByTestId("confirm").waitFor();
  assert.equal(await second.getByTestId("booking-id").textContent(), bookingId);

  await first.getByTestId("cancel").click();
  await first.getByTestId("booking-status").filter({ hasText: "cancelled" }).waitFor();
  assert.deepEqual(faults, []);
  await context.close();
});

test("a user can leave, with the keyboard alone", async (t) => {
  const sale = await openSale("Never Mind", 1);
  if (!sale.owned) return t.skip("needs an event that stays paused");
  const { context, faults } = await user();
  const page = await open(context, sale.event_id);
  await page.getByTestId("join").and(page.locator(":enabled")).waitFor();
  await page.getByTestId("join").focus();
  await page.keyboard.press("Enter");
  assert.equal(await position(page), sale.ahead + 1);
  await page.getByTestId("leave").focus();
  await page.keyboard.press("Enter");
  await page.getByTestId("join").waitFor();
  await page.reload();
  await page.getByTestId("join").waitFor();
  assert.deepEqual(faults, []);
  await context.close();
});

test("a lost network is told calmly and the place is kept", async (t) => {
  const sale = await openSale("Tunnel", 1);
  if (!sale.owned) return t.skip("needs an event that stays paused");
  const { context } = await user();
  let line = true;
  const sockets = [];
  await context.routeWebSocket(/\/api\/v1\/ws$/, async (socket) => {
    if (!line) return socket.close({ code: 1013 });
    sockets.push(socket);
    socket.connectToServer();
  });
  const page = await open(context, sale.event_id);
  await join(page);
  assert.equal(await position(page), sale.ahead + 1);

  line = false;
  for (const socket of sockets) await socket.close({ code: 1012 });
  await page.getByTestId("connection").filter({ hasText: "Your place is kept" }).waitFor();
  await screenshot(page, "6-reconnecting");
  assert.equal(await position(page), sale.ahead + 1);

  line = true;
  await page.locator("[data-testid=connection][data-state=connected]").waitFor({ state: "attached" });
  assert.equal(await position(page), sale.ahead + 1);
  assert.equal(await page.getByTestId("error").textContent(), "");
  await context.close();
});

for (const colorScheme of ["light", "dark"]) {
  test(`fits a screen of 320 pixels, ${colorScheme}`, async () => {
    const sale = await openSale("An Evening with a Remarkably Long and Unbreakable Name", 1);
    const { context } = await user({ viewport: { width: 320, height: 640 }, colorScheme });
    const page = await open(context, sale.event_id);
    const fits = async (name) => {
      await screenshot(page, `narrow-${colorScheme}-${name}`);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${name} scrolls sideways`);
    };
    await fits("1-events");
    await join(page);
    if (sale.owned) {
      await position(page);
      await fits("2-waiting");
      await sale.open();
    }
    await chooseSeats(page, 2);
    await fits("3-pass");
    await reserve(page, 2);
    await fits("4-held");
    await context.close();
  });
}
