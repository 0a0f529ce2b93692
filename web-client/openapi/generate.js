// Writes the types of the interface's resources to sdk/openapi.ts, or with `--check` tells whether they are current.
import { readFileSync, writeFileSync } from "node:fs";
import openapiTS, { astToString } from "openapi-typescript";

const target = new URL("../sdk/openapi.ts", import.meta.url);
const document = JSON.parse(readFileSync(new URL("../../docs/openapi.json", import.meta.url), "utf8"));
const head = "// The types of the interface's resources. Written by `npm --prefix openapi run generate` from docs/openapi.json; do not edit.\n";

/** Without alternatives that differ in form only: to TypeScript they are all of one type. */
function withoutForms(schema) {
  if (Array.isArray(schema)) return schema.map(withoutForms);
  if (typeof schema !== "object" || schema === null) return schema;
  const isForm = ({ type, $ref }) => type === undefined && $ref === undefined;
  const fields = Object.entries(schema).filter(([name, value]) => !(name === "anyOf" && value.every(isForm)));
  return Object.fromEntries(fields.map(([name, value]) => [name, withoutForms(value)]));
}

// The client has no use for routes, responses with problems and examples.
const resources = { ...document, paths: {}, components: { schemas: withoutForms(document.components.schemas) } };
const options = { rootTypes: true, rootTypesNoSchemaPrefix: true, alphabetize: true, emptyObjectsUnknown: true, defaultNonNullable: false };
const types = astToString(await openapiTS(JSON.stringify(resources), options));
const text = head + types.replace(/^export type (paths|webhooks|operations|\$defs) = .*;\n/gm, "");

if (!process.argv.includes("--check")) {
  writeFileSync(target, text);
} else if (readFileSync(target, "utf8") !== text) {
  console.error("sdk/openapi.ts is not that of docs/openapi.json: run `npm --prefix web-client/openapi run generate`");
  process.exit(1);
}
