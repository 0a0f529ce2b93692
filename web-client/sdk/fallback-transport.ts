// Prefers a WebSocket, falls back to plain HTTP while sockets fail, and returns to the socket as soon as one connects.
import { Emitter } from "./emitter";
import type { ConnectionState, Transport, TransportEvents } from "./transport";
import type { ClientMessage } from "./messages";

/** Consecutive failed handshakes before HTTP is tried. A single failure is most likely a restart of the server. */
const MAX_FAILED_HANDSHAKES = 2;
/** A socket that does not speak in this time gets company: the place is taken over HTTP while its handshake continues. */
const SILENT_HANDSHAKE_MS = 1_500;
/** Interval between socket attempts while HTTP works; up to 50 % jitter is added. */
const SOCKET_RETRY_MS = 40_000;

export class FallbackTransport extends Emitter<TransportEvents> implements Transport {
  readonly #socket: Transport;
  readonly #http: Transport;
  readonly #random: () => number;
  #active: Transport;
  #failures = 0;
  #inHandshake = false;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #silence: ReturnType<typeof setTimeout> | undefined;

  constructor(socket: Transport, http: Transport, random: () => number) {
    super();
    this.#socket = this.#active = socket;
    this.#http = http;
    this.#random = random;
    for (const transport of [socket, http]) this.#forward(transport);
    socket.on("state", (state) => this.#onSocketState(state));
    http.on("state", (state) => this.#onHttpState(state));
  }

  get current(): ConnectionState {
    return this.#active.current;
  }

  open(): void {
    this.#active.open();
  }

  close(): void {
    clearTimeout(this.#retry);
    this.#active = this.#socket;
    this.#failures = 0;
    this.#http.close();
    this.#socket.close();
  }

  send(message: ClientMessage): boolean {
    return this.#active.send(message);
  }

  probe(): void {
    this.#socket.probe();
    if (this.#active === this.#socket) return;
    this.#active.probe();
    this.#socket.open();
  }

  #onSocketState(state: ConnectionState): void {
    clearTimeout(this.#silence);
    if (state.state === "connecting") this.#silence = setTimeout(() => this.#useHttp(), SILENT_HANDSHAKE_MS);
    if (state.state === "connected") this.#useSocket();
    if (state.state === "reconnecting" && this.#inHandshake && ++this.#failures >= MAX_FAILED_HANDSHAKES) this.#useHttp();
    this.#inHandshake = state.state === "connecting";
    if (this.#active === this.#socket) return this.emit("state", state);
    if (state.state === "refused") return this.#useSocket();
    if (state.state === "reconnecting") this.#scheduleSocketRetry();
  }

  #onHttpState(state: ConnectionState): void {
    if (this.#active === this.#socket) return;
    if (state.state === "refused") {
      this.#socket.close();
      this.#active = this.#socket;
    }
    this.emit("state", state);
    // Server or network came back; sockets may work again, too.
    if (state.state === "connected" && state.via === "polling") this.#socket.open();
  }

  #useSocket(): void {
    clearTimeout(this.#retry);
    this.#failures = 0;
    if (this.#active === this.#socket) return;
    this.#active = this.#socket;
    this.#http.close();
    if (this.#socket.current.state === "refused") this.emit("state", this.#socket.current);
  }

  #useHttp(): void {
    if (this.#active !== this.#socket) return;
    this.#active = this.#http;
    this.#http.open();
  }

  #forward(transport: Transport): void {
    for (const name of ["connected", "message"] as const) {
      transport.on(name, (message) => void (transport === this.#active && this.emit(name, message)));
    }
  }

  /** Replaces the socket's own reconnect attempts, which are more frequent. */
  #scheduleSocketRetry(): void {
    clearTimeout(this.#retry);
    this.#socket.close();
    this.#retry = setTimeout(() => this.#socket.open(), SOCKET_RETRY_MS * (1 + this.#random() / 2));
  }
}
