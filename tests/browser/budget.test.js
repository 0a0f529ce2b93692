// What the waiting-room page costs, and that it shows itself before anything but its own files has arrived.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";
import { launch, user } from "./browser.js";
import { Server, origin } from "./sale.js";
import { join, open } from "./visitor.js";

const MOST_BYTES = 60 * 1024;
const server = new Server();
let browser;

before(async () => {
  browser = await launch();
});
after(() => browser?.close());

test("loads at most 60 KB gzipped for the waiting room", async () => {
  const sale = await server.openSale("Light Luggage", { ahead: 1 });
  const { context, faults } = await user(browser, origin);
  const files = [];
  context.on("response", (response) => {
    if (!new URL(response.url()).pathname.startsWith("/api/")) files.push(response);
  });
  const page = await open(context, origin, sale.path);
  await join(page);
  const sizes = await Promise.all(files.map(async (file) => gzipSync(await file.body(), { level: 9 }).length));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  assert.ok(sizes.length >= 3, "page, script and style were seen");
  assert.ok(total <= MOST_BYTES, `${total} bytes`);
  console.log(`# waiting-room page: ${total} bytes gzipped in ${sizes.length} files`);
  for (const file of files.filter((one) => /\.(js|css)$/.test(one.url()))) {
    assert.match((await file.allHeaders())["content-encoding"] ?? "", /^(gzip|br)$/, `${file.url()} travels compressed`);
  }
  assert.deepEqual(faults, []);
  await context.close();
});

test("paints first without a response or a socket", async () => {
  const sale = await server.openSale("First Paint");
  const { context, faults } = await user(browser, origin);
  await context.route("**/api/**", () => {});
  const page = await open(context, origin, sale.path);
  await page.waitForFunction(() => performance.getEntriesByName("first-contentful-paint").length > 0);
  await page.getByText("One moment").waitFor();
  assert.deepEqual(faults, []);
  await context.close();
});

test("allows no inline content and no other origins", async () => {
  for (const path of ["/", "/e/0197a4b2-5c1e-7d3a-9f00-2b8c6d4e1a01", "/bookings", "/?plain"]) {
    const policy = (await fetch(new URL(path, origin))).headers.get("content-security-policy");
    assert.match(policy, /default-src 'none'/);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.doesNotMatch(policy, /unsafe|\*|https?:/);
  }
});
