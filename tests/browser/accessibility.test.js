// Accessibility: the pages for screen readers, enlarged, and on paper.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { inspect, launch, user } from "./browser.js";
import { Server, origin } from "./sale.js";
import { booking, chooseSeats, join, open, reserve } from "./visitor.js";

const server = new Server();
const AT_ONCE = { state: "open", rate_per_second: 20, burst: 20 };
let browser;

before(async () => {
  browser = await launch();
});
after(() => browser?.close());

test("announces a fast queue politely and rarely", async () => {
  const sale = await server.openSale("Brisk Walk", { ahead: 60, queue: { state: "open", rate_per_second: 0, burst: 1 } });
  const { context, faults } = await user(browser, origin);
  await context.addInitScript(() => {
    globalThis.heard = { announcer: [], position: [] };
    const note = (name, text) => text && text !== globalThis.heard[name].at(-1) && globalThis.heard[name].push(text);
    const noteAll = () => {
      for (const name of Object.keys(globalThis.heard)) note(name, document.querySelector(`[data-testid=${name}]`)?.textContent);
    };
    new MutationObserver(noteAll).observe(document, { childList: true, characterData: true, subtree: true });
  });
  const page = await open(context, origin, sale.path);
  await sale.set({ rate_per_second: 6 });
  await join(page);
  await page.waitForFunction(() => globalThis.heard.position.length >= 6);
  const { announcer, position } = await page.evaluate(() => globalThis.heard);
  assert.equal(announcer.length, 1, `${position.length} positions were announced as: ${announcer.join(" | ")}`);
  assert.match(announcer[0], /\d/, "and not withheld because it moves");
  const politeness = await page.getByTestId("announcer").evaluate(({ role, ariaLive }) => ariaLive ?? role);
  assert.ok(["status", "polite"].includes(politeness), "it never interrupts");
  assert.equal(await page.locator("main [aria-live=assertive]").count(), 0);
  assert.deepEqual(faults, []);
  await context.close();
});

const ENLARGED = {
  "200 % of the page": { viewport: { width: 640, height: 450 }, deviceScaleFactor: 2 },
  "200 % of the text": { viewport: { width: 1280, height: 900 }, text: 2 },
};
for (const [how, { text = 1, ...options }] of Object.entries(ENLARGED)) {
  test(`enlarged to ${how}, nothing is cut and nothing scrolls sideways`, async () => {
    const sale = await server.openSale("An Evening with Large Letters", { ahead: 1, shows: 2 });
    const { context, faults } = await user(browser, origin, options);
    await context.addInitScript((text) => {
      document.addEventListener("DOMContentLoaded", () => (document.documentElement.style.fontSize = `${text * 100}%`));
    }, text);
    const page = await open(context, origin, sale.path);
    // That the same states are accessible is seen elsewhere.
    const look = (name) => inspect(page, `enlarged-${text}-${name}`, { document: false, axe: false });
    await page.getByTestId("wish-add").click();
    await look("door");
    await page.getByRole("button", { name: /Remove/ }).click();
    await join(page);
    await look("waiting");
    await sale.open();
    await chooseSeats(page, 2);
    await look("turn");
    await page.getByTestId("reserve").click();
    await page.getByTestId("confirm").click();
    await page.getByTestId("qr").waitFor();
    await look("confirmed");
    assert.deepEqual(faults, []);
    await context.close();
  });
}

test("prints a confirmed booking with reference and code, without buttons", async () => {
  const sale = await server.openSale("Paper Ticket", { queue: AT_ONCE });
  await sale.dress({ background: "#123456", accent: "#ffd400" });
  const { context, faults } = await user(browser, origin, { colorScheme: "dark" });
  const page = await open(context, origin, sale.path);
  await join(page);
  await reserve(page, 2);
  await page.getByTestId("confirm").click();
  await booking(page, "confirmed").waitFor();
  await page.getByTestId("qr").waitFor();
  await page.emulateMedia({ media: "print" });
  for (const kept of ["reference", "qr", "booking-id"]) assert.ok(await page.getByTestId(kept).isVisible(), kept);
  assert.ok(await page.getByText("Paper Ticket").first().isVisible());
  assert.equal(await page.locator("button:visible, footer:visible").count(), 0, "paper has no buttons");
  const colours = await page.evaluate(() => {
    const of = (selector) => getComputedStyle(document.querySelector(selector));
    return [of("body").backgroundColor, of(".brand").color, of("[data-testid=reference]").color];
  });
  assert.deepEqual(colours, ["rgb(255, 255, 255)", "rgb(0, 0, 0)", "rgb(0, 0, 0)"], "black on white, whatever the screen's colours");
  await inspect(page, "printed", { document: false });
  assert.deepEqual(faults, []);
  await context.close();
});
