// The SDK's examples in a real browser, on a page of the shop under a strict policy: React in StrictMode, Vue, the web component; and with a
// browser that stores nothing.
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { TEST_TIMEOUT_MS, launch, user } from "./browser.js";
import { Network, ServerProcess } from "./server-process.js";

const client = new URL("../../web-client/", import.meta.url);

let browser;
let stanchion;
let server;
let network;
let folder;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "stanchion-sdk-"));
  const { build } = await import(createRequire(new URL("package.json", client)).resolve("vite"));
  const configFile = new URL("sdk/examples/run/vite.config.ts", client).pathname;
  await build({ configFile, logLevel: "error", build: { outDir: join(folder, "pages"), emptyOutDir: true, modulePreload: { polyfill: false } } });
  [browser, stanchion] = await Promise.all([launch(), ServerProcess.start()]);
  server = stanchion.operate();
  network = await Network.before(stanchion.origin);
  network.pages = join(folder, "pages");
});
after(async () => {
  network?.end();
  await browser?.close();
  await stanchion?.end();
  await rm(folder, { recursive: true, force: true });
});

/** The number of people in line and of open sockets, once they are what they should be. */
async function until(expected, read) {
  const deadline = Date.now() + TEST_TIMEOUT_MS;
  let found = await read();
  while (found !== expected && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    found = await read();
  }
  assert.equal(found, expected);
}

for (const as of ["react", "vue", "element"]) {
  test(`the example for ${as} waits over one connection until the turn`, async () => {
    const sale = await server.openSale(`Example ${as}`, { ahead: 2 });
    const { context, faults } = await user(browser, network.origin);
    const page = await context.newPage();
    await page.goto(`${network.origin}/?as=${as}&event=${sale.event_id}`);
    await page.getByText("You are in line").waitFor();
    await page.getByText("3", { exact: true }).waitFor();
    await until(1, () => server.metric("stanchion_websocket_connections"));
    await page.screenshot({ path: new URL(`artifacts/sdk-${as}.png`, import.meta.url).pathname });

    await page.reload();
    await page.getByText("3", { exact: true }).waitFor();
    await sale.open();
    await page.getByText("Choose your seats").waitFor();
    await page.screenshot({ path: new URL(`artifacts/sdk-${as}-turn.png`, import.meta.url).pathname });
    assert.deepEqual(faults, []);
    await context.close();
    await until(0, () => server.metric("stanchion_websocket_connections"));
  });
}

test("waits in a browser that blocks the site's data", async (t) => {
  const sale = await server.openSale("Blocked", { ahead: 1 });
  const profile = join(folder, "profile");
  await mkdir(join(profile, "Default"), { recursive: true });
  const preferences = { profile: { default_content_setting_values: { cookies: 2 } } };
  await writeFile(join(profile, "Default/Preferences"), JSON.stringify(preferences));
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  const context = await chromium.launchPersistentContext(profile, { executablePath, args: ["--no-sandbox", "--headless", "--disable-gpu"] });
  t.after(() => context.close());
  context.setDefaultTimeout(TEST_TIMEOUT_MS);
  const page = await context.newPage();
  await page.goto(`${network.origin}/?as=element&event=${sale.event_id}`);
  const refused = await page.evaluate(() => {
    try {
      return void localStorage.length;
    } catch (error) {
      return error.name;
    }
  });
  assert.equal(refused, "SecurityError", "the browser refuses even to read");

  await page.getByText("2", { exact: true }).waitFor();
  await page.getByText("Your browser does not store data for this page").waitFor();
  await page.screenshot({ path: new URL("artifacts/sdk-blocked.png", import.meta.url).pathname });
  await sale.open();
  await page.getByText("Choose your seats").waitFor();
});
