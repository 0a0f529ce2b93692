// Every sample in `tests/wire/` matches its schema, and every message has a sample. The servers' tests read the same files.
import { expect, test } from "vitest";
import { clientMessageFields, serverMessageFields } from "./messages";
import { type Schema, object } from "./schema";

const samples = Object.entries(
  import.meta.glob<string>("../../tests/wire/*", { eager: true, query: "?raw", import: "default" }),
).map(([path, content]) => ({ file: path.split("/").at(-1)!, content }));

test.each(samples)("$file", ({ file, content }) => {
  const [, side, type] = /^(client|server)\.([a-z]+)(?:\.[a-z-]+)?\.json$/.exec(file) ?? [];
  const schemas: Record<string, Schema> = side === "client" ? clientMessageFields : serverMessageFields;
  const { type: name, ...message } = JSON.parse(content);

  expect(name, "the type in the file name").toBe(type);
  // Equality: the sample has no field that the schema does not name.
  expect(object(schemas[name]!)(message, name)).toEqual(message);
});

test("every message has a sample", () => {
  const sampled = new Set(samples.map(({ file }) => file.split(".").slice(0, 2).join(".")));
  const known = [
    ...Object.keys(clientMessageFields).map((type) => `client.${type}`),
    ...Object.keys(serverMessageFields).map((type) => `server.${type}`),
  ];
  expect([...sampled].sort()).toEqual(known.sort());
});
