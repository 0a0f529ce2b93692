// What an event costs, and where and when it is: the same for every browser, on every page, in the form and in the calendar.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import ICAL from "ical.js";
import { inspect, launch, user } from "./browser.js";
import { signedIn } from "./operator.js";
import { Server, origin } from "./sale.js";
import { booking, join, open, reserve } from "./visitor.js";

const server = new Server();
let browser;

before(async () => {
  browser = await launch();
});
after(() => browser?.close());

const OSLO = { venue: "Rockefeller", city: "Oslo", time_zone: "Europe/Oslo" };
const OPEN = { state: "open", rate_per_second: 50, burst: 50 };
/** Spaces of any width are the same, as locales use several. */
const plain = (text) => text.replace(/\s+/g, " ").trim();

test("shows prices with the digits of ISO 4217", async () => {
  const { context, faults } = await user(browser, origin);
  const zones = [{ name: "Floor", capacity: 5, unit_price: 1_250_000 }];
  for (const [currency, shown] of [
    ["HUF", "12,500.00"],
    ["IDR", "12,500.00"],
    ["COP", "12,500.00"],
    ["LAK", "12,500.00"],
    ["JPY", "1,250,000"],
    ["KWD", "1,250.000"],
  ]) {
    const sale = await server.openSale(`Paid in ${currency}`, { currency, zones, queue: OPEN });
    const page = await open(context, origin, sale.path);
    const price = plain(await page.locator(".shows .numeral").textContent());
    assert.ok(price.endsWith(shown), `${price}, ${shown}`);
    if (currency === "HUF") {
      await join(page);
      await reserve(page, 2);
      assert.match(plain(await page.getByTestId("booking-total").textContent()), /25,000\.00$/);
      assert.match(plain(await page.getByTestId("confirm").textContent()), /25,000\.00$/);
    }
    await page.close();
  }
  assert.deepEqual(faults, []);
  await context.close();
});

test("stores the price and the time that the operators' form shows", async () => {
  const { context, page, faults } = await signedIn(browser, origin, { timezoneId: "America/Los_Angeles" });
  await page.getByTestId("new-event").click();
  const fill = (field, value) => page.getByTestId(field).fill(value);
  for (const [field, value] of [
    ["name", "An Evening in Forint"],
    ["venue", "Akvárium"],
    ["city", "Budapest"],
    ["currency", "HUF"],
    ["time_zone", "Europe/Atlantis"],
    ["shows[0].name", "Friday"],
    ["shows[0].starts_at_local", "2030-05-03T20:00"],
    ["shows[0].zones[0].name", "Floor"],
    ["shows[0].zones[0].unit_price", "12500"],
  ]) {
    await fill(field, value);
  }
  await page.getByText("Starts at").waitFor();
  await page.getByTestId("create").click();
  await page.locator("[data-testid=time_zone][aria-invalid=true]").waitFor();
  await fill("time_zone", "Europe/Budapest");
  await page.getByText("time at the venue (Europe/Budapest)").waitFor();
  await inspect(page, "admin-new-event-venue", { document: false });
  await page.getByTestId("create").click();
  await page.getByRole("heading", { level: 1, name: "An Evening in Forint" }).waitFor();

  const event = await server.call("GET", `events/${new URL(page.url()).hash.split("/").at(-1)}`);
  assert.deepEqual([event.venue, event.city, event.time_zone, event.currency], ["Akvárium", "Budapest", "Europe/Budapest", "HUF"]);
  assert.equal(event.shows[0].starts_at, "2030-05-03T18:00:00Z");
  assert.equal(event.shows[0].zones[0].unit_price, 1_250_000);
  assert.equal(event.hold_seconds, 600);
  assert.deepEqual(faults, []);
  await context.close();
});

test("shows the venue's time to every browser", async () => {
  const sale = await server.openSale("Midnight Sun", { ...OSLO, queue: OPEN });
  const texts = [];
  for (const timezoneId of ["Asia/Tokyo", "Europe/Oslo", "America/Los_Angeles"]) {
    const { context, faults } = await user(browser, origin, { timezoneId });
    const list = await open(context, origin, "/");
    const listed = list.getByTestId("event").filter({ hasText: "Midnight Sun" });
    await listed.waitFor();
    const seen = [await listed.textContent()];

    const page = await open(context, origin, sale.path);
    const where = async (locator) => seen.push(await locator.textContent());
    await where(page.locator(".shows"));
    await join(page);
    await page.getByTestId("pass").waitFor();
    await where(page.locator("legend"));
    await reserve(page, 1);
    await where(page.getByTestId("booking"));
    await page.getByTestId("confirm").click();
    await booking(page, "confirmed").waitFor();
    await page.emulateMedia({ media: "print" });
    const printed = page.getByTestId("booking").getByTestId("event-time");
    await printed.waitFor();
    await where(printed);
    await page.getByTestId("booking").getByTestId("place").waitFor();
    if (timezoneId === "Asia/Tokyo") await inspect(page, "ticket-printed", { document: false, axe: false });
    for (const text of seen) assert.match(plain(text), /Friday,? 3 May 2030 at 20:00 Central European Summer Time/, timezoneId);
    texts.push(seen.at(-1));
    assert.deepEqual(faults, []);
    await context.close();
  }
  assert.equal(new Set(texts).size, 1);
});

