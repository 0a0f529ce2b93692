// Server-sent events over `fetch`: EventSource cannot send an Authorization header. https://html.spec.whatwg.org/#event-stream-interpretation

import type { FetchResponse } from "./platform";

export interface ServerSentEvent {
  name: string;
  data: string;
}

/** Yields undefined for a comment, which is a heartbeat. */
export async function* parseServerSentEvents(body: FetchResponse["body"]): AsyncGenerator<ServerSentEvent | undefined> {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;

      // The last block is incomplete until its empty line arrives.
      const blocks = (rest + decoder.decode(value, { stream: true })).replaceAll("\r\n", "\n").split("\n\n");
      rest = blocks.pop()!;
      for (const block of blocks) yield parseBlock(block);
    }
  } finally {
    // If the caller stops iterating early, this ends the request, too.
    reader.cancel().catch(() => {});
  }
}

function parseBlock(block: string): ServerSentEvent | undefined {
  const values = (field: string) => [...block.matchAll(RegExp(`^${field}: ?(.*)`, "gm"))].map(([, value]) => value!);
  const data = values("data");
  return data.length > 0 ? { name: values("event").pop() ?? "message", data: data.join("\n") } : undefined;
}
