// Packs the SDK as npm would and checks the tarball: publint, the types in every way of resolution, types without the DOM's library,
// and that Node loads each entry both ways.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const sdk = path("../sdk");
const tool = (name) => path(`node_modules/.bin/${name}`);
const run = (command, args, cwd = sdk) => execFileSync(command, args, { cwd, stdio: ["ignore", "inherit", "inherit"] });

const { exports } = JSON.parse(readFileSync(`${sdk}/package.json`, "utf8"));
const entries = Object.keys(exports).filter((entry) => typeof exports[entry] === "object");
const names = entries.map((entry) => `@stanchion/client${entry.slice(1)}`);
const contents = ["LICENSE", "README.md", "CHANGELOG.md", "docs/recipes.md", "docs/reference/README.md", "dist/client.js.map"];
/** The web component needs the DOM by its nature, the composable Vue's types. */
const withoutDom = names.filter((name) => !/element$|vue$/.test(name));

const work = mkdtempSync(join(tmpdir(), "stanchion-package-"));
try {
  const packed = execFileSync("npm", ["pack", "--json", "--pack-destination", work], { cwd: sdk, encoding: "utf8" });
  const [{ filename, files }] = Object.values(JSON.parse(packed));
  const tarball = join(work, filename);
  const missing = contents.filter((name) => !files.some(({ path }) => path === name));
  if (missing.length > 0) throw new Error(`it lacks ${missing.join(", ")}`);
  run(tool("publint"), ["--strict", tarball]);
  run(tool("attw"), [tarball]);
  install(tarball);
  compileWithoutDom();
  loadInNode();
} catch (error) {
  console.error(`The package of the SDK is not as it must be: ${error.message}`);
  process.exitCode = 1;
} finally {
  rmSync(work, { recursive: true, force: true });
}

function install(tarball) {
  const modules = join(work, "node_modules");
  const target = join(modules, "@stanchion/client");
  mkdirSync(target, { recursive: true });
  run("tar", ["-xzf", tarball, "--strip-components=1", "-C", target]);
  for (const peer of ["react", "vue"]) symlinkSync(path(`../node_modules/${peer}`), join(modules, peer));
}

function compileWithoutDom() {
  const lines = withoutDom.map((name, index) => `import * as entry${index} from "${name}";\nexport const used${index} = entry${index};`);
  for (const file of ["consumer.mts", "consumer.cts"]) writeFileSync(join(work, file), lines.join("\n"));
  // In a folder without @types: no globals of Node either.
  const options = ["--noEmit", "--strict", "--target", "es2022", "--lib", "es2023", "--module", "node16", "--skipLibCheck", "false"];
  run(tool("tsc"), [...options, "consumer.mts", "consumer.cts"], work);
}

function loadInNode() {
  const load = `for (const name of ${JSON.stringify(names)}) { require(name); } Promise.all(${JSON.stringify(names)}.map((name) => import(name))).catch((error) => { console.error(error); process.exit(1); });`;
  writeFileSync(join(work, "load.cjs"), load);
  run(process.execPath, ["load.cjs"], work);
}
