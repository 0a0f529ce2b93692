#!/usr/bin/env bash
# uPlot 1.6.32: the import itself throws where the browser's language is no language tag, before anything is drawn.
#
# Versions: uplot 1.6.32 (npm), Node 20.
# Setting: a page bundles uPlot for one view. WebKitGTK started with LANG=C reports `navigator.language` "C".
# A good guess: formatting of numbers begins with the first chart, and an unknown language falls back to a default one.
# Seen: RangeError at import: the module makes an `Intl.NumberFormat` of `navigator.language` at its top level. Every page that bundles the
# module stays blank, also if it draws no chart. With "en" the same import works.
# Consequence: the operators' page gives the browser a valid language before it imports uPlot.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund uplot@1.6.32

cat >trial.mjs <<'JS'
const [language] = process.argv.slice(2);
const matchMedia = () => ({ addEventListener() {}, matches: false });
Object.defineProperty(globalThis, "navigator", { value: { language }, configurable: true });
Object.assign(globalThis, { window: globalThis, devicePixelRatio: 1, matchMedia, addEventListener() {}, dispatchEvent() {} });
globalThis.CustomEvent ??= class {};
globalThis.document = { addEventListener() {} };
try {
  await import("uplot");
  console.log("imported");
} catch (error) {
  console.log(`${error.name}: ${error.message}`);
}
JS

english=$(node trial.mjs en)
c=$(node trial.mjs C)
printf 'navigator.language "en": %s\nnavigator.language "C": %s\n' "$english" "$c"
[[ $english == imported && $c == RangeError:* ]]
