// The whole way of a visitor through a real browser: list, door, line, pass, seats, payment, code; with every reload between.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { inspect, launch, user } from "./browser.js";
import { Server, origin } from "./sale.js";
import { booking, bookingId, chooseSeats, join, open, position, reserve, wish } from "./visitor.js";

const server = new Server();
let browser;

before(async () => {
  browser = await launch();
});
after(() => browser?.close());

test("leads from the event list to a confirmed booking over reloads", async () => {
  const sale = await server.openSale("Night of the Long Echo", { ahead: 2, shows: 2 });
  const { context, faults } = await user(browser, origin);
  const page = await open(context, origin, "/");
  await page.getByTestId("event").filter({ hasText: "Night of the Long Echo" }).click();
  await page.waitForURL(`**${sale.path}`);
  await join(page);
  assert.equal(await position(page), 3);
  await page.reload();
  assert.equal(await position(page), 3, "a reload keeps the place");
  await inspect(page, "waiting");

  await sale.open();
  await chooseSeats(page, 2);
  assert.equal(new URL(page.url()).pathname, `${sale.path}/seats`);
  assert.match(await page.title(), /It is your turn/);
  await inspect(page, "turn");
  await page.reload();
  const id = await reserve(page, 2);
  await inspect(page, "held");
  await page.reload();
  await page.getByTestId("confirm").waitFor();
  assert.equal(await bookingId(page), id, "a reload keeps the hold");

  const list = await open(context, origin, "/");
  await list.getByTestId("unpaid").waitFor();
  await inspect(list, "events-unpaid", { document: false });
  await list.getByTestId("unpaid").getByRole("link").click();
  await list.getByTestId("confirm").waitFor();
  await list.close();

  await page.getByTestId("confirm").click();
  await booking(page, "confirmed").waitFor();
  await page.getByTestId("qr").waitFor();
  await page.getByRole("heading", { name: "Booking confirmed" }).waitFor();
  assert.equal(await page.getByTestId("booking-event").textContent(), "Night of the Long Echo", "the ticket names its event");
  await inspect(page, "confirmed");
  await page.reload();
  await booking(page, "confirmed").waitFor();
  assert.equal(await bookingId(page), id, "a reload keeps the confirmation");
  const reference = await page.getByTestId("reference").textContent();

  await page.goto(`${origin}/bookings`);
  const past = page.getByTestId("past-booking");
  await past.filter({ hasText: reference }).waitFor();
  await inspect(page, "bookings");
  assert.equal(await page.getByTestId("error").textContent(), "");
  assert.deepEqual(faults, []);
  await context.close();
});

test("delivers preferred seats with the pass", async () => {
  const sale = await server.openSale("Wishing Well");
  const { context, faults } = await user(browser, origin);
  const page = await open(context, origin, sale.path);
  await page.getByTestId("wish-add").click();
  assert.equal(await page.getByTestId("wish-saved").textContent(), "", "nothing is wished for that nobody chose");
  assert.equal(await page.locator(".pick > span").first().textContent(), "Choose a zone…");
  await page.getByRole("button", { name: /Remove/ }).click();
  await wish(page, "Balcony");
  await join(page);
  await page.reload();
  await page.getByTestId("position").waitFor();
  await sale.open();
  await booking(page, "reserved").waitFor();
  assert.match(await booking(page, "reserved").textContent(), /2 seats, Balcony/);
  assert.deepEqual(faults, []);
  await context.close();
});

test("shows seats that are held after the pass without a reload", async () => {
  const sale = await server.openSale("Second Thoughts");
  const { context, faults } = await user(browser, origin);
  let answer;
  const answered = new Promise((resolve) => (answer = resolve));
  // As a gateway does whose booking is slow: the pass first, the seats later.
  await context.routeWebSocket(/\/api\/v1\/ws$/, (socket) => {
    const server = socket.connectToServer();
    server.onMessage(async (frame) => {
      const { hold, ...message } = JSON.parse(frame);
      if (!hold) return socket.send(frame);
      socket.send(JSON.stringify(message));
      await answered;
      socket.send(JSON.stringify({ ...hold, type: "reserved", ref: `wish-${message.pass_id}` }));
    });
  });
  const page = await open(context, origin, sale.path);
  await wish(page, "Balcony");
  await join(page);
  await page.evaluate(() => (globalThis.loadedOnce = true));
  await sale.open();
  await page.getByTestId("pass").waitFor();
  assert.equal(await booking(page, "reserved").count(), 0);
  answer();
  await booking(page, "reserved").waitFor();
  assert.match(await booking(page, "reserved").textContent(), /2 seats, Balcony/);
  await page.getByTestId("confirm").waitFor();
  assert.ok(await page.evaluate(() => globalThis.loadedOnce), "the page was not loaded again");
  assert.deepEqual(faults, []);
  await context.close();
});

