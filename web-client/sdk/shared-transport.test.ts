// Many tabs with one transport: leadership, messages through the leader, and takeover if it closes or is frozen.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Emitter } from "./emitter";
import type { ConnectionState, Transport, TransportEvents } from "./transport";
import type { ClientMessage, ServerMessage } from "./messages";
import { type Browser, SharedTransport } from "./shared-transport";
import { followPageLifecycle } from "./page-lifecycle";

class FakeTransport extends Emitter<TransportEvents> implements Transport {
  static all: FakeTransport[] = [];
  static get open(): FakeTransport[] {
    return FakeTransport.all.filter(({ current }) => current.state !== "idle");
  }
  current: ConnectionState = { state: "idle" };
  sent: ClientMessage[] = [];
  constructor() {
    super();
    FakeTransport.all.push(this);
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
  deliver(message: ServerMessage) {
    this.emit("message", message);
  }
  enter(state: ConnectionState) {
    this.current = state;
    this.emit("state", state);
  }
}

/** Locks and channels for tabs in one process, with the ordering that browsers guarantee. */
class FakeBrowser {
  held: { drop: (error: Error) => void } | undefined;
  waiting: (() => void)[] = [];
  channels = new Set<{ onmessage: ((event: { data: unknown }) => void) | null; asleep?: boolean }>();

