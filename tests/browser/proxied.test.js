// A real proxy that loses its route and answers 404 itself: no user loses anything, and all reconnect by themselves.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Proxy } from "../proxies/proxies.mjs";
import { Relay } from "../proxies/stanchion.mjs";
import { inspect, launch, user } from "./browser.js";
import { ServerProcess } from "./server-process.js";
import { booking, bookingId, chooseSeats, join, open, position } from "./visitor.js";

let browser;
let stanchion;
let server;
let relay;
let proxy;

before(async () => {
  [browser, stanchion] = await Promise.all([launch(), ServerProcess.start()]);
  server = stanchion.operate();
  relay = await Relay.before(stanchion.port);
  proxy = await Proxy.start("Traefik", relay.port);
});
after(async () => {
  await browser?.close();
  relay?.end();
  await Promise.all([proxy?.end(), stanchion?.end()]);
});

const answered = (page, path, status) => page.waitForResponse((answer) => answer.url().endsWith(path) && answer.status() === status);
const places = (page) => page.evaluate(() => Object.entries(localStorage).filter(([key]) => key.startsWith("stanchion.place.")));

test("keeps place and ticket while the route is gone", async () => {
  const sale = await server.openSale("Rerouted", { ahead: 1, queue: { grace_seconds: 600 } });
  const { context, faults } = await user(browser, proxy.origin);
  const page = await open(context, proxy.origin, sale.path);
  await join(page);
  const [[, before]] = await places(page);
  const refused = answered(page, "/queue/join", 404);
  await proxy.routes(false);
  // Traefik keeps open connections when the route is gone, until the service is gone.
  await relay.away();
  await refused;
  await answered(page, "/queue/join", 404);
  await page.getByTestId("connection").filter({ hasText: "The connection is lost. Your place is kept" }).waitFor();
  const [[, kept]] = await places(page);
  assert.equal(JSON.parse(kept).ticket, JSON.parse(before).ticket);
  assert.equal(await position(page), 2);
  assert.equal(await page.getByTestId("error").textContent(), "");
  await inspect(page, "route-lost", { document: false });

  await relay.back();
  await proxy.routes(true);
  await page.locator("[data-testid=connection][data-state=connected]").waitFor({ state: "attached", timeout: 30_000 });
  assert.equal(await position(page), 2);
  await sale.open();
  await page.getByTestId("pass").waitFor();
  assert.deepEqual(faults, []);
  await context.close();
});

test("reserves and pays once the route is back", async () => {
  const sale = await server.openSale("Wrong Number", { queue: { state: "open", rate_per_second: 50, burst: 50 } });
  const { context, faults } = await user(browser, proxy.origin);
  const page = await open(context, proxy.origin, sale.path);
  await join(page);
  await chooseSeats(page, 1);
  await proxy.routes(false);
  const reserved = answered(page, "/bookings/reserve", 404);
  await page.getByTestId("reserve").click();
  await reserved;
  await page.getByTestId("error").filter({ hasText: "it is still your turn" }).waitFor();
  assert.ok(await page.getByTestId("pass").isVisible());
  await inspect(page, "route-lost-choosing", { document: false });
  await proxy.routes(true);
  await page.getByTestId("reserve").click();

  await booking(page, "reserved").waitFor();
  await proxy.routes(false);
  // The page reads the booking before the payment begins, and takes none without an answer.
  const read = answered(page, `/bookings/${await bookingId(page)}`, 404);
  await page.getByTestId("confirm").click();
  await read;
  await page.getByTestId("error").filter({ hasText: "your seats are held" }).waitFor();
  assert.ok(await booking(page, "reserved").isVisible());
  await inspect(page, "route-lost-paying", { document: false });
  await proxy.routes(true);
  await page.getByTestId("confirm").click();
  await booking(page, "confirmed").waitFor();
  assert.deepEqual(faults, []);
  await context.close();
});

test("keeps an operator signed in while the route is gone", async () => {
  const sale = await server.openSale("Back Stage");
  const { context, faults } = await user(browser, proxy.origin, { viewport: { width: 1280, height: 900 } });
  const page = await open(context, proxy.origin, "/admin");
  await page.getByTestId("token").fill(await server.operator());
  await page.keyboard.press("Enter");
  await page.getByTestId("who").waitFor();
  await page.goto(`${proxy.origin}/admin#/events/${sale.event_id}`);
  await page.getByTestId("line").waitFor();
  await proxy.routes(false);
  await page.getByTestId("turn-open").click();
  await page.getByRole("alert").filter({ hasText: "did not answer" }).first().waitFor();
  assert.ok(await page.getByTestId("who").isVisible());
  await inspect(page, "route-lost-admin", { document: false, axe: false });
  await proxy.routes(true);
  await page.getByTestId("turn-open").click();
  await page.locator("h1 + [data-testid=state][data-state=open]").waitFor();
  assert.deepEqual(faults, []);
  await context.close();
});
