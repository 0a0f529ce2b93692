// Builds the package into dist/: modules, types for each way of resolution, and what npm packs beside them. In a fresh clone it
// installs the compilers first.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const run = (command, ...args) => execFileSync(command, args, { cwd: path("."), stdio: ["ignore", process.stderr, process.stderr] });
const tool = (name) => path(`../node_modules/.bin/${name}`);

if (!existsSync(tool("vite"))) run("npm", "ci", "--prefix", path(".."), "--no-audit", "--no-fund");
rmSync(path("dist"), { recursive: true, force: true });
run(tool("vite"), "build", "--logLevel", "warn");
run(tool("tsc"), "-p", path("tsconfig.json"));
writeTypesFor();
writeRedirects();
writeIfChanged(path("LICENSE"), readFileSync(path("../../LICENSE"), "utf8"));

/** Node's resolution needs file endings in imports, which the sources lack; and types of its own for `require`. */
function writeTypesFor() {
  const types = path("dist/types/");
  for (const file of readdirSync(types)) {
    const text = readFileSync(types + file, "utf8");
    const withEnding = (ending) => text.replaceAll(/(from |import\()"(\.\/[\w-]+)"/g, `$1"$2.${ending}"`);
    writeFileSync(types + file, withEnding("js"));
    writeFileSync(types + file.replace(/\.ts$/, ".cts"), withEnding("cjs"));
  }
}

/** Older tools read no `exports`: to them, `@stanchion/client/shop` is a folder with a package.json. */
function writeRedirects() {
  const { exports } = JSON.parse(readFileSync(path("package.json"), "utf8"));
  for (const [entry, targets] of Object.entries(exports)) {
    if (entry === "." || typeof targets === "string") continue;
    const { types, default: main } = targets.require;
    const redirect = { main: `.${main}`, module: `.${targets.import.default}`, types: `.${types}` };
    mkdirSync(path(entry), { recursive: true });
    writeIfChanged(path(`${entry}/package.json`), `${JSON.stringify(redirect, null, 2)}\n`);
  }
}

/** A new time of change would make `make` build the pages, which need none of this, again. */
function writeIfChanged(file, text) {
  if (!existsSync(file) || readFileSync(file, "utf8") !== text) writeFileSync(file, text);
}
