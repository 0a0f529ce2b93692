// Node's resolution wants endings in the package's types; its sources have none.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";

const types = new URL("dist/types/", import.meta.url);
for (const file of readdirSync(types)) {
  const text = readFileSync(new URL(file, types), "utf8");
  writeFileSync(new URL(file, types), text.replaceAll(/(from |import\()"(\.\/[\w-]+)"/g, '$1"$2.js"'));
}
