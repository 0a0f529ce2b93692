// Each state that a sale, a line and a person may be in: said calmly and clearly, in two languages, in every size.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { inspect, launch, user } from "./browser.js";
import { Server, origin } from "./sale.js";
import { booking, chooseSeats, join, open, position, reserve, wish } from "./visitor.js";

const server = new Server();
let browser;

before(async () => {
  browser = await launch();
});
after(() => browser?.close());

async function visit(sale, options) {
  const { context, faults } = await user(browser, origin, options);
  return { context, faults, page: await open(context, origin, sale.path) };
}

const says = (page, text) => page.getByRole("main").getByText(text).first().waitFor();

test("allows joining once the sale opens", async () => {
  const sale = await server.openSale("Too Early", { queue: { state: "scheduled" }, shows: 2 });
  const { context, page, faults } = await visit(sale);
  await says(page, "has not opened yet");
  assert.equal(await page.getByTestId("join").count(), 0, "no button that does nothing");
  await page.getByTestId("not-open").waitFor();
  await inspect(page, "scheduled");
  await sale.open();
  await page.getByTestId("join").and(page.locator(":enabled")).waitFor();
  await inspect(page, "open");
  assert.deepEqual(faults, []);
  await context.close();
});

test("shows paused, open, sold out and closed while waiting", async () => {
  const sale = await server.openSale("Four Seasons", { ahead: 120, queue: { rate_per_second: 0.1, burst: 1 } });
  const { context, page, faults } = await visit(sale);
  await join(page);
  await says(page, "The line is paused");
  assert.match(await page.title(), /^121 in line/);
  await sale.set({ state: "open" });
  await page.getByTestId("wait").filter({ hasText: "minutes" }).waitFor();
  const shown = await position(page);
  await inspect(page, "moving");
  await sale.set({ state: "sold_out", message: "Thank you for your patience." });
  await page.getByTestId("sold-out").waitFor();
  await says(page, "Thank you for your patience.");
  await inspect(page, "sold-out");
  await sale.set({ state: "open" });
  await page.getByTestId("position").waitFor();
  assert.ok((await position(page)) <= shown, "a position never grows");
  await sale.set({ state: "closed" });
  await says(page, "The sale ended while you were in line");
  assert.equal(await page.getByTestId("join").count(), 0);
  assert.equal(await page.getByTestId("error").textContent(), "", "the end of a sale is no error");
  await inspect(page, "closed");
  assert.deepEqual(faults, []);
  await context.close();
});

test("shows an unknown event", async () => {
  for (const path of ["/e/0197a4b2-5c1e-7d3a-9f00-2b8c6d4e1a01", "/e/nonsense"]) {
    const { context, page, faults } = await visit({ path });
    await says(page, "There is no such event");
    await inspect(page, "missing");
    assert.deepEqual(faults, []);
    await context.close();
  }
});

test("asks for confirmation before leaving", async () => {
  const sale = await server.openSale("Never Mind", { ahead: 1 });
  const { context, page, faults } = await visit(sale);
  await join(page);
  await page.getByTestId("leave").click();
  await inspect(page, "leaving");
  await page.getByRole("button", { name: "Stay in line" }).click();
  assert.equal(await position(page), 2);
  await page.getByTestId("leave").click();
  await page.getByTestId("leave-yes").click();
  await page.getByTestId("join").waitFor();
  await page.reload();
  await page.getByTestId("join").waitFor();
  assert.deepEqual(faults, []);
  await context.close();
});

test("restores the place of a returning visitor", async () => {
  const sale = await server.openSale("Phone in the Pocket", { ahead: 3 });
  const { context, page, faults } = await visit(sale);
  await join(page);
  await page.close();
  await sale.takePlaces(2);
  const back = await open(context, origin, sale.path);
  await back.getByTestId("behind").filter({ hasText: "2 people behind you" }).waitFor();
  assert.equal(await position(back), 4);
  assert.deepEqual(faults, []);
  await context.close();
});

