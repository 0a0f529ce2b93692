// The operators' page in a real browser: sign-in, a new event, changes while users wait, the audit log.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { inspect, launch, user } from "./browser.js";
import { operating, signedIn } from "./operator.js";
import { Server, origin } from "./sale.js";
import { join, open } from "./visitor.js";

const server = new Server();
let browser;

before(async () => {
  browser = await launch();
});
after(() => browser?.close());

const state = (page, state) => page.locator(`h1 + [data-testid=state][data-state=${state}]`);
const entry = (page, action) => page.locator(`[data-testid=audit-entry][data-action=${action}]`).first();

/** The number of a figure, once it is this. */
async function figure(page, name, value) {
  await page.waitForFunction(
    ([name, value]) => document.querySelector(`[data-testid=${name}]`)?.textContent.replace(/[^\d.]/g, "") === value,
    [name, String(value)],
  );
}

test("requires an operator's token and forgets it with the tab", async () => {
  const { context, faults } = await user(browser, origin);
  const page = await open(context, origin, "/admin");
  const refused = page.getByTestId("refused");
  const offer = async (token) => {
    await page.getByTestId("token").fill(token);
    await page.keyboard.press("Enter");
  };
  await page.getByTestId("development").waitFor();
  await inspect(page, "admin-sign-in");
  await offer("nonsense");
  await refused.filter({ hasText: "not a token" }).waitFor();
  const [head, claims] = (await server.operator()).split(".");
  await offer(`${head}.${claims}.${"A".repeat(43)}`);
  await refused.filter({ hasText: "not genuine" }).waitFor();
  await offer((await server.call("POST", "dev/token", { user: "visitor" })).token);
  await refused.filter({ hasText: "admin" }).waitFor();
  await offer(await server.operator());
  await page.getByTestId("who").waitFor();
  await page.reload();
  await page.getByTestId("who").waitFor();
  assert.deepEqual(await page.evaluate(() => Object.values(localStorage).filter((value) => value.includes("."))), []);
  const elsewhere = await open(context, origin, "/admin");
  await elsewhere.getByTestId("token").waitFor();
  assert.deepEqual(faults, []);
  await context.close();
});

test("follows an address that changes during sign-in", async () => {
  const { context, faults } = await user(browser, origin);
  await context.addInitScript(() => {
    const signedIn = () => document.querySelector("[data-testid=who]");
    const hurry = new MutationObserver(() => signedIn() && (hurry.disconnect(), (location.hash = "#/new")));
    hurry.observe(document, { childList: true, subtree: true });
  });
  const page = await open(context, origin, "/admin");
  await page.getByTestId("development").click();
  await page.getByTestId("create").waitFor();
  assert.deepEqual(faults, []);
  await context.close();
});

test("creates an event and shows errors at their fields", async () => {
  const { context, page, faults } = await signedIn(browser, origin);
  await page.getByTestId("new-event").click();
  const field = (name) => page.getByTestId(name);
  await field("create").click();
  await page.locator("[data-testid=name][aria-invalid=true]:focus").waitFor();
  await field("name").fill("An Evening of Small Hours");
  await field("shows[0].name").fill("Friday");
  await field("shows[0].zones[0].name").fill("Stalls");
  await field("shows[0].zones[0].capacity").fill("0");
  await field("create").click();
  await page.locator("[data-testid='shows[0].zones[0].capacity'][aria-invalid=true]").waitFor();
  await inspect(page, "admin-new-event");
  await field("shows[0].zones[0].capacity").fill("120");
  await field("shows[0].zones[0].unit_price").fill("12.5");
  await field("create").click();
  await page.getByRole("heading", { level: 1, name: "An Evening of Small Hours" }).waitFor();
  await state(page, "scheduled").waitFor();
  await page.getByTestId("zone").filter({ hasText: "Stalls" }).waitFor();
  await entry(page, "create_event").waitFor();
  await page.getByTestId("turn-open").click();
  await state(page, "open").waitFor();
  await page.goto(`${origin}/admin#`);
  await page.getByTestId("event").filter({ hasText: "An Evening of Small Hours" }).waitFor();
  await inspect(page, "admin-events");
  assert.deepEqual(faults, []);
  await context.close();
});

