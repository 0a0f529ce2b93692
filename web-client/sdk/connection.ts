// A link over WebSockets that outlives each of them: it connects, says who the user is, notices silence, and comes back
// unless the close code forbids it. It knows nothing of lines and passes.
import { backoffMs } from "./backoff";
import { mayReconnect } from "./close-codes";
import { type Link, StatedLink } from "./link";
import type { ClientMessage, ServerMessage, ServerMessages } from "./messages";

export interface ConnectionOptions {
  url: string;
  /** Asked anew for every socket, because tokens expire. */
  token: () => string;
  WebSocket?: new (url: string, protocols: string) => WebSocket;
  /** In [0, 1). */
  random?: () => number;
}

const SUBPROTOCOL = "stanchion.v1";
const HANDSHAKE_MS = 10_000;
const PROBE_MS = 4_000;
/** A socket that lived this long has worked: the next loss starts again with short delays. */
const STABLE_MS = 10_000;
const MISSED_HEARTBEATS = 2.5;
/** Ours, for a server that fell silent; never sent by a server. */
const SILENT = 4412;

export class Connection extends StatedLink implements Link {
  readonly #options: ConnectionOptions;
  readonly #random: () => number;
  #socket: WebSocket | undefined;
  #heartbeatMs = 0;
  #attempt = 0;
  /** When to come back after a drain, in `Date.now()` terms. */
  #returnAt: number | undefined;
  #silence: ReturnType<typeof setTimeout> | undefined;
  #stable: ReturnType<typeof setTimeout> | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #drain: ReturnType<typeof setTimeout> | undefined;

  constructor(options: ConnectionOptions) {
    super();
    this.#options = options;
    this.#random = options.random ?? Math.random;
  }

  open(): void {
    if (this.ended) this.#connect();
  }

  close(): void {
    this.#drop(1000);
    this.#attempt = 0;
    this.enter({ state: "idle" });
  }

  send(message: ClientMessage): boolean {
    if (this.current.state !== "connected") return false;
    this.#write(message);
    return true;
  }

  /** Finds a dead socket now instead of a heartbeat later. */
  probe(): void {
    if (this.current.state === "reconnecting") this.#connect();
    else if (this.send({ type: "ping" })) this.#expectWithin(PROBE_MS);
  }

  #connect(): void {
    clearTimeout(this.#retry);
    this.enter({ state: "connecting" });
    this.#expectWithin(HANDSHAKE_MS);
    let socket: WebSocket;
    try {
      socket = new (this.#options.WebSocket ?? WebSocket)(this.#options.url, SUBPROTOCOL);
    } catch {
      // A browser or a policy without sockets: like a network without them.
      return this.#lost(1006, "");
    }
    this.#socket = socket;
    socket.onopen = () => this.#write({ type: "connect", token: this.#options.token() });
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = ({ code, reason }) => this.#lost(code, reason);
  }

  #receive(data: unknown): void {
    if (this.#heartbeatMs > 0) this.#expectHeartbeat();
    const message = this.#read(data);
    if (!message) return;
    switch (message.type) {
      case "heartbeat":
        return;
      case "connected":
        return this.#established(message);
      case "reconnect":
        return this.#leaveNode(message.after_ms);
      default:
        this.emit("message", message);
        if (message.type === "error" && message.code === "TOKEN_EXPIRED") this.#introduceAnew();
    }
  }

  /** The socket's token has ended, the user's may have been renewed; one that was not is refused by the next socket. */
  #introduceAnew(): void {
    if (this.current.state === "connected") this.#lost(1000, "");
  }

  /** Its fields are the server's to keep right; a type that is not known here is nobody's to listen to. */
  #read(data: unknown): ServerMessage | undefined {
    try {
      return JSON.parse(String(data)) as ServerMessage;
    } catch (error) {
      // Dropped; what matters comes again on the next resume.
      console.warn(error);
      return undefined;
    }
  }

  #established(message: ServerMessages["connected"]): void {
    this.#heartbeatMs = message.heartbeat_ms;
    this.#expectHeartbeat();
    this.#stable = setTimeout(() => (this.#attempt = 0), STABLE_MS);
    this.enter({ state: "connected", via: "socket" });
    this.emit("connected", message);
  }

  /** The node drains: stay for as long as it allows, then go, not at the same moment as everybody else. */
  #leaveNode(afterMs: number): void {
    const in_ms = afterMs + backoffMs(this.#attempt++, this.#random());
    this.#returnAt = Date.now() + in_ms;
    clearTimeout(this.#drain);
    this.#drain = setTimeout(() => this.#lost(1000, ""), in_ms);
  }

  #expectHeartbeat(): void {
    if (this.#heartbeatMs > 0) this.#expectWithin(MISSED_HEARTBEATS * this.#heartbeatMs);
    else clearTimeout(this.#silence);
  }

  #expectWithin(ms: number): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#lost(SILENT, "no heartbeat"), ms);
  }

  #lost(code: number, reason: string): void {
    const returnAt = this.#returnAt;
    this.#drop(code === SILENT ? SILENT : 1000);
    if (!mayReconnect(code)) return this.enter({ state: "refused", code, reason });
    const in_ms = returnAt === undefined ? backoffMs(this.#attempt++, this.#random()) : Math.max(0, returnAt - Date.now());
    this.#retry = setTimeout(() => this.#connect(), in_ms);
    this.enter({ state: "reconnecting", in_ms });
  }

  /** A dead network never answers a close, so nothing waits for it. */
  #drop(code: number): void {
    for (const timer of [this.#silence, this.#stable, this.#retry, this.#drain]) clearTimeout(timer);
    this.#heartbeatMs = 0;
    this.#returnAt = undefined;
    const socket = this.#socket;
    this.#socket = undefined;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close(code);
  }

  #write(message: ClientMessage): void {
    this.#socket?.send(JSON.stringify(message));
  }
}
