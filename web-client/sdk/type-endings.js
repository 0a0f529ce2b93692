// Adds file extensions to the imports of the package's types: Node's module resolution needs them, the sources have none.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";

const types = new URL("dist/types/", import.meta.url);
for (const file of readdirSync(types)) {
  const text = readFileSync(new URL(file, types), "utf8");
  writeFileSync(new URL(file, types), text.replaceAll(/(from |import\()"(\.\/[\w-]+)"/g, '$1"$2.js"'));
}