test("keeps place and pass over back and forward", async () => {
  const sale = await server.openSale("There and Back", { ahead: 2 });
  const { context, faults } = await user(browser, origin);
  const page = await open(context, origin, "/");
  await page.getByTestId("event").filter({ hasText: "There and Back" }).click();
  await join(page);
  assert.equal(await position(page), 3);
  await page.goBack();
  await page.getByTestId("event").first().waitFor();
  await page.goForward();
  await page.getByTestId("position").waitFor();
  assert.equal(await position(page), 3, "the place is kept");

  await sale.open();
  await page.getByTestId("pass").waitFor();
  assert.equal(new URL(page.url()).pathname, `${sale.path}/seats`);
  await page.goBack();
  await page.getByTestId("event").first().waitFor();
  await page.goForward();
  await reserve(page, 1);
  await page.goBack();
  await page.goForward();
  await page.getByTestId("confirm").waitFor();
  assert.deepEqual(faults, []);
  await context.close();
});

test("shows remaining seats when no preference fits", async () => {
  const zones = [
    { name: "Box", capacity: 1, unit_price: 20_000 },
    { name: "Stalls", capacity: 40, unit_price: 3_000 },
  ];
  const sale = await server.openSale("Too Late", { zones });
  const { context, faults } = await user(browser, origin);
  const page = await open(context, origin, sale.path);
  await wish(page, "Box");
  await join(page);
  await sale.open();
  await page.getByTestId("pass").getByText("went to people ahead of you").waitFor();
  const missing = page.getByTestId("missing");
  const reserve = page.getByTestId("reserve");
  await missing.filter({ hasText: "Choose a zone." }).waitFor();
  assert.equal(await page.getByRole("radio", { checked: true }).count(), 0, "no zone that cannot hold the wish is chosen for anybody");
  await inspect(page, "wish-gone");

  await page.getByRole("radio", { name: /Box/ }).check();
  await missing.filter({ hasText: "Only 1 seat is free there." }).waitFor();
  assert.ok(await reserve.isDisabled());
  await page.getByRole("button", { name: "ไทย" }).click();
  await missing.filter({ hasText: "เหลือเพียง 1 ที่" }).waitFor();
  await inspect(page, "wish-short-thai", { document: false });
  await page.getByRole("button", { name: "English" }).click();
  await page.getByTestId("fewer").click();
  assert.equal(await missing.textContent(), "");
  assert.ok(await reserve.isEnabled(), "one seat is free, and one is asked for");
  await page.getByTestId("more").click();

  await page.getByRole("radio", { name: /Stalls/ }).check();
  assert.equal(await missing.textContent(), "");
  await reserve.click();
  await booking(page, "reserved").waitFor();
  assert.match(await booking(page, "reserved").textContent(), /2 seats, Stalls/);
  assert.deepEqual(faults, []);
  await context.close();
});

test("updates availability and disables full zones", async () => {
  const zones = [{ name: "Box", capacity: 4, unit_price: 20_000 }, { name: "Stalls", capacity: 40, unit_price: 3_000 }];
  const sale = await server.openSale("Going, going", { zones, queue: { state: "open", rate_per_second: 50, burst: 50 } });
  const { context, faults } = await user(browser, origin);
  const page = await open(context, origin, sale.path);
  await join(page);
  await page.getByTestId("free").filter({ hasText: "4 seats free" }).waitFor();
  const { context: other } = await user(browser, origin);
  const rival = await open(other, origin, sale.path);
  await join(rival);
  await reserve(rival, 4);
  await page.getByTestId("free").filter({ hasText: "Sold out" }).waitFor();
  assert.ok(await page.getByTestId("zone").first().isDisabled());
  assert.deepEqual(faults, []);
  await Promise.all([context.close(), other.close()]);
});
