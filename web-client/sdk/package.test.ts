// The published package: its size, and that the README's examples are current and work.
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { type Rolldown, build } from "vite";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import reserved from "../../tests/wire/server.reserved.json";
import { buy } from "./examples/reserve";
import { wait } from "./examples/wait";
import { prefer } from "./examples/prefer";
import { createClient } from "./client";
import { FakeSocket, FakeStore } from "./fake-socket";
import { PlaceStore, Places } from "./index";
import type { Browser } from "./shared-transport";

const here = new URL(".", import.meta.url);
const readme = readFileSync(new URL("README.md", here), "utf8");
/** Includes all chunks of the core entry. About 350 bytes distinguish the service's problems from an intermediary's, and handle suspended pages. */
const MAX_BYTES = 6_400;

test("the core entry is under 6.4 KB minified and gzipped", async () => {
  const built = await build({
    configFile: false,
    root: here.pathname,
    logLevel: "error",
    build: {
      target: "es2022",
      write: false,
      lib: { entry: new URL("index.ts", here).pathname, formats: ["es"] },
      rolldownOptions: { output: { minify: true, comments: false } },
    },
  });
  const chunks = [built as Rolldown.RolldownOutput | Rolldown.RolldownOutput[]].flat().flatMap(({ output }) => output);
  const sizes = chunks.map((chunk) => (chunk.type === "chunk" ? gzipSync(chunk.code, { level: 9 }).length : 0));
  expect(sizes.reduce((sum, size) => sum + size)).toBeLessThan(MAX_BYTES);
}, 30_000);

test("the README contains the current examples", () => {
  const shown = [...readme.matchAll(/<!-- example: ([\w.-]+) -->\n```\w+\n(.*?)```/gs)].map(([, name, code]) => ({ name, code }));
  const files = readdirSync(new URL("examples/", here), { withFileTypes: true }).filter((entry) => entry.isFile());
  expect(shown.map(({ name }) => name).sort()).toEqual(files.map(({ name }) => name).sort());
  for (const { name, code } of shown) expect(code).toBe(readFileSync(new URL(`examples/${name}`, here), "utf8"));
});

test("the README links only to what the package contains", () => {
  const links = [...readme.matchAll(/\]\(([^)]+)\)/g)].map(([, link]) => link!);
  const packed: string[] = JSON.parse(readFileSync(new URL("package.json", here), "utf8")).files;
  for (const link of links) {
    if (/^(https:|#)/.test(link)) continue;
    expect(packed, link).toContain(link.split("/")[0]);
    expect(existsSync(new URL(link, here)), link).toBe(true);
  }
});

const { event_id, show_id, zone_id } = reserved;
let requests: { route: string; key: string | null }[];
let answers: Record<string, (() => Response)[]>;

beforeEach(() => {
  vi.useFakeTimers();
  FakeSocket.all = [];
  requests = [];
  answers = {
    "POST /guest": [() => Response.json({ token: "t", user_id: "alice", expires_at: "2096-01-01T00:00:00Z" }, { status: 201 })],
  };
  vi.stubGlobal("location", { origin: "https://tickets.example" });
  vi.stubGlobal("localStorage", new FakeStore());
  vi.stubGlobal("WebSocket", FakeSocket);
  vi.stubGlobal("navigator", {});
  vi.stubGlobal("fetch", async (url: string, { method, headers }: RequestInit) => {
    const route = `${method} ${url.replace("https://tickets.example/api/v1", "")}`;
    requests.push({ route, key: new Headers(headers).get("Idempotency-Key") });
    const [next, ...rest] = answers[route] ?? [];
    if (rest.length > 0) answers[route] = rest;
    if (!next) throw new TypeError("network");
    return next();
  });
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

test("former names are still exported", () => {
  expect(Places).toBe(PlaceStore);
  const client = createClient({ origin: "https://tickets.example" });
  expect(client.link).toBe(client.transport);
  client.close();
});

test("does not share a channel with tabs of an older build", () => {
  const names: string[] = [];
  class BroadcastChannel {
    constructor(name: string) {
      names.push(name);
    }
    postMessage() {}
    close() {}
  }
  const request = async (name: string) => void names.push(name);
  const browser = { locks: { request }, BroadcastChannel } as unknown as Browser;
  const client = createClient({ origin: "https://tickets.example", browser });
  client.transport.open();
  expect(names).toEqual(Array(2).fill("stanchion 2 https://tickets.example "));
  client.close();
});

test("renews a guest's token while it waits for days", async () => {
  const guest = (token: string) => () => Response.json({ token, user_id: "guest-1", expires_at: new Date(Date.now() + 24 * 3_600_000).toISOString() }, { status: 201 });
  answers["POST /guest"] = [guest("first"), guest("second"), () => Response.json({}, { status: 429 }), guest("third")];
  const client = createClient({ origin: "https://tickets.example" });
  const token = () => client.identities.current()?.token;
  await client.guest();
  await vi.advanceTimersByTimeAsync(11.8 * 3_600_000);
  expect(token()).toBe("first");
  await vi.advanceTimersByTimeAsync(0.4 * 3_600_000);
  expect(token()).toBe("second");
  await vi.advanceTimersByTimeAsync(12.5 * 3_600_000);
  expect(token(), "after one failed renewal").toBe("third");
  const asked = requests.length;
  client.close();
  await vi.advanceTimersByTimeAsync(20 * 3_600_000);
  expect(requests.length).toBe(asked);
});

test("the examples wait, prefer seats and buy", async () => {
  const shown: string[] = [];
  const stanchion = await wait(event_id, (text) => shown.push(text));
  FakeSocket.last.accept();
  FakeSocket.last.deliver({ type: "queued", event_id, ticket: "ticket", position: 2, total_in_queue: 9, estimated_wait_seconds: 4 });
  expect(shown).toEqual(["connecting", "connected", "2 of 9"]);

  const held: string[] = [];
  const { ref: _, type: __, ...hold } = reserved;
  prefer(stanchion, event_id, [{ show_id, zone_id, quantity: 2 }], (id) => held.push(id));
  expect(FakeSocket.last.sent.at(-1)).toMatchObject({ type: "join", ticket: "ticket", wish: [{ show_id, zone_id, quantity: 2 }] });
  const pass = { pass_id: "p", queue_pass: "jwt", expires_at: "2096-01-01T00:00:00Z" };
  FakeSocket.last.deliver({ type: "pass", event_id, ...pass, hold: hold as never });
  expect(held).toEqual([reserved.booking_id]);

  answers["POST /bookings/reserve"] = [
    () => Response.json({ type: "urn:stanchion:problem:unavailable", code: "UNAVAILABLE", detail: "x", retry_after: 2 }, { status: 503 }),
    () => Response.json(hold, { status: 201 }),
  ];
  answers[`POST /bookings/${reserved.booking_id}/confirm`] = [() => Response.json({ ...hold, status: "confirmed" })];
  const bought = buy(stanchion, { event_id, show_id, zone_id, quantity: 2 }, "jwt");
  await vi.advanceTimersByTimeAsync(3_000);
  expect(await bought).toMatchObject({ status: "confirmed" });
  const keys = requests.filter(({ route }) => route === "POST /bookings/reserve").map(({ key }) => key);
  expect(new Set(keys).size).toBe(1);
  stanchion.close();
});
