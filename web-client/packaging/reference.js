// Writes the reference of the SDK's entries to sdk/docs/reference from their types and comments, or with `--check` tells whether it is
// current.
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Application } from "typedoc";

const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const target = path("../sdk/docs/reference");
const isCheck = process.argv.includes("--check");
const out = isCheck ? mkdtempSync(join(tmpdir(), "stanchion-reference-")) : target;

const app = await Application.bootstrapWithPlugins({
  plugin: ["typedoc-plugin-markdown"],
  entryPoints: ["index", "shop", "react", "vue", "element"].map((name) => path(`../sdk/${name}.ts`)),
  tsconfig: path("tsconfig.json"),
  name: "@stanchion/client",
  readme: "none",
  out,
  router: "module",
  entryFileName: "README.md",
  excludeInternal: true,
  excludePrivate: true,
  excludeExternals: true,
  disableSources: true,
  hidePageHeader: true,
  hideBreadcrumbs: true,
  parametersFormat: "table",
  interfacePropertiesFormat: "table",
  typeDeclarationFormat: "table",
  logLevel: "Error",
});
const project = await app.convert();
if (!project || app.logger.hasErrors()) process.exit(1);
await app.generateOutputs(project);

if (isCheck) {
  const files = (folder) => Object.fromEntries(readdirSync(folder).sort().map((file) => [file, readFileSync(join(folder, file), "utf8")]));
  const isCurrent = JSON.stringify(files(out)) === JSON.stringify(files(target));
  rmSync(out, { recursive: true });
  if (!isCurrent) {
    console.error("sdk/docs/reference is not that of the SDK's types: run `npm --prefix web-client/packaging run reference`");
    process.exitCode = 1;
  }
}
