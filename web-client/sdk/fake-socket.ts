// Test doubles: a WebSocket that records sent messages and delivers the test's, and a store in place of localStorage.
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

  deliver(message: ServerMessage): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  deliverRaw(data: string): void {
    this.onmessage?.({ data });
  }

  /** Opens the socket and completes the handshake. */
  accept(heartbeat_ms = 10_000, user_id = "alice"): this {
    this.onopen?.();
    this.deliver({ type: "connected", node: "gateway-1", user_id, heartbeat_ms });
    return this;
  }

  drop(code = 1006): void {
    this.onclose?.({ code, reason: "" });
  }
}

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