test("names the visitor's zone if the event has none", async () => {
  const sale = await server.openSale("Somewhere");
  const { context } = await user(browser, origin, { timezoneId: "Asia/Tokyo" });
  const page = await open(context, origin, sale.path);
  assert.match(plain(await page.getByTestId("event-time").first().textContent()), /Saturday,? 4 May 2030 at 0?3:00 Japan Standard Time/);
  await context.close();
});

test("shows place and time while waiting and without script", async () => {
  const sale = await server.openSale("Long Wait", { ...OSLO, ahead: 1 });
  const { context } = await user(browser, origin, { timezoneId: "Asia/Tokyo" });
  const page = await open(context, origin, sale.path);
  await join(page);
  assert.match(plain(await page.getByTestId("event-facts").textContent()), /Rockefeller, Oslo.*Friday,? 3 May 2030 at 20:00 Central European/);
  await inspect(page, "waiting-venue", { document: false });
  await context.close();

  const scriptless = await user(browser, origin, { javaScriptEnabled: false });
  const noscript = await open(scriptless.context, origin, `${sale.path}?plain`);
  await noscript.getByText("2030-05-03 20:00 (Europe/Oslo)").first().waitFor();
  await noscript.getByText("Rockefeller, Oslo").waitFor();
  await noscript.screenshot({ path: new URL("artifacts/plain-venue.png", import.meta.url).pathname });
  await scriptless.context.close();
});

test("serves a calendar file that a parser reads", async () => {
  const sale = await server.openSale("Notes; commas, and \\ backslashes", { ...OSLO, shows: 2, queue: OPEN });
  const text = await (await fetch(new URL(`/api/v1/events/${sale.event_id}/calendar`, origin))).text();
  const calendar = new ICAL.Component(ICAL.parse(text));
  const events = calendar.getAllSubcomponents("vevent").map((event) => new ICAL.Event(event));
  assert.equal(calendar.getFirstPropertyValue("version"), "2.0");
  assert.deepEqual(
    events.map(({ summary, location, startDate }) => [summary, location, startDate.toJSDate().toISOString()]),
    [
      ["Notes; commas, and \\ backslashes · Friday evening", "Rockefeller, Oslo", "2030-05-03T18:00:00.000Z"],
      ["Notes; commas, and \\ backslashes · Saturday evening", "Rockefeller, Oslo", "2030-05-04T18:00:00.000Z"],
    ],
  );
  assert.equal(new Set(events.map(({ uid }) => uid)).size, 2);

  const { context, faults } = await user(browser, origin);
  const page = await open(context, origin, sale.path);
  await join(page);
  await reserve(page, 1);
  await page.getByTestId("confirm").click();
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByTestId("calendar").click()]);
  const saved = await new Response(await streamed(download)).text();
  assert.equal(new ICAL.Component(ICAL.parse(saved)).getAllSubcomponents("vevent").length, 1, "the show of the booking");
  assert.deepEqual(faults, []);
  await context.close();
});

test("needs no payment for what is free", async () => {
  const zones = [{ name: "Lawn", capacity: 20, unit_price: 0 }];
  const sale = await server.openSale("Open Air", { zones, queue: OPEN });
  const { context, faults } = await user(browser, origin);
  const loaded = [];
  context.on("request", (request) => loaded.push(request.url()));
  const page = await open(context, origin, sale.path);
  assert.equal(await page.locator(".shows .numeral").textContent(), "Free");
  await join(page);
  await reserve(page, 2);
  assert.equal(await page.getByTestId("booking-total").textContent(), "Free");
  assert.equal(await page.getByTestId("confirm").textContent(), "Confirm");
  await inspect(page, "free", { document: false });

  const list = await open(context, origin, "/");
  await list.getByTestId("unpaid").filter({ hasText: "You hold 2 seats that are not confirmed." }).waitFor();
  await list.close();
  await page.getByTestId("confirm").click();
  await booking(page, "confirmed").waitFor();
  assert.deepEqual(loaded.filter((url) => /payment/.test(url)), [], "no payment provider is loaded");
  assert.equal(await page.getByText("€0.00").count(), 0);
  assert.deepEqual(faults, []);
  await context.close();
});

