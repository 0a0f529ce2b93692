// Web Push from the release to the notification: against a push service played here, and in a browser as far as it goes without a display.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { TEST_TIMEOUT_MS, inspect, launch, user } from "./browser.js";
import { PushService } from "./push-service.js";
import { ServerProcess } from "./server-process.js";
import { join, open } from "./visitor.js";

const CONTACT = "mailto:ops@shop.example";
let browser;
let stanchion;
let server;
let pushes;

before(async () => {
  pushes = await PushService.start();
  stanchion = await ServerProcess.start({ STANCHION_PUSH_CONTACT: CONTACT, STANCHION_PUSH_TEST_ORIGIN: pushes.origin });
  server = stanchion.operate();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await stanchion?.end();
  pushes?.end();
});

const publicKey = async () => (await server.call("GET", "push")).public_key;

async function until(what, check) {
  const deadline = Date.now() + TEST_TIMEOUT_MS;
  for (;;) {
    const value = await check();
    if (value) return value;
    assert.ok(Date.now() < deadline, `never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** The browser's push service is not reachable from here: subscriptions are those of ours. */
async function subscribesWith(context, subscription) {
  await context.addInitScript((json) => {
    let current = null;
    const made = (applicationServerKey) => ({
      options: { applicationServerKey: applicationServerKey.buffer ?? applicationServerKey },
      toJSON: () => json,
      unsubscribe: async () => ((current = null), true),
    });
    PushManager.prototype.getSubscription = async () => current;
    PushManager.prototype.subscribe = async ({ applicationServerKey }) => (current = made(applicationServerKey));
  }, subscription.json);
}

const alertSwitch = (page, name) => page.getByTestId(`alert-${name}`);

test("pushes the turn so that the browser alone reads it", async () => {
  const sale = await server.openSale("Far Away", { queue: { push_claim_window_seconds: 100 } });
  const guest = await server.guest();
  await server.call("POST", "queue/join", { event_id: sale.event_id }, guest);
  const subscription = pushes.subscribe("plain");
  await server.call("PUT", `queue/push/${sale.event_id}`, subscription.json, guest);
  const before = Date.now();
  await sale.open();

  const { headers, claims, message } = await pushes.push(subscription, await publicKey());
  assert.deepEqual(Object.keys(message).sort(), ["event_id", "open_by"], "nothing that the page does not need");
  assert.equal(message.event_id, sale.event_id);
  const left = Date.parse(message.open_by) - before;
  assert.ok(left > 95_000 && left < 115_000, `${left} ms to open the page`);
  assert.equal(claims.aud, pushes.origin);
  assert.equal(claims.sub, CONTACT);
  const life = claims.exp - before / 1_000;
  assert.ok(life > 3_600 && life <= 24 * 3_600, `the signature lives for ${life} s`);
  assert.deepEqual([headers["content-encoding"], headers.urgency], ["aes128gcm", "high"]);
});

test("shows a push as a notification that opens the event", async () => {
  const sale = await server.openSale("Put Away");
  const { context, faults } = await user(browser, stanchion.origin);
  await context.grantPermissions(["notifications"], { origin: stanchion.origin });
  const subscription = pushes.subscribe("phone");
  await subscribesWith(context, subscription);
  const page = await open(context, stanchion.origin, sale.path);
  await join(page);
  const away = page.getByTestId("alerts-away");
  await away.filter({ hasText: "Keep this page open" }).waitFor();

  const workerStarted = context.waitForEvent("serviceworker");
  await alertSwitch(page, "push").check();
  await away.filter({ hasText: "You can put this away" }).waitFor();
  await inspect(page, "alerts-push");
  const worker = await workerStarted;
  assert.equal(worker.url(), `${stanchion.origin}/service-worker.js`);

  // The page is closed, and the place is kept and released all the same.
  await page.goto(`${stanchion.origin}/bookings`);
  await sale.open();
  const { message } = await pushes.push(subscription, await publicKey());
  await deliver(context, page, message);

  const shown = await until("a notification", () => notified(worker));
  assert.equal(shown.length, 1);
  assert.match(shown[0].title, /It is your turn · Put Away/);
  assert.match(shown[0].body, /^Open the page by \d+:\d\d/);
  assert.equal(shown[0].tag, sale.event_id);

  assert.equal(await worker.evaluate(clicked), sale.path);
  assert.deepEqual(await worker.evaluate(notifications), [], "it is closed");
  await page.goto(`${stanchion.origin}${sale.path}`);
  await page.getByTestId("pass").waitFor();
  assert.deepEqual(faults, []);
  await context.close();
});

/** As the push service would. */
async function deliver(context, page, message) {
  const devtools = await context.newCDPSession(page);
  const registered = new Promise((resolve) => devtools.on("ServiceWorker.workerRegistrationUpdated", ({ registrations }) => registrations[0] && resolve(registrations[0])));
  await devtools.send("ServiceWorker.enable");
  const { registrationId } = await registered;
  await devtools.send("ServiceWorker.deliverPushMessage", { origin: stanchion.origin, registrationId, data: JSON.stringify(message) });
}

async function notifications() {
  const shown = await self.registration.getNotifications();
  return shown.map(({ title, body, tag }) => ({ title, body, tag }));
}

async function notified(worker) {
  const shown = await worker.evaluate(notifications);
  return shown.length > 0 && shown;
}

/** The page that a click opens. Only a person's click may open a window: what it asks for is taken down instead. */
async function clicked() {
  const [notification] = await self.registration.getNotifications();
  const opened = new Promise((resolve) => {
    self.clients.openWindow = async (path) => resolve(path);
  });
  self.dispatchEvent(new NotificationEvent("notificationclick", { notification }));
  return opened;
}

test("understands no push of another form, and shows something all the same", async () => {
  const sale = await server.openSale("Nonsense");
  const { context, faults } = await user(browser, stanchion.origin);
  await context.grantPermissions(["notifications"], { origin: stanchion.origin });
  const page = await open(context, stanchion.origin, sale.path);
  const started = context.waitForEvent("serviceworker");
  await page.evaluate(() => navigator.serviceWorker.register("/service-worker.js").then(() => navigator.serviceWorker.ready));
  const worker = await started;
  await deliver(context, page, { event_id: "//attacker.example", open_by: "soon" });
  const [shown] = await until("a notification", () => notified(worker));
  assert.equal(shown.title, "It is your turn");
  assert.equal(await worker.evaluate(clicked), "/");
  assert.deepEqual(faults, []);
  await context.close();
});

test("serves the service worker for the whole site, fresh each time", async () => {
  const response = await fetch(`${stanchion.origin}/service-worker.js`);
  assert.equal(response.status, 200);
  assert.match(response.headers.get("content-type"), /^text\/javascript/);
  assert.equal(response.headers.get("cache-control"), "no-cache");
  const script = await response.text();
  assert.doesNotMatch(script, /\bimport\b|addEventListener\("fetch"/, "one file, which answers no requests");
  assert.ok(script.length < 4_096, `${script.length} bytes`);
});

test("unsubscribes the place and the browser", async () => {
  const sale = await server.openSale("Never Mind");
  const { context, faults } = await user(browser, stanchion.origin);
  await context.grantPermissions(["notifications"], { origin: stanchion.origin });
  await subscribesWith(context, pushes.subscribe("changed-my-mind"));
  const page = await open(context, stanchion.origin, sale.path);
  await join(page);
  await alertSwitch(page, "push").check();
  await page.getByTestId("alerts-away").filter({ hasText: "You can put this away" }).waitFor();
  const removed = page.waitForResponse((response) => response.request().method() === "DELETE");
  await alertSwitch(page, "push").uncheck();
  assert.equal((await removed).status(), 200);
  await page.getByTestId("alerts-away").filter({ hasText: "Keep this page open" }).waitFor();
  assert.equal(await page.evaluate(async () => (await (await navigator.serviceWorker.ready).pushManager.getSubscription()) === null), true);
  assert.deepEqual(faults, []);
  await context.close();
});

test("says so if the push service refuses the browser", async () => {
  const sale = await server.openSale("Refused");
  const { context, faults } = await user(browser, stanchion.origin);
  await context.grantPermissions(["notifications"], { origin: stanchion.origin });
  await context.addInitScript(() => {
    PushManager.prototype.subscribe = async () => {
      throw new DOMException("Registration failed", "AbortError");
    };
  });
  const page = await open(context, stanchion.origin, sale.path);
  await join(page);
  await alertSwitch(page, "push").click();
  await page.getByTestId("alert-push-reason").filter({ hasText: "could not be turned on" }).waitFor();
  assert.equal(await alertSwitch(page, "push").isChecked(), false);
  await page.getByTestId("alerts-away").filter({ hasText: "Keep this page open" }).waitFor();
  assert.deepEqual(faults, []);
  await context.close();
});
