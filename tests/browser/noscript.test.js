// Without JavaScript: a page that keeps the place, reloads itself, and says when the pass is there.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { inspect, launch, user } from "./browser.js";
import { Server, origin } from "./sale.js";
import { open } from "./visitor.js";

const server = new Server();
let browser;

before(async () => {
  browser = await launch();
});
after(() => browser?.close());

const PHONE = { width: 360, height: 740 };
const says = (page, text) => page.getByText(text).first().waitFor();

test("leads from joining to the pass, and on with JavaScript", async () => {
  const sale = await server.openSale("Plain Song", { ahead: 1 });
  const { context, faults } = await user(browser, origin, { javaScriptEnabled: false });
  const page = await open(context, origin, sale.path);
  await page.waitForURL("**/*?plain");
  await page.getByRole("button", { name: "Join the line" }).click();
  await says(page, "You are in line");
  assert.equal((await page.locator(".position").textContent()).trim(), "2");
  const [cookie] = await context.cookies();
  assert.equal(cookie.httpOnly, true);
  assert.equal(cookie.sameSite, "Lax");
  await sale.open();
  await says(page, "It is your turn");

  const scripted = await browser.newContext();
  await scripted.addCookies(await context.cookies());
  const same = await open(scripted, origin, sale.path);
  await same.getByTestId("join").click();
  await same.getByTestId("pass").waitFor();
  assert.deepEqual(faults, []);
  await Promise.all([context.close(), scripted.close()]);
});

test("answers an unknown address with a page or a problem document", async () => {
  for (const [locale, words] of [["en-GB", "There is no page here"], ["th-TH", "ไม่พบหน้านี้"]]) {
    const { context, faults } = await user(browser, origin, { locale });
    const page = await context.newPage();
    const answer = await page.goto(`${origin}/nowhere/at/all`);
    assert.equal(answer.status(), 404);
    await page.getByRole("heading", { level: 1, name: words }).waitFor();
    await inspect(page, `nowhere-${locale.slice(0, 2)}`, { document: false });
    await page.getByRole("link").click();
    await page.waitForURL(`${origin}/`);
    assert.deepEqual(faults, []);
    await context.close();
  }
  const told = await fetch(new URL("/nowhere", origin), { headers: { Accept: "application/json" } });
  assert.equal(told.status, 404);
  assert.equal((await told.json()).code, "NOT_FOUND");
});

test("is accessible in Thai and explains an unknown event", async () => {
  const sale = await server.openSale("เพลงสวด", { ahead: 1 });
  const { context, faults } = await user(browser, origin, { locale: "th-TH", javaScriptEnabled: true });
  const page = await open(context, origin, `${sale.path}?plain`);
  await page.getByRole("button", { name: "เข้าคิว" }).click();
  await says(page, "คุณอยู่ในคิวแล้ว");
  // It reloads because it must, and can be stopped, as WCAG 2.2.1 asks.
  await inspect(page, "plain-thai", { except: ["meta-refresh"] });
  await page.getByRole("link", { name: "หยุดโหลดใหม่" }).click();
  await inspect(page, "plain-thai-still", { document: false });
  await page.getByRole("button", { name: "ออกจากคิว" }).click();
  await page.getByRole("button", { name: "เข้าคิว" }).waitFor();
  await page.goto(`${origin}/e/nonsense?plain`);
  await says(page, "ไม่พบอีเวนต์นี้");
  await page.goto(`${origin}/?plain`);
  await page.getByRole("link", { name: "เพลงสวด" }).waitFor();
  await inspect(page, "plain-events", { document: false });
  assert.deepEqual(faults, []);
  await context.close();
});

// Report B2: `/bookings` reloaded itself for ever, 18 times a second.
test("reloads no page for ever", async () => {
  const sale = await server.openSale("Still Life", { ahead: 1 });
  for (const path of ["/", "/bookings", sale.path, `${sale.path}/seats`]) {
    const { context, faults } = await user(browser, origin, { javaScriptEnabled: false });
    const page = await context.newPage();
    const opened = [];
    page.on("request", (request) => request.isNavigationRequest() && opened.push(request.url()));
    await page.goto(`${origin}${path}`);
    await page.waitForURL("**/*?plain");
    await page.waitForLoadState();
    assert.deepEqual(opened, [`${origin}${path}`, `${origin}${path}?plain`]);
    assert.doesNotMatch(await page.content(), /http-equiv="refresh" content="0/);
    await page.getByRole("heading", { level: 1 }).waitFor();
    assert.deepEqual(faults, []);
    await context.close();
  }
});

test("says where bookings are shown", async () => {
  for (const [locale, words] of [["en-GB", "Bookings are shown with JavaScript only"], ["th-TH", "การจองจะแสดงเมื่อเปิด JavaScript เท่านั้น"]]) {
    const { context, faults } = await user(browser, origin, { locale, viewport: PHONE });
    const page = await open(context, origin, "/bookings?plain");
    await says(page, words);
    await inspect(page, `plain-bookings-${locale.slice(0, 2)}`, { document: false });
    assert.deepEqual(faults, []);
    await context.close();
  }
});

test("leads from the address of a form to its event", async () => {
  const sale = await server.openSale("Round Trip");
  for (const form of ["join", "leave"]) {
    const answer = await fetch(new URL(`${sale.path}/${form}`, origin), { redirect: "manual" });
    assert.deepEqual([answer.status, answer.headers.get("location")], [303, `${sale.path}?plain`]);
  }
});
