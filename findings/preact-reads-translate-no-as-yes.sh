#!/usr/bin/env bash
# preact 11.2.0: `translate="no"` in JSX becomes `translate="yes"` in the document.
#
# Versions: preact 11.2.0 and playwright-core 1.65.1 (npm), Chromium of the system.
# Setting: numbers that change are kept from the browser's translation by the HTML attribute `translate="no"`.
# A good guess: preact writes the attribute as it is given.
# Seen: `translate` is a property of elements, so preact assigns it, and the property is boolean: any string is true, which reflects as
# "yes". `translate={false}` gives "no".
# Consequence: the pages write `translate={false}`, and a test reads the attribute in a browser.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund preact@11.2.0 playwright-core@1.65.1

cat >trial.mjs <<'JS'
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const preact = readFileSync("node_modules/preact/dist/preact.mjs", "utf8");
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
const page = await browser.newPage();
const seen = await page.evaluate(async (code) => {
  const { h, render } = await import(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
  const attribute = (translate) => {
    const root = document.createElement("div");
    render(h("span", { translate }), root);
    return root.firstChild.getAttribute("translate");
  };
  return { text: attribute("no"), boolean: attribute(false) };
}, preact);
await browser.close();
console.log(JSON.stringify(seen));
process.exit(seen.text === "yes" && seen.boolean === "no" ? 0 : 1);
JS
node trial.mjs
