// The pictures of the documentation that need a sale in full swing: a crowd that comes in waves, buys, hesitates and stays away,
// and an operator who steers. Takes two minutes, so only with SCREENS=1.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { inspect, launch, user } from "./browser.js";
import { operating } from "./operator.js";
import { ServerProcess } from "./server-process.js";
import { join, open, position, wish } from "./visitor.js";

const skip = !process.env.SCREENS;
let browser;
let stanchion;
let server;

before(async () => {
  if (skip) return;
  [browser, stanchion] = await Promise.all([launch(), ServerProcess.start()]);
  server = stanchion.operate();
});
after(async () => {
  await browser?.close();
  await stanchion?.end();
});

const HALL = [
  { name: "Floor", capacity: 60, unit_price: 12_500 },
  { name: "Balcony", capacity: 90, unit_price: 8_900 },
  { name: "Gallery", capacity: 70, unit_price: 4_500 },
  { name: "Box", capacity: 8, unit_price: 24_000 },
];

const LOOKS = {
  dark: { colorScheme: "dark" },
  narrow: { viewport: { width: 320, height: 700 } },
  thai: { locale: "th-TH" },
};

/** People in one page, each with a socket: `come(n, s)` lets n more join within s seconds; when their turn comes most buy, some only hold, few do nothing. */
async function crowd(context, { event_id, path }) {
  const { shows } = await server.call("GET", `events/${event_id}`);
  const page = await open(context, stanchion.origin, path);
  await page.evaluate(
    ([event_id, shows]) => {
      const later = (most, act) => setTimeout(act, 500 + Math.random() * most);
      const post = (route, token, body, headers) =>
        fetch(`/api/v1/${route}`, {
          method: "POST",
          headers: { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }), ...headers },
          body: JSON.stringify(body ?? {}),
        }).then((answer) => (answer.ok ? answer.json() : undefined));
      const choice = () => {
        const { show_id, zones } = shows[Math.random() < 0.6 ? 0 : 1];
        const { zone_id } = zones[Math.floor(Math.random() ** 1.6 * zones.length)];
        return { event_id, show_id, zone_id, quantity: 1 + Math.floor(Math.random() * 3) };
      };
      const buy = async (token, pass) => {
        const headers = { "X-Queue-Pass": pass, "Idempotency-Key": crypto.randomUUID() };
        const held = await post("bookings/reserve", token, choice(), headers);
        if (held && Math.random() < 0.85) later(9_000, () => post(`bookings/${held.booking_id}/confirm`, token));
      };
      const person = async (number) => {
        const { token } = await post("dev/token", undefined, { user: `visitor-${number}` });
        const socket = new WebSocket(`${location.origin.replace("http", "ws")}/api/v1/ws`, "stanchion.v1");
        const say = (message) => socket.send(JSON.stringify(message));
        const told = {
          connected: () => say({ type: "join", event_id }),
          pass: ({ pass_id, queue_pass }) => {
            if (Math.random() < 0.08) return socket.close();
            say({ type: "ack", pass_id });
            later(6_000, () => buy(token, queue_pass).finally(() => socket.close()));
          },
        };
        socket.onopen = () => say({ type: "connect", token });
        socket.onmessage = ({ data }) => {
          const message = JSON.parse(data);
          told[message.type]?.(message);
        };
      };
      let people = 0;
      const soon = (within) => new Promise((resolve) => setTimeout(resolve, Math.random() * within * 1_000));
      globalThis.come = (count, within) => Promise.all(Array.from({ length: count }, () => soon(within).then(() => person(people++))));
    },
    [event_id, shows],
  );
  return { come: (count, within) => page.evaluate(([count, within]) => globalThis.come(count, within), [count, within]) };
}

test("shows a sale in progress", { skip }, async () => {
  const queue = { rate_per_second: 1, burst: 1, max_active: 40, claim_window_seconds: 4, message: "Doors open at seven." };
  const sale = await server.openSale("The Long Echo: two nights at the Harbour", { shows: 2, zones: HALL, hold_seconds: 40, queue });
  await server.openSale("An Evening of Small Hours", { queue: { state: "scheduled", message: "On sale from Friday at ten." } });
  await server.openSale("Northern Lights Quartet", { queue: { state: "sold_out" } });
  await server.openSale("Chamber Music at Noon", { queue: { state: "closed" } });
  await server.openSale("Rehearsal, open to friends", { queue: { message: "A short break. Every place is kept." } });

  const { page: operator } = await operating(browser, sale, { viewport: { width: 1280, height: 1128 } });
  const others = await user(browser, stanchion.origin);
  const { come } = await crowd(others.context, sale);
  await come(110, 8);
  await operator.getByTestId("turn-open").click();
  for (const people of [26, 18, 9, 4]) await come(people, 5);
  const { context, faults } = await user(browser, stanchion.origin, { viewport: { width: 900, height: 1008 } });
  const visitor = await open(context, stanchion.origin, sale.path);
  await wish(visitor, "Floor");
  await wish(visitor, "Balcony");
  await join(visitor);
  const first = await position(visitor);

  await operator.getByTestId("rate_per_second").fill("2");
  await operator.getByTestId("apply").click();
  for (const people of [4, 6, 12, 20]) await come(people, 6);
  await operator.getByTestId("turn-paused").click();
  for (const people of [9, 5]) await come(people, 4);
  await operator.getByTestId("turn-open").click();
  await operator.getByTestId("rate_per_second").fill("1.2");
  await operator.getByTestId("max_active").fill("30");
  await operator.getByTestId("apply").click();
  for (const people of [6, 5, 8, 6]) await come(people, 6);

  assert.ok((await position(visitor)) < first, "the line moves");
  await visitor.screenshot({ path: new URL("../../docs/screens/showcase-visitor.png", import.meta.url).pathname });
  await inspect(visitor, "in-line", { document: false });
  await operator.evaluate(() => (document.activeElement?.blur(), scrollTo(0, 0)));
  const lively = () => ["released", "p95"].every((name) => /[1-9]/.test(document.querySelector(`[data-testid=${name}]`).textContent));
  await operator.waitForFunction(lively);
  await operator.screenshot({ path: new URL("../../docs/screens/showcase-operators.png", import.meta.url).pathname });
  await inspect(operator, "admin-event");
  for (const [name, options] of Object.entries(LOOKS)) {
    const { page } = await operating(browser, sale, options);
    await page.getByTestId("node").first().waitFor();
    await inspect(page, `admin-${name}`);
  }
  const list = await open(context, stanchion.origin, "/");
  await list.getByTestId("event").nth(5).waitFor();
  await inspect(list, "events");
  assert.deepEqual(faults, []);
});
