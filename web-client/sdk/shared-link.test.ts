// Many tabs, one link: who leads, how the others speak and hear, and what happens when the leading tab closes or sleeps.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Emitter } from "./emitter";
import type { ConnectionState, Link, LinkEvents } from "./link";
import type { ClientMessage, ServerMessage } from "./messages";
import { type Browser, SharedLink } from "./shared-link";

class FakeLink extends Emitter<LinkEvents> implements Link {
  static all: FakeLink[] = [];
  static get open(): FakeLink[] {
    return FakeLink.all.filter(({ current }) => current.state !== "idle");
  }
  current: ConnectionState = { state: "idle" };
  sent: ClientMessage[] = [];
  constructor() {
    super();
    FakeLink.all.push(this);
  }
  open() {
    if (this.current.state !== "idle") return;
    this.enter({ state: "connected", via: "socket" });
    this.emit("connected", { type: "connected", node: "n", user_id: "alice", heartbeat_ms: 1 });
  }
  close() {
    this.enter({ state: "idle" });
  }
  send(message: ClientMessage) {
    return this.sent.push(message) > 0;
  }
  probe() {}
  says(message: ServerMessage) {
    this.emit("message", message);
  }
  enter(state: ConnectionState) {
    this.current = state;
    this.emit("state", state);
  }
}

/** The browser's locks and channels for tabs that live in one process, in the order that browsers promise. */
class FakeBrowser {
  held: { drop: (error: Error) => void } | undefined;
  waiting: (() => void)[] = [];
  channels = new Set<{ onmessage: ((event: { data: unknown }) => void) | null; asleep?: boolean }>();

  tab(visible = () => true): Browser {
    const channels = this.channels;
    class Channel {
      onmessage: ((event: { data: unknown }) => void) | null = null;
      constructor() {
        channels.add(this);
      }
      postMessage(data: unknown) {
        const copy = structuredClone(data);
        for (const other of channels) if (other !== this) queueMicrotask(() => channels.has(other) && other.onmessage?.({ data: copy }));
      }
      close() {
        channels.delete(this);
      }
    }
    const request = (_: string, options: LockOptions, act: (lock: null) => Promise<void>) => this.request(options, act);
    return {
      locks: { request } as unknown as LockManager,
      BroadcastChannel: Channel as unknown as typeof BroadcastChannel,
      visible,
    };
  }

  request(options: LockOptions, act: (lock: null) => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      const run = () => {
        const mine = { drop: reject };
        this.held = mine;
        void act(null).then(() => {
          resolve();
          if (this.held !== mine) return;
          this.held = undefined;
          this.waiting.shift()?.();
        });
      };
      if (options.steal) {
        this.held?.drop(new DOMException("stolen", "AbortError"));
        return run();
      }
      if (!this.held) return run();
      this.waiting.push(run);
      options.signal?.addEventListener("abort", () => {
        this.waiting = this.waiting.filter((one) => one !== run);
        reject(new DOMException("aborted", "AbortError"));
      });
    });
  }
}

const settle = () => vi.advanceTimersByTimeAsync(10);
let browser: FakeBrowser;

function tab(visible?: () => boolean) {
  const link = new SharedLink(() => "name", () => new FakeLink(), browser.tab(visible));
  const heard: ServerMessage[] = [];
  let connects = 0;
  link.on("message", (message) => heard.push(message));
  link.on("connected", () => connects++);
  link.open();
  return { link, heard, connects: () => connects };
}

beforeEach(() => {
  vi.useFakeTimers();
  FakeLink.all = [];
  browser = new FakeBrowser();
});
afterEach(() => vi.useRealTimers());

test("the first tab leads, the others speak and hear through it", async () => {
  const [first, second, third] = [tab(), tab(), tab()];
  await settle();
  expect(FakeLink.open).toHaveLength(1);
  expect([first, second, third].map(({ link }) => link.current.state)).toEqual(["connected", "connected", "connected"]);
  expect([first, second, third].map(({ connects }) => connects())).toEqual([1, 1, 1]);

  expect(second.link.send({ type: "leave", event_id: "e" })).toBe(true);
  expect(second.link.send({ type: "ack", pass_id: "p" })).toBe(true);
  await settle();
  expect(FakeLink.all[0]!.sent, "an acknowledgement was the leader's to send").toEqual([{ type: "leave", event_id: "e" }]);
  FakeLink.all[0]!.says({ type: "left", event_id: "e" });
  await settle();
  for (const { heard } of [first, second, third]) expect(heard).toEqual([{ type: "left", event_id: "e" }]);
});

test("a new connection of the leading tab is news to all: each asks for its places again", async () => {
  const [first, second] = [tab(), tab()];
  await settle();
  FakeLink.all[0]!.enter({ state: "reconnecting", in_ms: 1 });
  await settle();
  expect(second.link.current.state).toBe("reconnecting");
  FakeLink.all[0]!.enter({ state: "idle" });
  FakeLink.all[0]!.open();
  await settle();
  expect([first.connects(), second.connects()]).toEqual([2, 2]);
});

test("when the leading tab closes another takes over", async () => {
  const [first, second, third] = [tab(), tab(), tab()];
  await settle();
  first.link.close();
  await settle();
  expect(FakeLink.open).toHaveLength(1);
  expect([second.link.leads, third.link.leads]).toEqual([true, false]);
  expect([second.connects(), third.connects()]).toEqual([2, 2]);
  expect(second.link.send({ type: "ping" })).toBe(true);
});

test("a visible tab takes the lead from one that sleeps, which follows when it wakes", async () => {
  const [first, second] = [tab(), tab()];
  await settle();
  const asleep = [...browser.channels][0]!;
  const listener = asleep.onmessage;
  const post = vi.spyOn(asleep as unknown as BroadcastChannel, "postMessage").mockImplementation(() => {});
  asleep.onmessage = null;
  await vi.advanceTimersByTimeAsync(9_100);
  expect(second.link.leads).toBe(true);
  post.mockRestore();
  asleep.onmessage = listener;
  await settle();
  expect(first.link.leads).toBe(false);
  expect(FakeLink.open).toHaveLength(1);
  FakeLink.open[0]!.says({ type: "left", event_id: "e" });
  await settle();
  expect(first.heard).toEqual([{ type: "left", event_id: "e" }]);
});

test("a hidden tab leaves a silent leader alone", async () => {
  tab();
  const second = tab(() => false);
  await settle();
  const asleep = [...browser.channels][0]!;
  vi.spyOn(asleep as unknown as BroadcastChannel, "postMessage").mockImplementation(() => {});
  await vi.advanceTimersByTimeAsync(60_000);
  expect(second.link.leads).toBe(false);
});

test("a probe finds out soon whether the leading tab lives", async () => {
  tab();
  const second = tab();
  await settle();
  second.link.probe();
  await vi.advanceTimersByTimeAsync(2_000);
  expect(second.link.leads).toBe(false);
  const asleep = [...browser.channels][0]!;
  asleep.onmessage = null;
  vi.spyOn(asleep as unknown as BroadcastChannel, "postMessage").mockImplementation(() => {});
  second.link.probe();
  await vi.advanceTimersByTimeAsync(1_600);
  expect(second.link.leads).toBe(true);
});

test("without locks each tab has a link of its own", () => {
  const links = [0, 1].map(() => new SharedLink(() => "name", () => new FakeLink(), { visible: () => true }));
  for (const link of links) link.open();
  expect(FakeLink.open).toHaveLength(2);
});
