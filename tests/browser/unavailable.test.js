// What a phone shows when no page can be had: from a full server, for an address that leads nowhere, and from a proxy's file
// while no server answers. A browser never sees a problem document.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { inspect, launch, user } from "./browser.js";
import { ServerProcess } from "./server-process.js";

const PHONE = { width: 360, height: 740 };
/** They reload because they must: nothing is on them that a reload could take away. */
const reloading = { document: false, except: ["meta-refresh"] };
const CONNECTIONS = 12;
let browser;

before(async () => {
  browser = await launch();
});
after(() => browser?.close());

/** A page that reloads meanwhile is looked at once more. */
async function inspectReloading(page, name, how) {
  for (let last = false; ; last = true) {
    try {
      return await inspect(page, name, { ...reloading, ...how });
    } catch (error) {
      if (last || !error.message.includes("navigation")) throw error;
      await page.waitForLoadState();
    }
  }
}

/** Takes every connection of a server, until `end`. */
async function crowd(origin) {
  const waiting = [];
  const enter = () =>
    new Promise((resolve) => {
      const headers = { Connection: "Upgrade", Upgrade: "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==" };
      const request = http.request(new URL("/api/v1/ws", origin), { headers, agent: false });
      request.on("upgrade", (_, socket) => (socket.on("error", () => {}), waiting.push(socket), resolve(true)));
      request.on("response", (response) => (response.resume(), resolve(false)));
      request.on("error", () => resolve(false));
      request.end();
    });
  while (await enter()) assert.ok(waiting.length <= CONNECTIONS, "the server is full some time");
  return { end: () => waiting.forEach((socket) => socket.destroy()) };
}

test("a full server shows a page that comes back by itself", async () => {
  const server = await ServerProcess.start({ STANCHION_MAX_CONNECTIONS: String(CONNECTIONS) });
  try {
    const sale = await server.operate().openSale("Northern Lights");
    for (const [locale, words] of [["en-GB", "Very many people are coming"], ["th-TH", "คนเข้ามาพร้อมกันจำนวนมาก"]]) {
      const { end } = await crowd(server.origin);
      const { context, faults } = await user(browser, server.origin, { locale, viewport: PHONE, javaScriptEnabled: true });
      context.setDefaultTimeout(30_000);
      const page = await context.newPage();
      const answer = await page.goto(`${server.origin}${sale.path}`);
      assert.equal(answer.status(), 503);
      const seconds = Number(answer.headers()["retry-after"]);
      assert.ok(seconds >= 5 && seconds <= 10, `${seconds}`);
      assert.ok((await answer.text()).includes(` ${seconds}\u00a0`), "it says when it comes back");
      await page.getByText(words).waitFor();
      await inspectReloading(page, `full-${locale.slice(0, 2)}`, { axe: false });
      end();
      await page.getByTestId("join").waitFor();
      assert.deepEqual(faults, []);
      await context.close();
    }
  } finally {
    await server.end();
  }
});

test("a proxy's file shows a page that comes back by itself", async () => {
  const folder = mkdtempSync(join(tmpdir(), "stanchion-pages-"));
  const program = process.env.STANCHION_BIN ?? new URL("../../target/debug/stanchion", import.meta.url).pathname;
  const exported = spawnSync(program, ["web-client", "export", folder], { encoding: "utf8" });
  assert.equal(exported.status, 0, exported.stderr);

  // As a proxy does: the file for every address, until a gateway answers.
  let away = true;
  let language;
  const proxy = http.createServer((_, response) => {
    response.writeHead(away ? 503 : 200, { "Content-Type": "text/html" });
    response.end(away ? readFileSync(join(folder, `unavailable.${language}.html`)) : "<!doctype html><title>back</title><h1>Back</h1>");
  });
  await once(proxy.listen(0, "127.0.0.1"), "listening");
  const origin = `http://127.0.0.1:${proxy.address().port}`;
  try {
    for (const [tag, words] of [["en", "The waiting room does not answer"], ["th", "ห้องรอยังไม่ตอบสนอง"]]) {
      [away, language] = [true, tag];
      const { context, faults } = await user(browser, origin, { viewport: PHONE });
      context.setDefaultTimeout(30_000);
      const page = await context.newPage();
      await page.goto(`${origin}/e/1`);
      await page.getByText(words).waitFor();
      await inspectReloading(page, `unavailable-${tag}`);
      away = false;
      await page.getByRole("heading", { name: "Back" }).waitFor();
      assert.deepEqual(faults, []);
      await context.close();
    }
  } finally {
    proxy.close();
    rmSync(folder, { recursive: true, force: true });
  }
});

test("an address that leads nowhere shows a page", async () => {
  const server = await ServerProcess.start();
  try {
    for (const [locale, words] of [["en-GB", "There is no page here"], ["th-TH", "ไม่พบหน้านี้"]]) {
      const { context, faults } = await user(browser, server.origin, { locale, viewport: PHONE });
      const page = await context.newPage();
      for (const path of ["/nowhere/at/all", "/assets/index-00000000.js"]) {
        const answer = await page.goto(`${server.origin}${path}`);
        assert.equal(answer.status(), 404);
        await page.getByRole("heading", { level: 1, name: words }).waitFor();
      }
      await inspect(page, `not-found-${locale.slice(0, 2)}`, { document: false });
      assert.deepEqual(faults, []);
      await context.close();
    }
  } finally {
    await server.end();
  }
});
