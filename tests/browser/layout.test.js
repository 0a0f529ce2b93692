// The page stays where it is while it fills, and on a phone what is needed now is always in view.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { inspect, launch, user } from "./browser.js";
import { Server, origin } from "./sale.js";
import { booking, chooseSeats, join, open } from "./visitor.js";

const MAX_SHIFT = 0.02;
const PHONE = { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true };
const DESKTOP = { viewport: { width: 1440, height: 900 } };
const server = new Server();
let browser;

before(async () => {
  browser = await launch();
});
after(() => browser?.close());

/** Sums layout shifts that no input caused, as the metric does, and names what moved. */
function recordShifts() {
  globalThis.shifts = [];
  new PerformanceObserver((list) => {
    for (const { value, hadRecentInput, sources } of list.getEntries()) {
      if (!hadRecentInput) globalThis.shifts.push({ value, moved: sources.map(({ node }) => node?.className || node?.nodeName) });
    }
  }).observe({ type: "layout-shift", buffered: true });
}

async function assertStill(page, name) {
  // Two frames, so that what was painted last has been reported.
  const shifts = await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => done(globalThis.shifts))))));
  const total = shifts.reduce((sum, { value }) => sum + value, 0);
  assert.ok(total <= MAX_SHIFT, `${name} moved by ${total.toFixed(3)}: ${JSON.stringify(shifts)}`);
}

for (const [size, options] of Object.entries({ phone: PHONE, desktop: DESKTOP })) {
  test(`moves nothing while it loads, on a ${size}`, async () => {
    const sale = await server.openSale("An Evening with a Rather Long Name", { ahead: 2, shows: 2 });
    const { context, faults } = await user(browser, origin, options);
    await context.addInitScript(recordShifts);
    // A network as slow as a phone's, so that every step of loading is painted.
    await context.route("**/*", (route) => setTimeout(() => route.continue().catch(() => {}), 60));
    const page = await open(context, origin, "/");
    await page.getByTestId("event").first().waitFor();
    await assertStill(page, "the list of events");
    await page.goto(`${origin}${sale.path}`);
    await page.getByTestId("join").waitFor();
    await assertStill(page, "the door");
    await join(page);
    await page.reload();
    await page.getByTestId("position").waitFor();
    await page.getByTestId("event-facts").waitFor();
    await assertStill(page, "the place");
    await sale.open();
    await page.getByTestId("pass").waitFor();
    await page.reload();
    await page.getByTestId("pass").waitFor();
    await assertStill(page, "the turn");
    assert.deepEqual(faults, []);
    await context.close();
  });
}

const inView = (locator) =>
  locator.evaluate((element) => {
    const { top, bottom, height } = element.getBoundingClientRect();
    return height > 0 && top >= 0 && bottom <= innerHeight;
  });

for (const colorScheme of ["light", "dark"]) {
  test(`keeps time, choice and button in view on a phone, ${colorScheme}`, async () => {
    const sale = await server.openSale("The Long Echo: two nights at the Harbour", { ahead: 1, shows: 2 });
    const { context, faults } = await user(browser, origin, { ...PHONE, colorScheme });
    const page = await open(context, origin, sale.path);
    await page.getByTestId("join").waitFor();
    await inspect(page, `phone-${colorScheme}-door`, { document: false });
    await join(page);
    await inspect(page, `phone-${colorScheme}-waiting`, { document: false });
    await sale.open();
    await chooseSeats(page, 2);
    for (const where of [0, 100_000]) {
      await page.evaluate((y) => scrollTo(0, y), where);
      const bar = page.getByTestId("checkout");
      for (const needed of [bar.locator(".clock"), bar.locator(".total"), page.getByTestId("reserve")]) assert.ok(await inView(needed), `at ${where}`);
      assert.match(await bar.textContent(), /2 seats · Floor/);
    }
    await page.evaluate(() => scrollTo(0, 0));
    await inspect(page, `phone-${colorScheme}-turn`, { document: false });
    await page.getByTestId("reserve").click();
    await page.getByTestId("confirm").waitFor();
    assert.ok(await inView(page.getByTestId("payment-bar").locator(".clock")));
    await inspect(page, `phone-${colorScheme}-held`, { document: false });
    await page.getByTestId("confirm").click();
    await booking(page, "confirmed").waitFor();
    await page.getByTestId("qr").waitFor();
    await inspect(page, `phone-${colorScheme}-confirmed`, { document: false });
    assert.deepEqual(faults, []);
    await context.close();
  });

  test(`uses two columns on a desktop, ${colorScheme}`, async () => {
    const sale = await server.openSale("The Long Echo: two nights at the Harbour", { ahead: 1, shows: 2 });
    await sale.dress({ picture: PICTURE });
    const { context, faults } = await user(browser, origin, { ...DESKTOP, colorScheme });
    const page = await open(context, origin, sale.path);
    await page.getByTestId("join").waitFor();
    await inspect(page, `desktop-${colorScheme}-door`, { document: false });
    await join(page);
    const [place, wishes] = await Promise.all([page.getByTestId("waiting").boundingBox(), page.getByTestId("wish").boundingBox()]);
    assert.ok(wishes.x > place.x + place.width, "side by side");
    assert.match(await page.getByTestId("event-facts").textContent(), /€45\.00 to €125\.00.*4 seats/);
    await inspect(page, `desktop-${colorScheme}-waiting`, { document: false });
    await sale.open();
    await chooseSeats(page, 2);
    await inspect(page, `desktop-${colorScheme}-turn`, { document: false });
    await page.getByTestId("reserve").click();
    await page.getByTestId("confirm").click();
    await booking(page, "confirmed").waitFor();
    await page.getByTestId("qr").waitFor();
    await inspect(page, `desktop-${colorScheme}-confirmed`, { document: false });
    assert.deepEqual(faults, []);
    await context.close();
  });
}

/** A stage in two colours. */
const PICTURE =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

test("makes the turn unmistakable, without motion for who asked for none", async () => {
  const sale = await server.openSale("Across the Room", { ahead: 1 });
  const { context, faults } = await user(browser, origin, { ...DESKTOP, reducedMotion: "reduce" });
  const page = await open(context, origin, sale.path);
  await join(page);
  await sale.open();
  const turn = page.getByTestId("pass");
  await turn.waitFor();
  const { x, width } = await turn.boundingBox();
  assert.deepEqual([x, width], [0, DESKTOP.viewport.width], "from edge to edge");
  const [ground, accent, size] = await turn.evaluate((element) => {
    const probe = Object.assign(document.createElement("i"), { style: "color: var(--accent)" });
    document.body.append(probe);
    return [getComputedStyle(element).backgroundColor, getComputedStyle(probe).color, Number.parseFloat(getComputedStyle(element.querySelector("h1")).fontSize)];
  });
  assert.equal(ground, accent);
  assert.ok(size >= 48, `${size} px`);
  assert.equal(await page.evaluate(() => document.getAnimations().length), 0);
  assert.deepEqual(faults, []);
  await context.close();
});

test("describes itself to search engines and chats", async () => {
  const html = await (await fetch(new URL("/", origin))).text();
  for (const tag of [/<meta name="description" content="[^"]{40,}"/, /<meta property="og:title"/, /<meta property="og:description"/]) assert.match(html, tag);
});
