// A WebSocket under the control of a test: it records what the client sends and says what the test tells it to.
import type { ClientMessage, ServerMessage } from "./messages";

export class FakeSocket {
  static all: FakeSocket[] = [];
  static get last(): FakeSocket {
    return FakeSocket.all.at(-1)!;
  }

  readonly sent: ClientMessage[] = [];
  closedWith: number | undefined;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;

  constructor(
    readonly url: string,
    readonly protocol: string,
  ) {
    FakeSocket.all.push(this);
  }

  send(frame: string): void {
    this.sent.push(JSON.parse(frame) as ClientMessage);
  }

  close(code: number): void {
    this.closedWith = code;
  }

  says(message: ServerMessage): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  saysRaw(data: string): void {
    this.onmessage?.({ data });
  }

  /** Opens and completes the handshake. */
  accepts(heartbeat_ms = 10_000, user_id = "alice"): this {
    this.onopen?.();
    this.says({ type: "connected", node: "gateway-1", user_id, heartbeat_ms });
    return this;
  }

  isLost(code = 1006): void {
    this.onclose?.({ code, reason: "" });
  }
}

/** In place of localStorage. */
export class FakeStore {
  readonly content = new Map<string, string>();
  getItem(key: string): string | null {
    return this.content.get(key) ?? null;
  }
  setItem(key: string, value: string): void {
    this.content.set(key, value);
  }
  removeItem(key: string): void {
    this.content.delete(key);
  }
}