test("changes a queue live for visitors and operators", async () => {
  const sale = await server.openSale("Night of Many Doors", { ahead: 3, queue: { state: "open", rate_per_second: 0, burst: 1 } });
  const { context, page, faults } = await operating(browser, sale);
  const visitor = await user(browser, origin);
  const waiting = await open(visitor.context, origin, sale.path);
  await join(waiting);
  const arrived = Number(await page.getByTestId("line").textContent()) || 0;
  assert.ok(arrived <= 4);

  await page.getByTestId("turn-paused").click();
  await state(page, "paused").waitFor();
  await page.getByTestId("message").fill("A short break. Every place is kept.");
  await page.getByTestId("send").click();
  await waiting.getByText("A short break. Every place is kept.").first().waitFor();
  await entry(page, "change_queue").filter({ hasText: "A short break" }).waitFor();

  await page.getByTestId("rate_per_second").fill("2400");
  await page.getByTestId("max_active").fill("77");
  await page.getByTestId("apply").click();
  await entry(page, "change_queue").filter({ hasText: "77" }).waitFor();
  await page.getByTestId("turn-open").click();
  await waiting.getByTestId("pass").waitFor();
  await figure(page, "line", 0);
  assert.match(await page.getByTestId("max_active-now").textContent(), /Configured 77/);

  await page.getByTestId("accent").fill("#0a7f5a");
  await page.getByTestId("greeting").fill("Doors open at eight");
  await page.getByTestId("save-look").click();
  await entry(page, "change_appearance").filter({ hasText: "#0a7f5a" }).waitFor();
  const look = (await server.call("GET", `events/${sale.event_id}`)).appearance;
  assert.deepEqual(look, { accent: "#0a7f5a", message: "Doors open at eight" });

  await page.locator("[data-testid=drift][data-drift='0']").waitFor();
  await page.getByTestId("sync").click();
  await page.getByTestId("confirm").click();
  await entry(page, "inventory_synced").waitFor();
  await page.getByTestId("node").first().waitFor();
  await drawn(page);
  await inspect(page, "admin-event-small", { document: false });

  await page.getByTestId("close").click();
  await inspect(page, "admin-close", { document: false });
  await page.keyboard.press("Escape");
  await state(page, "open").waitFor();
  await page.getByTestId("close").click();
  await page.getByTestId("confirm").click();
  await state(page, "closed").waitFor();
  assert.deepEqual([...faults, ...visitor.faults], []);
  await context.close();
  await visitor.context.close();
});

/** Every plot has more colours than its background. */
async function drawn(page) {
  await page.waitForFunction(() => {
    const coloured = (canvas) => {
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      return new Set(new Uint32Array(data.buffer)).size > 3;
    };
    const plots = [...document.querySelectorAll(".plot canvas")];
    return plots.length === 6 && plots.every(coloured);
  });
}

for (const samples of [0, 1]) {
  test(`plots of a sale just made show the last minute, with ${samples === 0 ? "no sample" : "one"}`, async () => {
    const sale = await server.openSale("Night of the First Minute");
    const { context, page, faults } = await signedIn(browser, origin);
    await context.route("**/live", async (route) => {
      const { history, ...now } = await (await route.fetch()).json();
      const few = Object.fromEntries(Object.keys(history).map((name) => [name, [name === "at_ms" ? Date.now() : 1].slice(0, samples)]));
      await route.fulfill({ json: { ...now, history: few } });
    });
    await context.route("**/live/stream", () => {});
    await page.evaluate(() => {
      globalThis.drawn = [];
      const { fillText } = CanvasRenderingContext2D.prototype;
      CanvasRenderingContext2D.prototype.fillText = function (text, ...where) {
        globalThis.drawn.push(text);
        return fillText.call(this, text, ...where);
      };
    });
    await page.evaluate((id) => (location.hash = `#/events/${id}`), sale.event_id);
    await page.waitForFunction(() => document.querySelectorAll(".plot canvas").length === 6);
    const ages = await page.waitForFunction(() => {
      const seconds = (text) => text.split(":").reduce((sum, part) => sum * 60 + Number(part), 0);
      const now = seconds(new Date().toTimeString().slice(0, 8));
      const times = globalThis.drawn.filter((text) => /^\d\d:\d\d:\d\d$/.test(text));
      return times.length > 0 && times.map((text) => (now - seconds(text) + 86_400) % 86_400);
    });
    for (const age of await ages.jsonValue()) assert.ok(age <= 90, `a tick of ${age} s ago`);
    assert.deepEqual(faults, []);
    await context.close();
  });
}

for (const [name, options] of Object.entries({
  dark: { colorScheme: "dark" },
  narrow: { viewport: { width: 320, height: 700 } },
  thai: { locale: "th-TH" },
})) {
  test(`the page is good to look at: ${name}`, async () => {
    const sale = await server.openSale("Night of Quiet Numbers", { ahead: 12, queue: { state: "open", rate_per_second: 1, burst: 1 } });
    const { context, page, faults } = await operating(browser, sale, options);
    await page.getByTestId("node").first().waitFor();
    await figure(page, "sold", 0);
    await page.waitForFunction(() => document.querySelectorAll(".plot canvas").length === 6);
    await inspect(page, `admin-small-${name}`, { document: false });
    assert.deepEqual(faults, []);
    await context.close();
  });
}
