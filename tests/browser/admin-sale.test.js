// The operators' page during a sale: what it says of a line that stands, of a server that does not answer, and of another operator.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { inspect, launch } from "./browser.js";
import { operating, signedIn } from "./operator.js";
import { Server, origin } from "./sale.js";
import { ServerProcess } from "./server-process.js";

const server = new Server();
const DESKTOP = { viewport: { width: 1440, height: 900 } };
const PHONE = { viewport: { width: 360, height: 740 } };
/** Figures are stale after 3 s; up to a second passes between two of them. */
const STALE_WITHIN_MS = 4_500;
let browser;

before(async () => {
  browser = await launch();
});
after(() => browser?.close());

const admission = (page, reason) => page.locator(`[data-testid=admission][data-admission=${reason}]`);

test("says in one sentence why the line stands", async () => {
  const sale = await server.openSale("Night of the Long Pause", { ahead: 3 });
  const { context, page, faults } = await operating(browser, sale, DESKTOP);
  await admission(page, "paused").waitFor();
  await page.getByText("3 of them away").waitFor({ timeout: 25_000 });
  assert.equal(await page.title(), "3 in line · Night of the Long Pause");

  await page.getByTestId("turn-open").click();
  await admission(page, "all_absent").filter({ hasText: "everybody in line is away" }).waitFor();
  await page.getByTestId("forecast").filter({ hasText: "nobody is let in" }).waitFor();
  await inspect(page, "admin-standing", { document: false });

  await page.getByTestId("rate_per_second").fill("0");
  await page.getByText("At 0 nobody is let in.").waitFor();
  await page.getByTestId("apply").click();
  await admission(page, "rate_zero").waitFor();
  assert.deepEqual(faults, []);
  await context.close();
});

test("counts nobody as away who has a pass", async () => {
  const sale = await server.openSale("Night of Ten Passes", { ahead: 10, queue: { state: "open", rate_per_second: 50, burst: 50 } });
  const { context, page, faults } = await operating(browser, sale);
  const shown = (name, value) =>
    page.waitForFunction(([name, value]) => document.querySelector(`[data-testid=${name}]`)?.textContent === value, [name, value]);
  await shown("active", "10");
  await shown("line", "0");

  // Guests who do not poll are away after 15 s: a sale that is opened later shows when that time is over.
  const later = await server.openSale("Night of One Poll", { ahead: 1 });
  const absent = async ({ event_id }) => (await server.call("GET", `admin/events/${event_id}/live`, undefined, await server.operator())).figures.absent;
  const deadline = Date.now() + 30_000;
  while ((await absent(later)) !== 1 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 250));
  assert.deepEqual([await absent(later), await absent(sale)], [1, 0]);
  await page.getByText("0 of them away").waitFor();
  assert.deepEqual(faults, []);
  await context.close();
});

test("shows within 3 s that the server does not answer", async () => {
  const own = await ServerProcess.start();
  try {
    const sale = await own.operate().openSale("Night of Silence", { ahead: 1, queue: { state: "open", rate_per_second: 0, burst: 1 } });
    const { context, page } = await operating(browser, sale, DESKTOP);
    const stale = page.getByTestId("stale").filter({ hasText: /as of \d/ });
    own.stop();
    const stopped = Date.now();
    await stale.waitFor();
    assert.ok(Date.now() - stopped <= STALE_WITHIN_MS, `after ${Date.now() - stopped} ms`);
    assert.equal(await page.locator(".cockpit.stale").count(), 1, "the figures look so");

    await page.getByTestId("turn-paused").click();
    await page.getByTestId("turn-paused").filter({ hasText: "Pausing…" }).waitFor();
    await page.getByTestId("outcome").filter({ hasText: "No answer for 3 seconds" }).waitFor();
    await inspect(page, "admin-stale", { document: false });
    own.resume();
    await page.locator("h1 + [data-testid=state][data-state=paused]").waitFor();
    await stale.waitFor({ state: "detached" });
    await context.close();
  } finally {
    own.resume();
    await own.end();
  }
});

