// The package as it is published: its size, its examples as its README shows them, and that these work.
import { readFileSync, readdirSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { type Rolldown, build } from "vite";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import reserved from "../../tests/wire/server.reserved.json";
import { buy } from "./examples/reserve";
import { wait } from "./examples/wait";
import { wish } from "./examples/wish";
import { createClient } from "./client";
import { FakeSocket, FakeStore } from "./fake-socket";

const here = new URL(".", import.meta.url);
/** All of it: nothing is left to be loaded later. Of these, some 350 tell our refusals from a proxy's, and a page that sleeps from one that is away. */
const MOST_BYTES = 6_400;

test("all that the package may ever load is under 6.4 KB gzipped", async () => {
  const configFile = new URL("vite.config.ts", here).pathname;
  const built = await build({ configFile, logLevel: "error", build: { write: false } });
  const [result] = [built as Rolldown.RolldownOutput | Rolldown.RolldownOutput[]].flat();
  const chunks = new Map(result!.output.filter((chunk) => chunk.type === "chunk").map((chunk) => [chunk.fileName, chunk]));
  const reached = new Set(["index.js"]);
  // A set tells those that are added while it is gone through, too.
  for (const name of reached) for (const next of [...chunks.get(name)!.imports, ...chunks.get(name)!.dynamicImports]) reached.add(next);
  expect(reached).not.toContain("shop.js");
  const sizes = [...reached].map((name) => gzipSync(chunks.get(name)!.code, { level: 9 }).length);
  expect(sizes.reduce((sum, size) => sum + size)).toBeLessThan(MOST_BYTES);
}, 30_000);

test("the README shows the examples as they are", () => {
  const readme = readFileSync(new URL("README.md", here), "utf8");
  const shown = [...readme.matchAll(/<!-- example: ([\w-]+\.ts) -->\n```ts\n(.*?)```/gs)].map(([, name, code]) => ({ name, code }));
  expect(shown.map(({ name }) => name).sort()).toEqual(readdirSync(new URL("examples/", here)).sort());
  for (const { name, code } of shown) expect(code).toBe(readFileSync(new URL(`examples/${name}`, here), "utf8"));
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

test("a guest who waits for days stays the same guest", async () => {
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
  expect(token(), "also if it was refused once").toBe("third");
  const asked = requests.length;
  client.close();
  await vi.advanceTimersByTimeAsync(20 * 3_600_000);
  expect(requests.length).toBe(asked);
});

test("the examples wait, wish and buy", async () => {
  const shown: string[] = [];
  const stanchion = await wait(event_id, (text) => shown.push(text));
  FakeSocket.last.accepts();
  FakeSocket.last.says({ type: "queued", event_id, ticket: "ticket", position: 2, total_in_queue: 9, estimated_wait_seconds: 4 });
  expect(shown).toEqual(["connecting", "connected", "2 of 9"]);

  const held: string[] = [];
  const { ref: _, type: __, ...hold } = reserved;
  wish(stanchion, event_id, [{ show_id, zone_id, quantity: 2 }], (id) => held.push(id));
  expect(FakeSocket.last.sent.at(-1)).toMatchObject({ type: "join", ticket: "ticket", wish: [{ show_id, zone_id, quantity: 2 }] });
  const pass = { pass_id: "p", queue_pass: "jwt", expires_at: "2096-01-01T00:00:00Z" };
  FakeSocket.last.says({ type: "pass", event_id, ...pass, hold: hold as never });
  expect(held).toEqual([reserved.booking_id]);

  answers["POST /bookings/reserve"] = [
    () => Response.json({ type: "urn:stanchion:problem:unavailable", code: "UNAVAILABLE", detail: "x", retry_after: 2 }, { status: 503 }),
    () => Response.json(hold, { status: 201 }),
  ];
  answers[`POST /bookings/${reserved.booking_id}/confirm`] = [() => Response.json({ ...hold, status: "confirmed" })];
  const bought = buy(stanchion, { event_id, show_id, zone_id, quantity: 2 }, "jwt");
  await vi.advanceTimersByTimeAsync(2_000);
  expect(await bought).toMatchObject({ status: "confirmed" });
  const keys = requests.filter(({ route }) => route === "POST /bookings/reserve").map(({ key }) => key);
  expect(new Set(keys).size).toBe(1);
  stanchion.close();
});
