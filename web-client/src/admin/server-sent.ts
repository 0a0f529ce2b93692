// Server-sent events of a fetch: EventSource cannot send an Authorization header.

export interface ServerSent {
  name: string;
  data: string;
}

/** Comments, which are heartbeats, come as events without data. */
export async function* serverSent(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerSent> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let unread = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      unread += value;
      const blocks = unread.split("\n\n");
      unread = blocks.pop() ?? "";
      yield* blocks.map(parsed);
    }
  } finally {
    await reader.cancel();
  }
}

function parsed(block: string): ServerSent {
  const field = (name: string) =>
    block
      .split("\n")
      .filter((line) => line.startsWith(`${name}:`))
      .map((line) => line.slice(name.length + 1).trimStart())
      .join("\n");
  return { name: field("event") || (field("data") ? "message" : ""), data: field("data") };
}