test("one operator does not overwrite another unseen", async () => {
  const sale = await server.openSale("Night of Two Hands", { queue: { state: "open", rate_per_second: 1, burst: 1 } });
  const [olga, pete] = await Promise.all([operating(browser, sale, DESKTOP), operating(browser, sale, DESKTOP)]);
  const rate = async () => (await server.call("GET", `admin/events/${sale.event_id}/queue`, undefined, await server.operator())).rate_per_second;
  const field = ({ page }) => page.getByTestId("rate_per_second");

  await field(pete).fill("180");
  await field(olga).fill("420");
  await olga.page.getByTestId("apply").click();
  await olga.page.getByText("Applied on every node.").waitFor();
  await pete.page.getByTestId("rate_per_second-meanwhile").filter({ hasText: "420" }).waitFor();

  await pete.page.getByTestId("apply").click();
  const conflict = pete.page.getByTestId("conflict");
  await conflict.filter({ hasText: "operator changed this at" }).waitFor();
  assert.match(await conflict.textContent(), /now 420, yours 180/);
  assert.equal(await rate(), 7, "nothing was overwritten");
  await inspect(pete.page, "admin-conflict", { document: false });

  await pete.page.getByTestId("keep-theirs").click();
  assert.equal(await field(pete).inputValue(), "420");
  await field(pete).fill("180");
  await pete.page.getByTestId("apply").click();
  await pete.page.getByText("Applied on every node.").waitFor();
  assert.equal(await rate(), 3, "and now it was seen");

  // Different settings do not get in each other's way.
  await pete.page.getByTestId("max_active").fill("40");
  await sale.set({ message: "Soon" });
  await pete.page.getByTestId("apply").click();
  await olga.page.getByTestId("max_active-now").filter({ hasText: "Configured 40" }).waitFor();
  assert.deepEqual([...olga.faults, ...pete.faults].filter((fault) => !fault.includes("412")), []);
  await Promise.all([olga.context.close(), pete.context.close()]);
});

test("controls are beside the figures on a desktop and early on a phone", async () => {
  const sale = await server.openSale("Night above the Fold", { ahead: 2, queue: { state: "open", rate_per_second: 1, burst: 1 } });
  const bottom = async (page, name) => {
    const { y, height } = await page.getByTestId(name).boundingBox();
    return y + height;
  };
  const desktop = await operating(browser, sale, DESKTOP);
  for (const control of ["turn-paused", "rate_per_second", "max_active", "apply"]) {
    assert.ok((await bottom(desktop.page, control)) <= 900, `${control} ends at ${await bottom(desktop.page, control)}`);
  }
  const phone = await operating(browser, sale, PHONE);
  assert.ok((await bottom(phone.page, "turn-paused")) <= 740, `pause ends at ${await bottom(phone.page, "turn-paused")}`);
  assert.ok((await bottom(phone.page, "max_active")) <= 2 * 740, `the cap ends at ${await bottom(phone.page, "max_active")}`);
  await inspect(phone.page, "admin-phone", { document: false });
  await Promise.all([desktop.context.close(), phone.context.close()]);
});

test("plots tell the values and changes at a moment, by pointer and keyboard", async () => {
  const sale = await server.openSale("Night of Many Curves", { ahead: 4, queue: { state: "open", rate_per_second: 1, burst: 1 } });
  const { context, page, faults } = await operating(browser, sale, DESKTOP);
  await page.getByTestId("max_active").fill("55");
  await page.getByTestId("apply").click();
  await page.locator(".mark").first().waitFor({ state: "attached" });
  const samples = () => page.getByTestId("moment").getAttribute("max").then(Number);
  await page.waitForFunction(() => Number(document.querySelector("[data-testid=moment]")?.max) >= 5);
  assert.ok((await samples()) >= 5);

  const shown = page.getByTestId("moment-shown");
  assert.equal(await shown.textContent(), "now");
  await page.locator(".plot canvas").first().scrollIntoViewIfNeeded();
  const canvas = await page.locator(".plot canvas").first().boundingBox();
  const mark = await page.locator(".plot").first().locator(".mark").last().boundingBox();
  await page.mouse.move(mark.x, canvas.y + 60);
  await shown.filter({ hasText: /\d/ }).waitFor();
  await page.getByTestId("mark").filter({ hasText: "Shoppers inside, at most 100 → 55" }).waitFor();
  await page.screenshot({ path: new URL("artifacts/admin-hover.png", import.meta.url).pathname });
  await page.mouse.move(0, 0);
  await shown.filter({ hasText: "now" }).waitFor();

  await page.getByTestId("moment").focus();
  await page.keyboard.press("ArrowLeft");
  await shown.filter({ hasText: /\d/ }).waitFor();
  await page.keyboard.press("End");
  await shown.filter({ hasText: "now" }).waitFor();

  await page.getByTestId("range-6h").click();
  await page.getByTestId("mark").filter({ hasText: "Recorded since" }).waitFor();
  assert.deepEqual(faults, []);
  await context.close();
});

