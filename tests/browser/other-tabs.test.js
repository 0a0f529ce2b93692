// Several pages of one visitor: what one does, the others know within a second; and each page knows the places in all lines.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { inspect, launch, user } from "./browser.js";
import { Server, origin } from "./sale.js";
import { booking, join, open, reserve } from "./visitor.js";

const server = new Server();
const AT_ONCE = { state: "open", rate_per_second: 20, burst: 20 };
let browser;

before(async () => {
  browser = await launch();
});
after(() => browser?.close());

async function twoTabsWithAHold(name, options) {
  const sale = await server.openSale(name, { queue: AT_ONCE });
  const { context, faults } = await user(browser, origin, options);
  const first = await open(context, origin, sale.path);
  await join(first);
  await reserve(first, 1);
  const second = await open(context, origin, sale.path);
  await second.getByTestId("confirm").waitFor();
  return { context, faults, first, second };
}

test("shows a payment to the other tabs within a second", async () => {
  const { context, faults, first, second } = await twoTabsWithAHold("Pay Once");
  await first.getByTestId("confirm").click();
  await booking(first, "confirmed").waitFor();
  await booking(second, "confirmed").waitFor({ timeout: 1_000 });
  assert.equal(await second.getByTestId("confirm").count(), 0);
  assert.deepEqual(faults, []);
  await context.close();
});

test("shows a payment without a channel once the visitor turns to the tab, and never takes a second", async () => {
  const { context, faults, first, second } = await twoTabsWithAHold("No Channel");
  // The news does not arrive, as in a tab that was asleep.
  const confirmed = await booked(first);
  await fetchConfirm(first, confirmed);
  assert.equal(await second.getByTestId("confirm").count(), 1);
  await second.evaluate(() => dispatchEvent(new Event("focus")));
  await booking(second, "confirmed").waitFor({ timeout: 1_000 });
  await first.getByTestId("confirm").click();
  await booking(first, "confirmed").waitFor();
  assert.deepEqual(faults, []);
  await context.close();
});

const booked = (page) => page.getByTestId("booking-id").getAttribute("data-booking");

/** As another device of the same visitor would. */
function fetchConfirm(page, id) {
  return page.evaluate((id) => {
    const { token } = JSON.parse(localStorage.getItem("stanchion.identity"));
    return fetch(`/api/v1/bookings/${id}/confirm`, { method: "POST", headers: { Authorization: `Bearer ${token}` } }).then((answer) => answer.status);
  }, id);
}

test("takes one payment at a time", async () => {
  const { context, faults, first, second } = await twoTabsWithAHold("One Till");
  const posts = [];
  context.on("request", (request) => request.url().endsWith("/confirm") && posts.push(request.url()));
  let answer;
  const paying = new Promise((resolve) => (answer = resolve));
  await context.route("**/confirm", async (route) => (await paying, route.continue()));
  await first.getByTestId("confirm").click();
  await first.waitForRequest("**/confirm");
  await second.getByTestId("confirm").click();
  await second.getByTestId("error").filter({ hasText: "paying in another tab" }).waitFor();
  assert.equal(posts.length, 1);
  answer();
  await booking(second, "confirmed").waitFor();
  assert.equal(posts.length, 1);
  assert.deepEqual(faults, []);
  await context.close();
});

test("shows the number and then the turn on every page", async () => {
  const sale = await server.openSale("Northern Lights", { ahead: 2 });
  const other = await server.openSale("Southern Cross", { ahead: 1 });
  const { context, faults } = await user(browser, origin, { viewport: { width: 360, height: 740 } });
  const page = await open(context, origin, sale.path);
  await join(page);
  for (const path of ["/", "/bookings", other.path]) {
    await page.goto(`${origin}${path}`);
    const bar = page.getByTestId("place-bar-line");
    await bar.filter({ hasText: "You are number 3 in line" }).waitFor();
    await bar.filter({ hasText: "Northern Lights" }).waitFor();
    await inspect(page, `bar-line-${path === "/" ? "events" : path === "/bookings" ? "bookings" : "event"}`, { document: false });
  }

  await page.goto(`${origin}/`);
  await page.getByTestId("place-bar-line").waitFor();
  await sale.open();
  const turn = page.getByTestId("place-bar-turn");
  await turn.filter({ hasText: "It is your turn" }).waitFor();
  assert.match(await turn.textContent(), /[45]:\d\d/);
  await inspect(page, "bar-turn", { document: false });
  await page.goto(`${origin}/bookings`);
  await turn.getByRole("link", { name: "Choose seats" }).click();
  await page.getByTestId("pass").waitFor();
  assert.equal(new URL(page.url()).pathname, `${sale.path}/seats`);
  assert.equal(await page.getByTestId("place-bar").count(), 0, "its own page shows the turn itself");
  assert.deepEqual(faults, []);
  await context.close();
});

test("asks before a turn or held seats are given up", async () => {
  const sale = await server.openSale("Slippery Thumb", { queue: AT_ONCE });
  const { context, faults } = await user(browser, origin, { viewport: { width: 360, height: 740 } });
  const page = await open(context, origin, sale.path);
  await join(page);
  await page.getByTestId("leave").click();
  await inspect(page, "giving-up-turn", { document: false });
  await page.getByRole("button", { name: "Keep my turn" }).click();
  await page.waitForFunction(() => document.activeElement?.dataset["testid"] === "leave");
  await reserve(page, 1);
  await page.getByTestId("cancel").click();
  await inspect(page, "giving-up-seats", { document: false });
  await page.getByRole("button", { name: "Keep my seats" }).click();
  await page.getByTestId("confirm").waitFor();
  await page.getByTestId("cancel").click();
  await page.getByTestId("cancel-yes").click();
  await booking(page, "cancelled").waitFor();
  assert.deepEqual(faults, []);
  await context.close();
});