test("plays a sound for the pass only if enabled", async () => {
  const sale = await server.openSale("Listen");
  const { context, faults } = await user(browser, origin);
  await context.addInitScript(() => {
    globalThis.notes = 0;
    const start = OscillatorNode.prototype.start;
    OscillatorNode.prototype.start = function (...when) {
      globalThis.notes++;
      return start.apply(this, when);
    };
  });
  const notes = (page) => page.evaluate(() => globalThis.notes);
  const page = await open(context, origin, sale.path);
  await join(page);
  const asked = page.getByRole("switch", { name: "Play a sound" });
  assert.equal(await asked.isChecked(), false);
  await asked.check();
  assert.equal(await notes(page), 3, "it is heard at once what it will be");
  await page.reload();
  await page.getByTestId("position").waitFor();
  assert.ok(await asked.isChecked(), "a reload keeps the choice");
  await sale.open();
  await page.getByTestId("pass").waitFor();
  await page.waitForFunction(() => globalThis.notes === 3);
  assert.deepEqual(faults, []);
  await context.close();
});

test("notifies of the pass only if enabled and hidden", async () => {
  const sale = await server.openSale("Look Away");
  const { context, faults } = await user(browser, origin, { permissions: ["notifications"] });
  await context.addInitScript(() => {
    // A headless page is always looked at, and shows no notification: it is looked away from, and what it would show is noted.
    Object.defineProperty(document, "visibilityState", { get: () => (globalThis.away ? "hidden" : "visible") });
    globalThis.shown = [];
    globalThis.Notification = class {
      static permission = "granted";
      static requestPermission = async () => "granted";
      constructor(title, options) {
        globalThis.shown.push({ title, ...options });
      }
    };
    // The page shows it by the service worker where there is one.
    if (globalThis.ServiceWorkerRegistration) {
      ServiceWorkerRegistration.prototype.showNotification = async (title, options) => void globalThis.shown.push({ title, ...options });
    }
  });
  const page = await open(context, origin, sale.path);
  await join(page);
  const asked = page.getByRole("switch", { name: "Show a notification" });
  assert.equal(await asked.isChecked(), false);
  await asked.check();
  await page.evaluate(() => (globalThis.away = true));
  await sale.open();
  await page.getByTestId("pass").waitFor();
  assert.match(await page.title(), /It is your turn · Look Away/);
  await page.waitForFunction(() => globalThis.shown.length === 1);
  const [{ title, body }] = await page.evaluate(() => globalThis.shown);
  assert.match(`${title} ${body}`, /Look Away.*It is your turn|It is your turn.*Look Away/);
  assert.deepEqual(faults, []);
  await context.close();
});

test("shows an expired pass", async () => {
  const queue = { state: "open", rate_per_second: 20, burst: 20, pass_ttl_seconds: 2, claim_window_seconds: 2 };
  const sale = await server.openSale("Cannot Decide", { queue });
  const { context, page, faults } = await visit(sale);
  await join(page);
  await page.getByTestId("pass").waitFor();
  await says(page, "The time to choose seats is over");
  await inspect(page, "too-late");
  await page.getByTestId("join").click();
  await page.getByTestId("pass").waitFor();
  assert.deepEqual(faults, []);
  await context.close();
});

test("shows an expired hold", async () => {
  const sale = await server.openSale("Dawdle", { hold_seconds: 3, queue: { state: "open", rate_per_second: 20, burst: 20 } });
  const { context, page, faults } = await visit(sale);
  await join(page);
  await reserve(page, 1);
  await booking(page, "expired").waitFor();
  await inspect(page, "expired");
  await page.getByTestId("again").click();
  await page.getByTestId("join").waitFor();
  assert.deepEqual(faults, []);
  await context.close();
});

test("works with the keyboard alone", async () => {
  const sale = await server.openSale("By Hand", { queue: { state: "open", rate_per_second: 20, burst: 20 } });
  const { context, page, faults } = await visit(sale);
  await page.getByTestId("join").waitFor();
  await press(page, "join", "Enter");
  await page.getByTestId("pass").waitFor();
  await page.waitForFunction(() => document.activeElement?.tagName === "H1");
  await press(page, "zone", "Space");
  await press(page, "more", "Enter");
  await press(page, "reserve", "Enter");
  await press(page, "confirm", "Enter");
  await booking(page, "confirmed").waitFor();
  assert.deepEqual(faults, []);
  await context.close();
});

