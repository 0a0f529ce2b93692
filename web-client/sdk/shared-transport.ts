// One transport for all tabs of a user: the tab that holds a Web Lock (the leader) opens it, the others (followers) send and
// receive through that tab over a BroadcastChannel. Some phones lack SharedWorker, so this does not use it. If the browser lacks
// locks or channels, or refuses them, each tab has its own transport.
import type { ClientMessage, ServerMessage, ServerMessages } from "./messages";
import type { Channel, Locks } from "./platform";
import { type ConnectionState, StatefulTransport, type Transport } from "./transport";

/** Interval of the leader's heartbeats. */
const HEARTBEAT_MS = 3_000;
/** After this time without a message, a follower asks the leader. A hidden leader may be alive: its timers run once a minute. */
const LEADER_TIMEOUT_MS = 3 * HEARTBEAT_MS;
/** A leader that does not reply in time was frozen while it held the lock. Hidden tabs process messages at once. */
const REPLY_TIMEOUT_MS = 1_500;

/** Tabs of different builds may share a channel: a change of these messages needs a new channel name (`client.ts`). */
type ChannelMessage =
  | { type: "hello" | "probe" | "heartbeat" }
  | { type: "send"; message: ClientMessage }
  | { type: "message"; message: ServerMessage }
  /** `isNew`: the server does not know the places yet, so every tab sends its joins again. */
  | { type: "state"; state: ConnectionState; connected?: ServerMessages["connected"] | undefined; isNew?: boolean };

export interface Browser {
  locks?: Locks | undefined;
  BroadcastChannel?: (new (name: string) => Channel) | undefined;
}

export const browser = (): Browser => ({
  locks: globalThis.navigator?.locks,
  BroadcastChannel: globalThis.BroadcastChannel,
});

export class SharedTransport extends StatefulTransport implements Transport {
  readonly #name: () => string;
  readonly #createTransport: () => Transport;
  readonly #browser: Browser;
  #connected: ServerMessages["connected"] | undefined;
  #channel: Channel | undefined;
  /** Set in the leader only. */
  #transport: Transport | undefined;
  /** Releases the lock, or withdraws the request for it. */
  #release: (() => void) | undefined;
  #heartbeatTimer: ReturnType<typeof setInterval> | undefined;
  #leaderTimer: ReturnType<typeof setTimeout> | undefined;

  /** `name` identifies the tabs that share a transport: those of one user on one server. */
  constructor(name: () => string, createTransport: () => Transport, tabs: Browser) {
    super();
    this.#name = name;
    this.#createTransport = createTransport;
    this.#browser = tabs;
  }

  get isLeader(): boolean {
    return this.#transport !== undefined;
  }

