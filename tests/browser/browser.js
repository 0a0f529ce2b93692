// A real Chromium, its pages watched for errors, its screens kept in `artifacts/`.
import { mkdir } from "node:fs/promises";
import { chromium } from "playwright-core";

const artifacts = new URL("artifacts/", import.meta.url);

export async function launch() {
  await mkdir(artifacts, { recursive: true });
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
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

/** Collects what a page must never do: throw, break the content security policy, or ask a third party. */
export function watch(context, origin) {
  const faults = [];
  context.on("weberror", (error) => faults.push(`exception: ${error.error().message}`));
  context.on("console", (message) => {
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) faults.push(message.text());
  });
  context.on("request", (request) => {
    const url = new URL(request.url());
    if (url.host !== new URL(origin).host) faults.push(`request to a third party: ${url}`);
  });
  return faults;
}

export async function screenshot(page, name) {
  await page.screenshot({ path: new URL(`${name}.png`, artifacts).pathname, fullPage: true });
}
