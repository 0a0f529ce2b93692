// The alerts on devices that can do less than they seem to: constructors that throw, objects that are missing, permissions that are refused.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { inspect, launch, user } from "./browser.js";
import { Server, origin } from "./sale.js";
import { join, open } from "./visitor.js";

const server = new Server();
let browser;

before(async () => {
  browser = await launch();
});
after(() => browser?.close());

const IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1";
const alertSwitch = (page, name) => page.getByTestId(`alert-${name}`);
const reason = (page, name) => page.getByTestId(`alert-${name}-reason`);

/** Hidden, as behind another tab; headless pages are always in front. */
async function hide(page, state = "hidden") {
  await page.evaluate((visibility) => {
    Object.defineProperty(document, "visibilityState", { value: visibility, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  }, state);
}

test("notifies through the service worker where the page's constructor throws", async () => {
  const sale = await server.openSale("Android");
  const { context, faults } = await user(browser, origin);
  await context.grantPermissions(["notifications"], { origin });
  await context.addInitScript(() => {
    globalThis.Notification = class {
      static permission = "granted";
      static requestPermission = async () => "granted";
      constructor() {
        throw new TypeError("Illegal constructor. Use ServiceWorkerRegistration.showNotification() instead.");
      }
    };
  });
  const page = await open(context, origin, sale.path);
  await join(page);
  await alertSwitch(page, "notification").check();
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => true));
  await hide(page);
  await sale.open();
  await page.getByTestId("pass").waitFor();
  const shown = () => page.evaluate(async () => (await (await navigator.serviceWorker.ready).getNotifications()).map(({ tag }) => tag));
  await page.waitForFunction(async () => (await (await navigator.serviceWorker.ready).getNotifications()).length > 0);
  assert.deepEqual(await shown(), [sale.event_id]);
  assert.deepEqual(faults, []);
  await context.close();
});

test("goes on where every alert throws at the turn", async () => {
  const sale = await server.openSale("Broken");
  const { context, faults } = await user(browser, origin, { hasTouch: true });
  await context.addInitScript(() => {
    if (location.protocol === "about:") return;
    const refuses = class {
      static permission = "granted";
      static requestPermission = async () => "granted";
      constructor() {
        throw new TypeError("Illegal constructor");
      }
    };
    Object.assign(globalThis, { Notification: refuses, AudioContext: refuses });
    navigator.serviceWorker.register = () => Promise.reject(new Error("no service worker here"));
    navigator.vibrate = () => {
      throw new Error("no motor");
    };
    Object.defineProperty(navigator, "wakeLock", { value: { request: () => Promise.reject(new DOMException("low battery", "NotAllowedError")) } });
    for (const alert of ["sound", "notification", "push", "vibration", "wakeLock"]) localStorage.setItem(`stanchion.${alert}`, "yes");
  });
  const page = await open(context, origin, sale.path);
  await join(page);
  await hide(page);
  await sale.open();
  await page.getByTestId("pass").waitFor();
  await page.getByTestId("zone").first().check();
  assert.deepEqual(faults, []);
  await context.close();
});

test("says on an iPhone what works, and promises nothing else", async () => {
  const sale = await server.openSale("In a Pocket");
  const { context, faults } = await user(browser, origin, { userAgent: IPHONE, hasTouch: true, viewport: { width: 390, height: 844 } });
  await context.addInitScript(() => {
    delete globalThis.Notification;
    delete globalThis.PushManager;
    delete Navigator.prototype.vibrate;
  });
  const page = await open(context, origin, sale.path);
  await join(page);
  assert.ok(await alertSwitch(page, "sound").isEnabled());
  assert.ok(await alertSwitch(page, "notification").isDisabled());
  assert.match(await reason(page, "notification").textContent(), /Home Screen/);
  assert.ok(await alertSwitch(page, "vibration").isDisabled());
  assert.match(await reason(page, "vibration").textContent(), /cannot do this/);
  assert.equal(await alertSwitch(page, "push").count(), 0, "this server sends no pushes");
  assert.match(await page.getByTestId("alerts-away").textContent(), /Keep this page open/);
  await inspect(page, "alerts-iphone", { document: false });
  await page.getByRole("button", { name: "ไทย" }).click();
  await reason(page, "notification").filter({ hasText: "หน้าจอโฮม" }).waitFor();
  await inspect(page, "alerts-iphone-thai", { document: false });
  assert.deepEqual(faults, []);
  await context.close();
});

test("turns back what the visitor does not permit", async () => {
  const sale = await server.openSale("Not Permitted");
  const { context, faults } = await user(browser, origin);
  await context.addInitScript(() => {
    Notification.requestPermission = async () => "denied";
    Object.defineProperty(Notification, "permission", { value: "default" });
  });
  const page = await open(context, origin, sale.path);
  await join(page);
  await alertSwitch(page, "notification").click();
  await reason(page, "notification").filter({ hasText: "could not be turned on" }).waitFor();
  assert.equal(await alertSwitch(page, "notification").isChecked(), false);
  assert.deepEqual(faults, []);
  await context.close();
});

test("keeps the screen on while the page is visible, and vibrates at the turn", async () => {
  const sale = await server.openSale("Wide Awake");
  const { context, faults } = await user(browser, origin, { hasTouch: true });
  await context.addInitScript(() => {
    globalThis.locks = { taken: 0, held: 0 };
    globalThis.vibrations = [];
    navigator.vibrate = (pattern) => globalThis.vibrations.push(pattern);
    const request = async () => {
      const lock = new EventTarget();
      globalThis.locks.taken++;
      globalThis.locks.held++;
      lock.release = async () => {
        globalThis.locks.held--;
        lock.dispatchEvent(new Event("release"));
      };
      globalThis.lastLock = lock;
      return lock;
    };
    Object.defineProperty(navigator, "wakeLock", { value: { request } });
  });
  const page = await open(context, origin, sale.path);
  await join(page);
  const locks = (taken, held) => page.waitForFunction(([taken, held]) => globalThis.locks.taken === taken && globalThis.locks.held === held, [taken, held]);
  await alertSwitch(page, "wakeLock").check();
  await locks(1, 1);

  // The browser ends it when the page is hidden.
  await hide(page);
  await page.evaluate(() => globalThis.lastLock.release());
  await locks(1, 0);
  await hide(page, "visible");
  await locks(2, 1);
  await alertSwitch(page, "wakeLock").uncheck();
  await locks(2, 0);

  await alertSwitch(page, "wakeLock").check();
  await alertSwitch(page, "vibration").check();
  await locks(3, 1);
  const before = await page.evaluate(() => globalThis.vibrations.length);
  await sale.open();
  await page.getByTestId("pass").waitFor();
  await page.waitForFunction((before) => globalThis.vibrations.length > before, before);
  await locks(3, 0);
  assert.deepEqual(faults, []);
  await context.close();
});