  open(): void {
    if (this.#transport) return this.#transport.open();
    if (this.#channel) return this.#post({ type: "hello" });

    const { locks, BroadcastChannel } = this.#browser;
    try {
      this.#channel = locks && BroadcastChannel && new BroadcastChannel(this.#name());
    } catch {
      // The browser forbids channels.
    }
    if (!this.#channel) return this.#lead();
    this.#channel.onmessage = ({ data }) => this.#onMessage(data as ChannelMessage);
    // Not reported: the leader's transport, or this tab's own, does.
    this.current = { state: "connecting" };
    this.#watchLeader(REPLY_TIMEOUT_MS);
    this.#requestLeadership(false);
    this.#post({ type: "hello" });
  }

  close(): void {
    this.#stepDown();
    this.#release?.();
    this.#release = undefined;
    clearTimeout(this.#leaderTimer);
    this.#closeChannel();
    this.#connected = undefined;
    this.setState({ state: "idle" });
  }

  /** Closes for good: reports nothing, not even this, and never opens again. */
  override end(): void {
    super.end();
    this.close();
    this.open = () => {};
  }

  send(message: ClientMessage): boolean {
    if (this.#transport) return this.#transport.send(message);
    if (!this.#connected) return false;
    // The leader has acknowledged already.
    if (message.type !== "ack") this.#post({ type: "send", message });
    return true;
  }

  probe(): void {
    if (this.#transport) return this.#transport.probe();
    if (this.#channel) this.#query("probe");
  }

  #closeChannel(): void {
    this.#channel?.close();
    this.#channel = undefined;
  }

  /** Waits for the lock, or takes it from an unresponsive leader at once (`steal`). */
  #requestLeadership(steal: boolean): void {
    this.#release?.();
    const stop = new AbortController();
    this.#release = () => stop.abort();
    const channel = this.#channel;

    // The promise holds the lock until `#release` resolves it.
    const lead = () =>
      new Promise<void>((release) => {
        if (stop.signal.aborted || channel !== this.#channel) return release();
        this.#release = release;
        this.#lead();
      });

    const options = steal ? { steal } : { signal: stop.signal };
    this.#browser.locks!.request(this.#name(), options, lead).catch(() => {
      if (stop.signal.aborted) return;
      if (!this.#transport) {
        // The browser refuses locks, for example because it blocks the site's data: this tab is on its own.
        this.#closeChannel();
        return this.#lead();
      }

      // Another tab took the lock while this one was frozen: continue as a follower.
      this.#stepDown();
      this.#requestLeadership(false);
      this.#post({ type: "hello" });
    });
  }

  #lead(): void {
    clearTimeout(this.#leaderTimer);
    const transport = (this.#transport = this.#createTransport());
    this.#connected = undefined;

    transport.on("state", (state) => {
      this.setState(state);
      this.#post({ type: "state", state, connected: this.#connected });
    });
    transport.on("connected", (connected) => {
      this.#connected = connected;
      this.emit("connected", connected);
      this.#post({ type: "state", state: this.current, connected, isNew: true });
    });
    transport.on("message", (message) => {
      this.emit("message", message);
      this.#post({ type: "message", message });
    });

    this.#heartbeatTimer = setInterval(() => this.#post({ type: "heartbeat" }), HEARTBEAT_MS);
    transport.open();
  }

  #stepDown(): void {
    clearInterval(this.#heartbeatTimer);
    const transport = this.#transport;
    this.#transport = undefined;
    transport?.close();
  }

  #onMessage(message: ChannelMessage): void {
    if (this.#transport) return this.#onFollowerMessage(this.#transport, message);
    if (message.type === "hello" || message.type === "probe" || message.type === "send") return;
    this.#watchLeader(LEADER_TIMEOUT_MS);
    if (message.type === "message") this.emit("message", message.message);
    if (message.type === "state") this.#onLeaderState(message);
  }

  #onFollowerMessage(transport: Transport, message: ChannelMessage): void {
    if (message.type === "send") transport.send(message.message);
    if (message.type === "probe") {
      transport.probe();
      this.#post({ type: "heartbeat" });
    }
    if (message.type === "hello") {
      this.#post({ type: "state", state: this.current, connected: this.#connected });
      transport.open();
    }
    // A `state` comes from a tab that took the lock: the rejection of this tab's lock request follows.
  }

  #onLeaderState({ state, connected, isNew }: ChannelMessage & { type: "state" }): void {
    const known = this.#connected;
    this.#connected = connected;
    this.setState(state);
    if (connected && (isNew || !known)) this.emit("connected", connected);
  }

  #query(type: "hello" | "probe"): void {
    this.#post({ type });
    this.#watchLeader(REPLY_TIMEOUT_MS, () => this.#requestLeadership(true));
  }

  /** Expects a message of the leader within `ms`. Asking the leader afterwards causes no request to the server. */
  #watchLeader(ms: number, onTimeout = () => this.#query("hello")): void {
    clearTimeout(this.#leaderTimer);
    this.#leaderTimer = setTimeout(onTimeout, ms);
  }

  #post(message: ChannelMessage): void {
    this.#channel?.postMessage(message);
  }
}