test("the overview tells events apart and pauses them all", async () => {
  const own = await ServerProcess.start();
  try {
    const there = own.operate();
    const queue = { state: "open", rate_per_second: 0, burst: 1 };
    const first = await there.openSale("Northern Lights", { ahead: 3, queue });
    const second = await there.openSale("Northern Lights", { shows: 2, queue: { ...queue, rate_per_second: 5 } });
    const { context, page, faults } = await signedIn(browser, own.origin, DESKTOP);
    const card = (sale) => page.getByTestId("event").filter({ hasText: sale.event_id.slice(-8) });
    await card(first).and(page.locator("[data-admission=rate_zero]")).waitFor();
    assert.ok(Number(await card(first).getByTestId("event-line").textContent()) >= 2);
    assert.match(await card(first).textContent(), /2030/);
    await inspect(page, "admin-overview", { document: false });

    await page.getByTestId("search").fill(second.event_id.slice(-8));
    await card(first).waitFor({ state: "detached" });
    await card(second).waitFor();
    await page.getByTestId("search").fill("2030");
    await card(first).waitFor();

    await page.getByTestId("pause-all").click();
    await page.getByTestId("confirm").click();
    await page.getByText(/^Paused: \d+\.$/).waitFor();
    for (const sale of [first, second]) {
      const { state } = await there.call("GET", `admin/events/${sale.event_id}/queue`, undefined, await there.operator());
      assert.equal(state, "paused");
    }
    assert.deepEqual(faults, []);
    await context.close();
  } finally {
    await own.end();
  }
});

test("works in a browser whose locale is no language", async () => {
  const sale = await server.openSale("Night of No Tongue");
  const { context, faults, page } = await signedIn(browser, origin, DESKTOP);
  await context.addInitScript(() => Object.defineProperty(navigator, "language", { value: "C", configurable: true }));
  await page.goto(`${origin}/admin#/events/${sale.event_id}`);
  await page.reload();
  await page.getByTestId("line").waitFor();
  await page.waitForFunction(() => document.querySelectorAll(".plot canvas").length === 6);
  assert.deepEqual(faults, []);
  await context.close();
});

test("the visitors' page beside the branding form follows every edit", async () => {
  const sale = await server.openSale("Night of New Colours");
  const { context, page, faults } = await operating(browser, sale, DESKTOP);
  const preview = page.frameLocator("[data-testid=preview]");
  await preview.getByRole("heading", { level: 1, name: "Night of New Colours" }).waitFor();
  const picture = await page.screenshot();

  await page.getByTestId("greeting").fill("Doors open at eight");
  await preview.getByText("Doors open at eight").waitFor();
  await page.getByTestId("accent").fill("#ffd400");
  await page.getByTestId("contrast").filter({ hasText: "WCAG" }).waitFor();
  const accent = () => preview.locator("html").evaluate((html) => html.style.getPropertyValue("--accent"));
  assert.match(await accent(), /^rgb/);
  assert.equal(await page.locator("html").evaluate((html) => html.style.length), 0, "this page keeps its colours");
  await page.getByTestId("preview-waiting").click();
  await preview.getByTestId("waiting").waitFor();

  await page.getByTestId("picture").setInputFiles({ name: "hall.png", mimeType: "image/png", buffer: picture });
  await page.getByText("Remove the picture").waitFor();
  await page.locator(".branding").scrollIntoViewIfNeeded();
  await inspect(page, "admin-branding", { document: false });
  await page.getByTestId("save-look").click();
  await page.getByText("Applied on every node.").waitFor();
  const { appearance } = await server.call("GET", `events/${sale.event_id}`);
  assert.match(appearance.picture, /^data:image\/(webp|jpeg);base64,/);
  assert.ok(appearance.picture.length <= 48 * 1024, `${appearance.picture.length} characters`);
  assert.deepEqual([appearance.accent, appearance.message], ["#ffd400", "Doors open at eight"]);
  assert.deepEqual(faults, []);
  await context.close();
});