async function press(page, testId, key) {
  await page.getByTestId(testId).and(page.locator(":enabled")).first().waitFor();
  for (let steps = 0; steps < 60; steps++) {
    await page.keyboard.press("Tab");
    const focused = await page.evaluate(() => document.activeElement?.dataset["testid"]);
    if (focused !== testId) continue;
    return page.keyboard.press(key);
  }
  assert.fail(`${testId} cannot be reached with the keyboard`);
}

test("uses the browser's language unless the visitor chooses", async () => {
  const sale = await server.openSale("คืนเสียงสะท้อน", { ahead: 1, currency: "THB" });
  const { context, page, faults } = await visit(sale, { locale: "th-TH" });
  await page.getByTestId("join").filter({ hasText: "เข้าคิว" }).waitFor();
  await page.getByTestId("wish-add").click();
  await inspect(page, "thai-door");
  // Without the wish, so that there is something to choose.
  await page.reload();
  await join(page);
  await says(page, "คุณอยู่ในคิวแล้ว");
  assert.equal(await page.evaluate(() => document.documentElement.lang), "th");
  await inspect(page, "thai-waiting");
  await sale.open();
  await chooseSeats(page, 1);
  await inspect(page, "thai-turn");
  await page.getByRole("button", { name: "English" }).click();
  await says(page, "It is your turn");
  await page.reload();
  await says(page, "It is your turn");
  assert.deepEqual(faults, []);
  await context.close();
});

test("applies the event's branding and stays readable", async () => {
  const sale = await server.openSale("Yellow on White", { ahead: 1 });
  // A yellow ring.
  const logo =
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAADAAAAAwCAMAAABg3Am1AAAACVBMVEUAAAD/1AD///8bbL2HAAAAA3RSTlMA//9EUNYhAAAAkklEQVR42u2WQQ6AIAwEWf7/aBMTTWhLYQh4ck+G7kRQ2FLKBukVc08xCgTtCaJE1B8RUTUjepXhePLqSX9cHHxxV3YD9VbfQAE/IQsYi1+AAxqP5gFZ+PHV5sG6KCACyCwnAcoPfAGAH3d+L/HtjQ8QP6LnU4MHGY9KHMY87nlD4S2LN0Xedhca+8LVYeFyMtIFukkFKUsK31wAAAAASUVORK5CYII=";
  await sale.dress({ accent: "#ffd400", background: "#123456", message: "Doors at seven.", logo });
  const { context, page, faults } = await visit(sale);
  await says(page, "Doors at seven.");
  await page.getByTestId("wish-add").click();
  await inspect(page, "dressed");
  const band = await page.locator(".top").evaluate((top) => getComputedStyle(top).backgroundColor);
  assert.equal(band, "rgb(18, 52, 86)");
  assert.deepEqual(faults, []);
  await context.close();
});

for (const colorScheme of ["light", "dark"]) {
  test(`on a screen of 320 pixels, ${colorScheme}, without motion`, async () => {
    const name = "An Evening with a Remarkably Long and Unbreakable Name";
    const sale = await server.openSale(name, { ahead: 1, shows: 2 });
    const { context, page, faults } = await visit(sale, { viewport: { width: 320, height: 640 }, colorScheme, reducedMotion: "reduce" });
    await wish(page, "Friday evening · Floor");
    await page.getByTestId("wish-add").click();
    const wished = page.locator(".pick > span").first();
    assert.equal(await wished.textContent(), "Friday evening · Floor, €125.00");
    assert.ok(await wished.evaluate((text) => text.scrollWidth <= text.clientWidth), "it wraps");
    await inspect(page, `narrow-${colorScheme}-door`);
    await page.reload();
    await join(page);
    await inspect(page, `narrow-${colorScheme}-waiting`);
    await sale.open();
    await chooseSeats(page, 2);
    assert.equal(await page.evaluate(() => document.getAnimations().length), 0);
    await inspect(page, `narrow-${colorScheme}-turn`);
    await page.getByTestId("reserve").click();
    await page.getByTestId("confirm").click();
    await booking(page, "confirmed").waitFor();
    await page.getByTestId("qr").waitFor();
    await inspect(page, `narrow-${colorScheme}-confirmed`);
    assert.deepEqual(faults, []);
    await context.close();
  });
}
