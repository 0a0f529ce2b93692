// A transport over WebSockets: connects, authenticates, detects dead sockets by missing heartbeats, and reconnects unless the
// close code forbids it. It knows neither queues nor passes.
import { backoffMs } from "./backoff";
import { type Transport, StatefulTransport } from "./transport";
import type { ClientMessage, ServerMessage, ServerMessages } from "./messages";
import type { Socket } from "./platform";

export interface WebSocketTransportOptions {
  url: string;
  /** Called for each socket, because tokens expire. */
  token: () => string;
  WebSocket?: (new (url: string, protocols: string) => Socket) | undefined;
  /** In [0, 1). */
  random?: () => number;
}

const SUBPROTOCOL = "stanchion.v1";
const HANDSHAKE_TIMEOUT_MS = 10_000;
const PROBE_TIMEOUT_MS = 4_000;
/** After this time a socket counts as stable: the backoff starts again at the shortest delay. */
const STABLE_AFTER_MS = 10_000;
const MISSED_HEARTBEATS = 2.5;
/** Close code of this client if heartbeats are missing; a server never sends it. */
const HEARTBEAT_TIMEOUT = 4412;

export class WebSocketTransport extends StatefulTransport implements Transport {
  readonly #options: WebSocketTransportOptions;
  readonly #random: () => number;
  #socket: Socket | undefined;
  #heartbeatMs = 0;
  #attempt = 0;
  /** When to reconnect after a drain, in milliseconds since the epoch. */
  #reconnectAt: number | undefined;
  #timeout: ReturnType<typeof setTimeout> | undefined;
  #stableTimer: ReturnType<typeof setTimeout> | undefined;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #drainTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: WebSocketTransportOptions) {
    super();
    this.#options = options;
    this.#random = options.random ?? Math.random;
  }

  open(): void {
    if (this.isClosed) this.#connect();
  }

  close(): void {
    this.#discardSocket(1000);
    this.#attempt = 0;
    this.setState({ state: "idle" });
  }

  send(message: ClientMessage): boolean {
    if (this.current.state !== "connected") return false;
    this.#write(message);
    return true;
  }

  /** Detects a dead socket within `PROBE_TIMEOUT_MS` instead of by missing heartbeats. */
  probe(): void {
    if (this.current.state === "reconnecting") this.#connect();
    else if (this.send({ type: "ping" })) this.#armTimeout(PROBE_TIMEOUT_MS);
  }

  #connect(): void {
    clearTimeout(this.#retryTimer);
    this.setState({ state: "connecting" });
    this.#armTimeout(HANDSHAKE_TIMEOUT_MS);

    let socket: Socket;
    try {
      socket = new (this.#options.WebSocket ?? WebSocket)(this.#options.url, SUBPROTOCOL);
    } catch {
      // The browser or a policy forbids WebSockets: handle it like a network that blocks them.
      return this.#onLost(1006);
    }

    this.#socket = socket;
    socket.onopen = () => this.#write({ type: "connect", token: this.#options.token() });
    socket.onmessage = ({ data }) => this.#onMessage(data);
    socket.onclose = ({ code, reason }) => this.#onLost(code, reason);
  }

  #onMessage(data: unknown): void {
    if (this.#heartbeatMs > 0) this.#armHeartbeatTimeout();
    const message = this.#parse(data);
    if (!message) return;

    switch (message.type) {
      case "heartbeat":
        return;
      case "connected":
        return this.#onConnected(message);
      case "reconnect":
        return this.#onReconnectRequest(message.after_ms);
      default:
        this.emit("message", message);
        // The socket's token expired; the stored one may have been renewed. If not, the server refuses the next socket.
        if (message.type === "error" && message.code === "TOKEN_EXPIRED" && this.current.state === "connected") this.#onLost(1000);
    }
  }

  /** Fields are not validated (decision 0016); unknown message types have no listener. */
  #parse(data: unknown): ServerMessage | undefined {
    try {
      return JSON.parse(String(data)) as ServerMessage;
    } catch (error) {
      // The message is dropped. The server repeats important state on the next join.
      console.warn(error);
      return undefined;
    }
  }

  #onConnected(message: ServerMessages["connected"]): void {
    this.#heartbeatMs = message.heartbeat_ms;
    this.#armHeartbeatTimeout();
    this.#stableTimer = setTimeout(() => (this.#attempt = 0), STABLE_AFTER_MS);
    this.setState({ state: "connected", via: "socket" });
    this.emit("connected", message);
  }

  /** The node drains: stay for `afterMs`, then reconnect with jitter so that clients do not all reconnect at once. */
  #onReconnectRequest(afterMs: number): void {
    const in_ms = afterMs + backoffMs(this.#attempt++, this.#random());
    this.#reconnectAt = Date.now() + in_ms;
    clearTimeout(this.#drainTimer);
    this.#drainTimer = setTimeout(() => this.#onLost(1000), in_ms);
  }

  #armHeartbeatTimeout(): void {
    clearTimeout(this.#timeout);
    if (this.#heartbeatMs > 0) this.#armTimeout(MISSED_HEARTBEATS * this.#heartbeatMs);
  }

  #armTimeout(ms: number): void {
    clearTimeout(this.#timeout);
    this.#timeout = setTimeout(() => this.#onLost(HEARTBEAT_TIMEOUT), ms);
  }

  #onLost(code: number, reason = ""): void {
    const reconnectAt = this.#reconnectAt;
    this.#discardSocket(code === HEARTBEAT_TIMEOUT ? HEARTBEAT_TIMEOUT : 1000);
    // The same request cannot succeed later (`close-codes.ts`).
    if (code >= 4500 && code <= 4999) return this.setState({ state: "refused", code, reason });

    const in_ms = reconnectAt === undefined ? backoffMs(this.#attempt++, this.#random()) : Math.max(0, reconnectAt - Date.now());
    this.#retryTimer = setTimeout(() => this.#connect(), in_ms);
    this.setState({ state: "reconnecting", in_ms });
  }

  /** Does not wait for the close handshake: on a dead network no reply arrives. */
  #discardSocket(code: number): void {
    for (const timer of [this.#timeout, this.#stableTimer, this.#retryTimer, this.#drainTimer]) clearTimeout(timer);
    this.#heartbeatMs = 0;
    this.#reconnectAt = undefined;

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
