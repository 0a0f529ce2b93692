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
