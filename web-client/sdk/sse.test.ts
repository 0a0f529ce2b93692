// Server-sent events in chunks of any size.
import { expect, test } from "vitest";
import { type ServerSentEvent, parseServerSentEvents } from "./sse";

const text = ': heartbeat\n\nevent: position\ndata: {"at":\ndata: 1}\n\nevent: stäte\ndata: x\n\ndata: alone\n\nevent: unfinished\n';

async function read(size: number, source = text): Promise<(ServerSentEvent | undefined)[]> {
  const bytes = new TextEncoder().encode(source);
  const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) => bytes.slice(index * size, (index + 1) * size));
  const found: (ServerSentEvent | undefined)[] = [];
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
  for await (const event of parseServerSentEvents(body)) found.push(event);
  return found;
}

test.each([1, 2, 3, 7, 1_000])("parses chunks of %i bytes", async (size) => {
  const expected = [
    undefined,
    { name: "position", data: '{"at":\n1}' },
    { name: "stäte", data: "x" },
    { name: "message", data: "alone" },
  ];
  expect(await read(size)).toEqual(expected);
  expect(await read(1_000, text.replaceAll("\n", "\r\n"))).toEqual(expected);
});

test("ends the request if the caller stops reading", async () => {
  let cancelled = false;
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(new TextEncoder().encode("data: 1\n\n")),
    cancel: () => void (cancelled = true),
  });
  for await (const _ of parseServerSentEvents(body)) break;
  expect(cancelled).toBe(true);
});
