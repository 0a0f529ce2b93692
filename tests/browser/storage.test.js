// A browser that stores nothing: blocked by its settings, or full. The page works, and says that this tab must stay open.
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join as path } from "node:path";
import { after, before, test } from "node:test";
import { inspect, launch, user } from "./browser.js";
import { Chromium } from "./chromium.js";
import { Server, origin } from "./sale.js";
import { booking, join, open, reserve } from "./visitor.js";

const server = new Server();
const AT_ONCE = { state: "open", rate_per_second: 20, burst: 20 };
let browser;

before(async () => {
  browser = await launch();
});
after(() => browser?.close());

test("works from the list to the ticket in a browser that blocks site data", async () => {
  const sale = await server.openSale("No Cookies", { queue: AT_ONCE });
  const blocks = async (profile) => {
    await mkdir(path(profile, "Default"), { recursive: true });
    const preferences = { profile: { default_content_setting_values: { cookies: 2 } } };
    await writeFile(path(profile, "Default", "Preferences"), JSON.stringify(preferences));
  };
  const chromium = await Chromium.start(blocks);
  try {
    const tab = await chromium.tab(`${origin}${sale.path}`);
    await tab.until(`(() => { try { localStorage; return false } catch { return true } })()`);
    await tab.seen("memory-only");
    await tab.click("join");
    await tab.seen("pass");
    await tab.click("zone");
    await tab.click("reserve");
    await tab.click("confirm");
    await tab.seen("qr");
    await tab.goto(`${origin}/admin`);
    await tab.seen("token");
  } finally {
    await chromium.end();
  }
});

test("works while the storage is full, and warns", async () => {
  const sale = await server.openSale("Full House", { ahead: 1 });
  const { context, faults } = await user(browser, origin);
  await context.addInitScript(() => {
    Storage.prototype.setItem = () => {
      throw new DOMException("The quota has been exceeded.", "QuotaExceededError");
    };
  });
  const page = await open(context, origin, sale.path);
  await join(page);
  await page.getByTestId("memory-only").waitFor();
  await page.getByRole("button", { name: "ไทย" }).click();
  await page.getByRole("heading", { name: "คุณอยู่ในคิวแล้ว" }).waitFor();
  await page.getByRole("button", { name: "English" }).click();
  await inspect(page, "memory-only", { document: false });

  // Leaving the page would lose the place: the browser asks first.
  const asked = page.waitForEvent("dialog");
  const left = page.goto(`${origin}/bookings`).catch(() => {});
  const dialog = await asked;
  assert.equal(dialog.type(), "beforeunload");
  await dialog.dismiss();
  await left;
  await page.getByTestId("position").waitFor();

  await sale.open();
  await reserve(page, 1);
  await page.getByTestId("confirm").click();
  await booking(page, "confirmed").waitFor();
  await page.getByTestId("qr").waitFor();
  assert.deepEqual(faults, []);
  page.on("dialog", (dialog) => dialog.accept());
  await context.close();
});