test("says sold out only when nothing comes back", async () => {
  const zones = [{ name: "Box", capacity: 1, unit_price: 5_000 }];
  const sale = await server.openSale("Last Seat", { zones, queue: OPEN });
  const buyer = await user(browser, origin);
  const buying = await open(buyer.context, origin, sale.path);
  await join(buying);
  await reserve(buying, 1);

  const { context, faults } = await user(browser, origin);
  const waiting = await open(context, origin, sale.path);
  await join(waiting);
  await waiting.getByTestId("reason").filter({ hasText: "Some may come back." }).waitFor();
  assert.equal(await waiting.getByTestId("sold-out").count(), 0, "the seat is not paid for yet");

  await buying.getByTestId("confirm").click();
  await booking(buying, "confirmed").waitFor();
  await waiting.getByTestId("sold-out").waitFor();
  assert.equal(await waiting.getByText("come back").count(), 0);
  await inspect(waiting, "sold-out-for-good", { document: false });

  const late = await open(context, origin, "/");
  await late.getByTestId("event").filter({ hasText: "Last Seat" }).filter({ hasText: "Sold out" }).waitFor();
  await waiting.getByTestId("leave").click();
  await waiting.getByTestId("sale").filter({ hasText: "Sold out" }).waitFor();
  assert.equal(await waiting.getByTestId("join").count(), 0);
  assert.deepEqual(faults, []);
  await Promise.all([context.close(), buyer.context.close()]);
});

test("brings a ticket back after site data was cleared", async () => {
  const sale = await server.openSale("Memory Lane", { ...OSLO, queue: OPEN });
  const { context, faults } = await user(browser, origin);
  const page = await open(context, origin, sale.path);
  await join(page);
  const id = await reserve(page, 2);
  await page.getByTestId("confirm").click();
  await booking(page, "confirmed").waitFor();
  const code = page.getByTestId("code").filter({ hasText: /^[0-9A-Z]{4}(-[0-9A-Z]{4}){3}$/ });
  await code.waitFor();
  const shown = await code.textContent();
  await inspect(page, "ticket-keep", { document: false });
  const [picture] = await Promise.all([page.waitForEvent("download"), page.getByTestId("picture").click()]);
  assert.match(picture.suggestedFilename(), /^ticket-[0-9A-F-]+\.png$/);
  await picture.saveAs(new URL("artifacts/ticket-card.png", import.meta.url).pathname);

  await context.clearCookies();
  await page.evaluate(() => localStorage.clear());
  await page.goto(`${origin}/bookings`);
  await page.getByTestId("no-bookings").waitFor();
  const type = async (text) => {
    await page.getByTestId("recovery-code").fill(text);
    await page.getByTestId("recover").click();
  };
  await type("0000 0000 0000 0000");
  await page.getByTestId("recover-hint").filter({ hasText: "No ticket has this code." }).waitFor();
  await inspect(page, "recover", { document: false });
  await type(shown.toLowerCase().replaceAll("-", " "));
  const ticket = page.getByTestId("recovered");
  await ticket.getByTestId("qr").waitFor();
  assert.equal(await ticket.getAttribute("data-booking"), id);
  await ticket.filter({ hasText: "Memory Lane" }).filter({ hasText: "2 seats, Floor" }).filter({ hasText: "Rockefeller, Oslo" }).waitFor();
  await inspect(page, "recovered", { document: false });
  await page.reload();
  await ticket.getByTestId("qr").waitFor();

  const other = await user(browser, origin, { locale: "th-TH" });
  const elsewhere = await open(other.context, origin, `/bookings#code=${shown}`);
  await elsewhere.getByTestId("recovered").getByTestId("qr").waitFor();
  assert.equal(new URL(elsewhere.url()).hash, "", "the address does not keep the code");
  await inspect(elsewhere, "recovered-thai", { document: false });
  assert.ok((await server.metric("stanchion_booking_recovery_attempts_total")) >= 4, "found thrice, unknown once");
  assert.deepEqual([...faults, ...other.faults], []);
  await Promise.all([context.close(), other.context.close()]);
});

async function streamed(download) {
  const chunks = [];
  for await (const chunk of await download.createReadStream()) chunks.push(chunk);
  return Buffer.concat(chunks);
}
