#!/usr/bin/env bash
# Vite 8.3.8: an import for its effect alone vanishes from the bundle if an alias leads it to a source that `sideEffects` does not list.
#
# Versions: vite 8.3.8 (npm), Node 20.
# Setting: a package defines a custom element; its package.json lists the built file in `sideEffects`. A page in the same repository imports
# `shop/element` for its effect, and an alias leads that name to the source beside the built file.
# A good guess: the import stays, since it names nothing and can only be there for its effect; `sideEffects` speaks of the built files, which
# this page does not use.
# Seen: the build has no word of the element, and no warning. The package.json that is next above the source decides, and its list has
# `./dist/element.js` only. With the source in the list the element is in the bundle.
# Consequence: the SDK lists the source of its element too, and a test draws the element from a built page.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund vite@8.3.8
mkdir -p shop
echo 'customElements.define("waiting-line", class extends HTMLElement {});' >shop/element.js
echo 'import "shop/element"; console.log("page");' >main.js
echo '<script type="module" src="/main.js"></script>' >index.html
cat >vite.config.mjs <<'JS'
export default { logLevel: "warn", resolve: { alias: { "shop/element": `${import.meta.dirname}/shop/element.js` } } };
JS

defined() {
	printf '{"name":"shop","version":"1.0.0","type":"module","sideEffects":%s}\n' "$1" >shop/package.json
	npx vite build >&2
	grep -rl waiting-line dist/assets >/dev/null && echo yes || echo no
}

built=$(defined '["./dist/element.js"]')
source=$(defined '["./dist/element.js","./element.js"]')
echo "in the bundle: $built if the list has the built file only, $source if it has the source"
[[ $built == no && $source == yes ]]
