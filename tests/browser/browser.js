// A real Chromium, and its pages watched: for errors, for accessibility in every state, with a picture of each.
import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const artifacts = new URL("artifacts/", import.meta.url);
/** With SCREENS=1 the pictures for the documentation are taken anew. */
const screens = process.env.SCREENS ? new URL("../../docs/screens/", import.meta.url) : undefined;
const axeSource = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export const TEST_TIMEOUT_MS = 15_000;

export async function launch() {
  await mkdir(artifacts, { recursive: true });
  if (screens) await mkdir(screens, { recursive: true });
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    env: { ...process.env, FONTCONFIG_FILE: new URL("fonts.conf", import.meta.url).pathname },
    args: [
      "--no-sandbox",
      "--headless",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/** A new user: nothing stored. `faults` collects what a page must never do. */
export async function user(browser, origin, options) {
  const context = await browser.newContext({ viewport: { width: 900, height: 1000 }, locale: "en-GB", ...options });
  context.setDefaultTimeout(TEST_TIMEOUT_MS);
  return { context, faults: watch(context, origin) };
}

/** Exceptions, breaches of the content security policy, requests to third parties. */
function watch(context, origin) {
  const faults = [];
  context.on("weberror", (error) => faults.push(`exception: ${error.error().message}`));
  context.on("console", (message) => {
    const text = message.text();
    const network = /^Failed to load resource|^WebSocket connection to/.test(text);
    if (message.type() === "error" && !network) faults.push(text);
  });
  context.on("request", (request) => {
    const url = new URL(request.url());
    if (url.host !== new URL(origin).host) faults.push(`request to a third party: ${url}`);
  });
  return faults;
}

/** A state that was reached: no violation of WCAG 2.2 AA, nothing that is cut or scrolls sideways, and a picture. */
export async function inspect(page, name, { document = true, axe = true, except = [] } = {}) {
  await page.evaluate(() => {
    const ending = document.getAnimations().filter(({ effect }) => effect.getComputedTiming().endTime !== Infinity);
    return Promise.all(ending.map((animation) => animation.finished.catch(() => {})));
  });
  const path = (folder) => new URL(`${name}.png`, folder).pathname;
  await page.screenshot({ path: path(artifacts), fullPage: true });
  if (screens && document) await page.screenshot({ path: path(screens), fullPage: true });
  const wide = await page.evaluate(() => globalThis.document.documentElement.scrollWidth - innerWidth);
  assert.ok(wide <= 0, `${name} scrolls sideways by ${wide} px`);
  assert.deepEqual(await cut(page), [], `${name} shows all of its text`);
  if (axe) assert.deepEqual(await violations(page, except), [], `${name} is accessible`);
}

/** Boxes that hide a part of their text, and what lies beside the window without a way to scroll to it. */
function cut(page) {
  return page.evaluate(() => {
    const boxes = [...globalThis.document.querySelectorAll("body *")].filter((box) => box.checkVisibility() && !box.closest("svg, .visually-hidden, .skip"));
    const style = (box) => getComputedStyle(box);
    const hides = (box) => ["hidden", "clip"].some((how) => style(box).overflow.includes(how));
    const over = (box) => box.scrollWidth > box.clientWidth + 1 || box.scrollHeight > box.clientHeight + 1;
    const scrolled = (box) => box && (/auto|scroll/.test(style(box).overflowX) || scrolled(box.parentElement));
    const outside = (box) => box.getBoundingClientRect().right > innerWidth + 1 && !scrolled(box);
    return boxes.filter((box) => (hides(box) && over(box)) || outside(box)).map((box) => box.outerHTML.slice(0, 120));
  });
}

async function violations(page, except) {
  if (!(await page.evaluate(() => "axe" in globalThis))) await page.evaluate(axeSource);
  const runOnly = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
  const rules = Object.fromEntries(except.map((rule) => [rule, { enabled: false }]));
  const { violations } = await page.evaluate((options) => globalThis.axe.run(globalThis.document, options), { runOnly, rules });
  return violations.map(({ id, help, nodes }) => ({ id, help, nodes: nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`) }));
}
