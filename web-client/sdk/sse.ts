// Server-sent events over `fetch`: EventSource cannot send an Authorization header. https://html.spec.whatwg.org/#event-stream-interpretation

export interface SentEvent {
  name: string;
  data: string;
}

/** Yields undefined for a comment: a heartbeat. */
export async function* sentEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<SentEvent | undefined> {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const blocks = (rest + decoder.decode(value, { stream: true })).replaceAll("\r\n", "\n").split("\n\n");
      rest = blocks.pop() ?? "";
      for (const block of blocks) yield sentEvent(block);
    }
  } finally {
    // Ends the request, too, where whoever reads stops early.
    reader.cancel().catch(() => {});
  }
}

function sentEvent(block: string): SentEvent | undefined {
  let name = "message";
  const data: string[] = [];
  for (const line of block.split("\n")) {
    const [, field, value = ""] = /^([^:]+)(?:: ?(.*))?$/.exec(line) ?? [];
    if (field === "event") name = value;
    if (field === "data") data.push(value);
  }
  return data.length > 0 ? { name, data: data.join("\n") } : undefined;
}
