// The best link that the network lets through: a socket; plain HTTP while sockets fail; a socket again as soon as one works.
import { Emitter } from "./emitter";
import type { ConnectionState, Link, LinkEvents } from "./link";
import type { ClientMessage } from "./messages";

/** Handshakes in a row that fail before HTTP is tried: one failure alone is a server that restarts. */
const FAILED_HANDSHAKES = 2;
/** While HTTP works, a socket is tried this rarely, spread over half as much again. */
const RETRY_MS = 40_000;

export class BestLink extends Emitter<LinkEvents> implements Link {
  readonly #socket: Link;
  readonly #http: Link;
  readonly #random: () => number;
  #active: Link;
  #failures = 0;
  #shaking = false;
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(socket: Link, http: Link, random: () => number = Math.random) {
    super();
    this.#socket = this.#active = socket;
    this.#http = http;
    this.#random = random;
    for (const link of [socket, http]) this.#pass(link);
    socket.on("state", (state) => this.#socketIs(state));
    http.on("state", (state) => this.#httpIs(state));
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

  #socketIs(state: ConnectionState): void {
    if (state.state === "connected") this.#useSocket();
    if (state.state === "reconnecting" && this.#shaking && ++this.#failures >= FAILED_HANDSHAKES) this.#useHttp();
    this.#shaking = state.state === "connecting";
    if (this.#active === this.#socket) return this.emit("state", state);
    if (state.state === "refused") return this.#useSocket();
    if (state.state === "reconnecting") this.#retryLater();
  }

  #httpIs(state: ConnectionState): void {
    if (this.#active === this.#socket) return;
    if (state.state === "refused") {
      this.#socket.close();
      this.#active = this.#socket;
    }
    this.emit("state", state);
    // The server is back, or the network is: perhaps for sockets as well.
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
    this.#retryLater();
    this.#http.open();
  }

  #pass(link: Link): void {
    link.on("connected", (message) => void (link === this.#active && this.emit("connected", message)));
    link.on("message", (message) => void (link === this.#active && this.emit("message", message)));
  }

  /** Instead of the socket's own, more eager attempts. */
  #retryLater(): void {
    clearTimeout(this.#retry);
    this.#socket.close();
    this.#retry = setTimeout(() => this.#socket.open(), RETRY_MS * (1 + this.#random() / 2));
  }
}
