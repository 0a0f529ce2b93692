// Two visitors and an operator at once, each in a browser of their own: what one of them does, the others see.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { inspect, launch, user } from "./browser.js";
import { operating } from "./operator.js";
import { Server, origin } from "./sale.js";
import { booking, join, open, position, wish } from "./visitor.js";

const server = new Server();
let browser;

before(async () => {
  browser = await launch();
});
after(() => browser?.close());

/** A visitor in line, with a wish for seats in that zone. */
async function wishing(sale, zone, seats) {
  const { context, faults } = await user(browser, origin);
  const page = await open(context, origin, sale.path);
  await wish(page, zone, seats);
  await join(page);
  return { context, faults, page };
}

async function turn(operator, state) {
  await operator.page.getByTestId(`turn-${state}`).click();
  await operator.page.locator(`h1 + [data-testid=state][data-state=${state}]`).waitFor();
}

const says = (page, text) => page.getByRole("main").getByText(text).first().waitFor();
const movesTo = (page, most) =>
  page.waitForFunction(
    (most) => Number(document.querySelector("[data-testid=position]")?.textContent.replace(/\D/g, "")) <= most,
    most,
  );

async function pays({ page }) {
  await page.getByTestId("confirm").click();
  await booking(page, "confirmed").waitFor();
  await page.getByTestId("qr").waitFor();
}

/** Milliseconds from the press of an operator's button to what a visitor's page then shows. */
async function toSeen(visitor, selector, text, operator, button) {
  const seen = visitor.page.evaluate(
    ([selector, text]) =>
      new Promise((resolve) => {
        setTimeout(() => resolve(Infinity), 10_000);
        const found = () => [...document.querySelectorAll(selector)].some((one) => one.textContent.includes(text));
        const observer = new MutationObserver(() => found() && (observer.disconnect(), resolve(Date.now())));
        observer.observe(document, { childList: true, subtree: true, characterData: true });
      }),
    [selector, text],
  );
  await operator.page.getByTestId(button).and(operator.page.locator(":enabled")).waitFor();
  const pressed = await operator.page.evaluate((button) => {
    const now = Date.now();
    document.querySelector(`[data-testid=${button}]`).click();
    return now;
  }, button);
  return (await seen) - pressed;
}

test("shows an operator's changes to visitors within a second", async () => {
  const sale = await server.openSale("One Second", { ahead: 3, queue: { state: "open", rate_per_second: 0, burst: 1 } });
  const visitor = await user(browser, origin);
  const page = await open(visitor.context, origin, sale.path);
  await join(page);
  const operator = await operating(browser, sale);
  const took = { paused: await toSeen({ page }, "[data-testid=reason]", "The line is paused", operator, "turn-paused") };
  await operator.page.getByTestId("message").fill("Doors open at eight.");
  took.message = await toSeen({ page }, "[data-testid=notice]", "Doors open at eight.", operator, "send");
  await turn(operator, "open");
  await operator.page.getByTestId("rate_per_second").fill("3000"); // a minute
  took.rate = await toSeen({ page }, "[data-testid=pass] h1", "It is your turn", operator, "apply");
  console.log(`# from an operator's press to a visitor's page: ${JSON.stringify(took)} ms`);
  for (const [what, ms] of Object.entries(took)) assert.ok(ms < 1_000, `${what} was seen after ${ms} ms`);
  assert.deepEqual([...visitor.faults, ...operator.faults], []);
  await Promise.all([visitor.context.close(), operator.context.close()]);
});

test("holds preferred seats while an operator changes the queue", async () => {
  const sale = await server.openSale("Two by Two", { ahead: 6, queue: { rate_per_second: 1, burst: 1 } });
  const [ann, bob] = [await wishing(sale, "Balcony", 2), await wishing(sale, "Gallery", 1)];
  assert.deepEqual([await position(ann.page), await position(bob.page)], [7, 8]);
  const operator = await operating(browser, sale);

  await turn(operator, "open");
  await Promise.all([movesTo(ann.page, 6), movesTo(bob.page, 7)]);
  await turn(operator, "paused");
  await Promise.all([ann, bob].map(({ page }) => says(page, "The line is paused")));
  const [first, second] = [await position(ann.page), await position(bob.page)];
  assert.equal(second, first + 1, "nobody came between them");
  await inspect(operator.page, "admin-together", { document: false });

  await operator.page.getByTestId("rate_per_second").fill("3000"); // a minute
  await operator.page.getByTestId("apply").click();
  await turn(operator, "open");
  await Promise.all([ann, bob].map(({ page }) => booking(page, "reserved").waitFor()));
  assert.match(await booking(ann.page, "reserved").textContent(), /2 seats, Balcony/);
  assert.match(await booking(bob.page, "reserved").textContent(), /1 seat, Gallery/);

  await Promise.all([pays(ann), pays(bob)]);
  await operator.page.waitForFunction(() => document.querySelector("[data-testid=sold]")?.textContent.trim() === "3");
  const people = [ann, bob, operator];
  assert.deepEqual(people.flatMap(({ faults }) => faults), []);
  await Promise.all(people.map(({ context }) => context.close()));
});
