// Every sample in `tests/wire/` parses, completely, and every message has a sample. The servers read the same files.
import { expect, test } from "vitest";
import { clientShapes, parseMessage, parseServerMessage, serverShapes } from "./messages";

const samples = Object.entries(
  import.meta.glob<string>("../../tests/wire/*", { eager: true, query: "?raw", import: "default" }),
).map(([path, content]) => ({ file: path.split("/").at(-1)!, content }));

test.each(samples)("$file", ({ file, content }) => {
  const [, side, type] = /^(client|server)\.([a-z]+)(?:\.[a-z-]+)?\.json$/.exec(file) ?? [];
  const message = parseMessage(side === "client" ? clientShapes : serverShapes, content);

  expect((message as { type: string } | undefined)?.type, `a message this client knows, named as its file`).toBe(type);
  // Equal, so no field of the sample is one that this client would drop.
  expect(message).toEqual(JSON.parse(content));
});

test("every message has a sample", () => {
  const sampled = new Set(samples.map(({ file }) => file.split(".").slice(0, 2).join(".")));
  const known = [
    ...Object.keys(clientShapes).map((type) => `client.${type}`),
    ...Object.keys(serverShapes).map((type) => `server.${type}`),
  ];
  expect([...sampled].sort()).toEqual(known.sort());
});

test("unknown types and fields are ignored, broken messages are not", () => {
  expect(parseServerMessage('{"type":"confetti"}')).toBeUndefined();
  expect(parseServerMessage('{"type":"toString"}')).toBeUndefined();
  expect(parseServerMessage('{"type":"left","event_id":"e","more":1}')).toEqual({ type: "left", event_id: "e" });
  expect(parseServerMessage('{"type":"error","code":"X","message":"m","ref":null}')).not.toHaveProperty("ref");
  for (const broken of ["", "[]", "7", '{"type":7}', '{"type":"left"}', '{"type":"reconnect","after_ms":-1}']) {
    expect(() => parseServerMessage(broken), broken).toThrow();
  }
});