  tab(): Browser {
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

function tab() {
  const transport = new SharedTransport(() => "name", () => new FakeTransport(), browser.tab());
  const received: ServerMessage[] = [];
  let connects = 0;
  transport.on("message", (message) => received.push(message));
  transport.on("connected", () => connects++);
  transport.open();
  return { transport, received, connects: () => connects };
}

beforeEach(() => {
  vi.useFakeTimers();
  FakeTransport.all = [];
  browser = new FakeBrowser();
});
afterEach(() => vi.useRealTimers());

test("the first tab leads, the others send and receive through it", async () => {
  const [first, second, third] = [tab(), tab(), tab()];
  await settle();
  expect(FakeTransport.open).toHaveLength(1);
  expect([first, second, third].map(({ transport }) => transport.current.state)).toEqual(["connected", "connected", "connected"]);
  expect([first, second, third].map(({ connects }) => connects())).toEqual([1, 1, 1]);

  expect(second.transport.send({ type: "leave", event_id: "e" })).toBe(true);
  expect(second.transport.send({ type: "ack", pass_id: "p" })).toBe(true);
  await settle();
  expect(FakeTransport.all[0]!.sent, "only the leader acknowledges").toEqual([{ type: "leave", event_id: "e" }]);
  FakeTransport.all[0]!.deliver({ type: "left", event_id: "e" });
  await settle();
  for (const { received } of [first, second, third]) expect(received).toEqual([{ type: "left", event_id: "e" }]);
});

test("every tab joins again after a new connection of the leader", async () => {
  const [first, second] = [tab(), tab()];
  await settle();
  FakeTransport.all[0]!.enter({ state: "reconnecting", in_ms: 1 });
  await settle();
  expect(second.transport.current.state).toBe("reconnecting");
  FakeTransport.all[0]!.enter({ state: "idle" });
  FakeTransport.all[0]!.open();
  await settle();
  expect([first.connects(), second.connects()]).toEqual([2, 2]);
});

test("another tab takes over when the leader closes", async () => {
  const [first, second, third] = [tab(), tab(), tab()];
  await settle();
  first.transport.close();
  await settle();
  expect(FakeTransport.open).toHaveLength(1);
  expect([second.transport.isLeader, third.transport.isLeader]).toEqual([true, false]);
  expect([second.connects(), third.connects()]).toEqual([2, 2]);
  expect(second.transport.send({ type: "ping" })).toBe(true);
});

/** Freezes a tab: it neither receives nor sends. Returns a function that wakes it. */
function freeze(index: number): () => void {
  const channel = [...browser.channels][index]!;
  const listener = channel.onmessage;
  const post = vi.spyOn(channel as unknown as BroadcastChannel, "postMessage").mockImplementation(() => {});
  channel.onmessage = null;
  return () => {
    post.mockRestore();
    channel.onmessage = listener;
  };
}

test("a tab takes over from a frozen leader, which follows when it wakes", async () => {
  const [first, second] = [tab(), tab()];
  await settle();
  const wakes = freeze(0);
  await vi.advanceTimersByTimeAsync(10_600);
  expect(second.transport.isLeader).toBe(true);
  wakes();
  await settle();
  expect(first.transport.isLeader).toBe(false);
  expect(FakeTransport.open).toHaveLength(1);
  FakeTransport.open[0]!.deliver({ type: "left", event_id: "e" });
  await settle();
  expect(first.received).toEqual([{ type: "left", event_id: "e" }]);
});

test("a leader with throttled timers keeps the lead, because it replies", async () => {
  const [first, second] = [tab(), tab()];
  await settle();
  const channel = [...browser.channels][0] as unknown as BroadcastChannel;
  const post = channel.postMessage.bind(channel);
  // A hidden tab's heartbeats come once a minute, but it replies at once.
  vi.spyOn(channel, "postMessage").mockImplementation((message) => (message.type !== "heartbeat" ? post(message) : undefined));
  const probe = vi.spyOn(FakeTransport.all[0]!, "probe");
  await vi.advanceTimersByTimeAsync(120_000);
  expect([first.transport.isLeader, second.transport.isLeader]).toEqual([true, false]);
  expect(FakeTransport.all).toHaveLength(1);
  expect(probe, "the query does not reach the server").not.toHaveBeenCalled();
  expect([first.connects(), second.connects()]).toEqual([1, 1]);
});

test("exactly one of many tabs takes over from a frozen leader", async () => {
  const tabs = Array.from({ length: 6 }, () => tab());
  await settle();
  freeze(0);
  await vi.advanceTimersByTimeAsync(12_000);
  // The frozen tab does not know yet that it lost the lock; its transport is still open.
  expect(FakeTransport.open.filter((transport) => transport !== FakeTransport.all[0])).toHaveLength(1);
  expect(tabs.slice(1).filter(({ transport }) => transport.isLeader)).toHaveLength(1);
  FakeTransport.open.at(-1)!.deliver({ type: "left", event_id: "e" });
  await settle();
  for (const { received } of tabs.slice(1)) expect(received).toHaveLength(1);
});

test("a probe detects a frozen leader soon", async () => {
  tab();
  const second = tab();
  await settle();
  second.transport.probe();
  await vi.advanceTimersByTimeAsync(2_000);
  expect(second.transport.isLeader).toBe(false);
  freeze(0);
  second.transport.probe();
  await vi.advanceTimersByTimeAsync(1_600);
  expect(second.transport.isLeader).toBe(true);
});

test("without locks each tab has its own transport", () => {
  const transports = [0, 1].map(() => new SharedTransport(() => "name", () => new FakeTransport(), {}));
  for (const transport of transports) transport.open();
  expect(FakeTransport.open).toHaveLength(2);
});

test("a suspended page gives up transport and lock, and follows when it resumes", async () => {
  const page = new EventTarget();
  vi.stubGlobal("window", page);
  vi.stubGlobal("document", { visibilityState: "hidden" });
  const [first, second] = [tab(), tab()];
  const stop = followPageLifecycle(first.transport);
  await settle();
  for (const [sleep, wake] of [
    ["pagehide", "pageshow"],
    ["freeze", "resume"],
  ] as const) {
    page.dispatchEvent(new Event(sleep));
    page.dispatchEvent(new Event("freeze"));
    expect(first.transport.current.state).toBe("idle");
    await settle();
    expect([second.transport.isLeader, FakeTransport.open.length, browser.channels.size]).toEqual([true, 1, 1]);
    page.dispatchEvent(new Event("resume"));
    page.dispatchEvent(new Event(wake));
    await settle();
    expect([first.transport.isLeader, first.transport.current.state, second.transport.isLeader]).toEqual([false, "connected", true]);
  }
  expect(first.connects()).toBe(3);
  second.transport.close();
  await settle();
  expect(first.transport.isLeader, "it requests the lock again").toBe(true);
  stop();
  page.dispatchEvent(new Event("pagehide"));
  expect(first.transport.isLeader).toBe(true);
  vi.unstubAllGlobals();
});

test("waking does not open a transport that was never open or was refused", async () => {
  const page = new EventTarget();
  vi.stubGlobal("window", page);
  vi.stubGlobal("document", { visibilityState: "hidden" });
  const { transport } = tab();
  const stop = followPageLifecycle(transport);
  await settle();
  FakeTransport.all[0]!.enter({ state: "refused", code: 4500, reason: "" });
  for (const moment of ["freeze", "pagehide", "pageshow", "resume"]) page.dispatchEvent(new Event(moment));
  expect(transport.current.state).toBe("refused");
  transport.close();
  for (const moment of ["freeze", "pagehide", "pageshow", "resume"]) page.dispatchEvent(new Event(moment));
  expect([transport.current.state, FakeTransport.all.length]).toEqual(["idle", 1]);
  stop();
  vi.unstubAllGlobals();
});
