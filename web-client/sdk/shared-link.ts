// One link for all tabs of a user: the tab that holds a lock of the browser opens it, the others speak and hear through that
// tab. Not a SharedWorker, which some phones lack. Where locks or channels are missing, each tab has a link of its own.
import { type ConnectionState, type Link, StatedLink } from "./link";
import type { ClientMessage, ServerMessage, ServerMessages } from "./messages";

/** The leading tab says this often that it lives. */
const BEAT_MS = 3_000;
/** After so long a follower asks. Silence alone is no sign: browsers let a hidden tab's timers run once a minute. */
const SILENT_MS = 3 * BEAT_MS;
/** A leading tab that does not answer in time was put to sleep, lock in hand. Messages wake a hidden tab at once. */
const ANSWER_MS = 1_500;

type Note =
  | { note: "hello" | "probe" | "beat" }
  | { note: "say"; message: ClientMessage }
  | { note: "told"; message: ServerMessage }
  /** `fresh` on a new connection, when everybody has to ask for their places again. */
  | { note: "state"; state: ConnectionState; connected?: ServerMessages["connected"] | undefined; fresh?: boolean };

export interface Browser {
  locks?: Pick<LockManager, "request"> | undefined;
  BroadcastChannel?: typeof BroadcastChannel | undefined;
}

export const browser = (): Browser => ({
  locks: globalThis.navigator?.locks,
  BroadcastChannel: globalThis.BroadcastChannel,
});

export class SharedLink extends StatedLink implements Link {
  readonly #name: () => string;
  readonly #make: () => Link;
  readonly #browser: Browser;
  #connected: ServerMessages["connected"] | undefined;
  #channel: BroadcastChannel | undefined;
  /** Only in the leading tab. */
  #link: Link | undefined;
  /** Ends this tab's hold of, or wish for, the lock. */
  #release: (() => void) | undefined;
  #beat: ReturnType<typeof setInterval> | undefined;
  #silence: ReturnType<typeof setTimeout> | undefined;

  /** `name` is the same in tabs that may share: of one user, on one server. */
  constructor(name: () => string, make: () => Link, using: Browser = browser()) {
    super();
    this.#name = name;
    this.#make = make;
    this.#browser = using;
  }

  get leads(): boolean {
    return this.#link !== undefined;
  }

  open(): void {
    if (this.#link) return this.#link.open();
    if (this.#channel) return this.#post({ note: "hello" });
    const { locks, BroadcastChannel: Channel } = this.#browser;
    if (!locks || !Channel) return this.#lead();
    this.#channel = new Channel(this.#name());
    this.#channel.onmessage = ({ data }) => this.#hear(data as Note);
    this.enter({ state: "connecting" });
    this.#expect(ANSWER_MS);
    this.#stand(false);
    this.#post({ note: "hello" });
  }

  close(): void {
    this.#stepDown();
    this.#release?.();
    this.#release = undefined;
    clearTimeout(this.#silence);
    this.#channel?.close();
    this.#channel = undefined;
    this.#connected = undefined;
    this.enter({ state: "idle" });
  }

  send(message: ClientMessage): boolean {
    if (this.#link) return this.#link.send(message);
    if (!this.#connected) return false;
    // The leading tab has acknowledged already.
    if (message.type !== "ack") this.#post({ note: "say", message });
    return true;
  }

  probe(): void {
    if (this.#link) return this.#link.probe();
    if (this.#channel) this.#ask("probe");
  }

  /** For the lead: in the queue of the lock, or at once over the head of a silent tab. */
  #stand(steal: boolean): void {
    this.#release?.();
    const stop = new AbortController();
    this.#release = () => stop.abort();
    const channel = this.#channel;
    const lead = () =>
      new Promise<void>((release) => {
        if (stop.signal.aborted || channel !== this.#channel) return release();
        this.#release = release;
        this.#lead();
      });
    const options = steal ? { steal } : { signal: stop.signal };
    this.#browser.locks!.request(this.#name(), options, lead).catch(() => {
      // Taken over while this tab slept: from now on it follows.
      if (stop.signal.aborted || !this.#link) return;
      this.#stepDown();
      this.#stand(false);
      this.#post({ note: "hello" });
    });
  }

  #lead(): void {
    clearTimeout(this.#silence);
    const link = (this.#link = this.#make());
    this.#connected = undefined;
    link.on("state", (state) => {
      this.enter(state);
      this.#post({ note: "state", state, connected: this.#connected });
    });
    link.on("connected", (connected) => {
      this.#connected = connected;
      this.emit("connected", connected);
      this.#post({ note: "state", state: this.current, connected, fresh: true });
    });
    link.on("message", (message) => {
      this.emit("message", message);
      this.#post({ note: "told", message });
    });
    this.#beat = setInterval(() => this.#post({ note: "beat" }), BEAT_MS);
    link.open();
  }

  #stepDown(): void {
    clearInterval(this.#beat);
    const link = this.#link;
    this.#link = undefined;
    link?.close();
  }

  #hear(note: Note): void {
    if (this.#link) return this.#hearFollower(this.#link, note);
    if (note.note === "hello" || note.note === "probe" || note.note === "say") return;
    this.#expect(SILENT_MS);
    if (note.note === "told") this.emit("message", note.message);
    if (note.note === "state") this.#follow(note);
  }

  #hearFollower(link: Link, note: Note): void {
    if (note.note === "say") link.send(note.message);
    if (note.note === "probe") {
      link.probe();
      this.#post({ note: "beat" });
    }
    if (note.note === "hello") {
      this.#post({ note: "state", state: this.current, connected: this.#connected });
      link.open();
    }
    // Only a tab that went over this one's head tells states: the word that the lock is gone is on its way.
  }

  #follow({ state, connected, fresh }: Note & { note: "state" }): void {
    const known = this.#connected;
    this.#connected = connected;
    this.enter(state);
    if (connected && (fresh || !known)) this.emit("connected", connected);
  }

  #ask(note: "hello" | "probe"): void {
    this.#post({ note });
    this.#expect(ANSWER_MS, () => this.#stand(true));
  }

  /** A word of the leading tab within this time. The question after it does not reach the server. */
  #expect(ms: number, otherwise = () => this.#ask("hello")): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(otherwise, ms);
  }

  #post(note: Note): void {
    this.#channel?.postMessage(note);
  }
}
