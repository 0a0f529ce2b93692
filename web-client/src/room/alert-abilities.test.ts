import { expect, test } from "vitest";
import { type Device, obstacles } from "./alert-abilities";

const permitted = { permission: "default" as const };
const phone: Device = {
  isSecureContext: true,
  navigator: {
    serviceWorker: {} as ServiceWorkerContainer,
    vibrate: () => true,
    wakeLock: {} as WakeLock,
    userAgent: "Mozilla/5.0 (Linux; Android 14) Chrome/140 Mobile",
    maxTouchPoints: 5,
  },
  AudioContext: class {},
  Notification: permitted,
  PushManager: class {},
};

test("everything works on a phone with Chrome", () => {
  expect(Object.values(obstacles(phone)).filter(Boolean)).toEqual([]);
});

test("says that an iPhone notifies from the Home Screen only", () => {
  const { Notification: _, PushManager: __, ...safari } = phone;
  const { vibrate: ___, ...navigator } = safari.navigator;
  const iphone = { ...safari, navigator: { ...navigator, userAgent: "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Safari/604.1" } };
  expect(obstacles(iphone)).toMatchObject({ sound: undefined, notification: "homeScreen", push: "homeScreen", vibration: "unsupported" });
  const ipad = { ...iphone, navigator: { ...iphone.navigator, userAgent: "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Safari/605.1.15" } };
  expect(obstacles(ipad).push).toBe("homeScreen");
});

test("offers no vibration on a computer", () => {
  expect(obstacles({ ...phone, navigator: { ...phone.navigator, maxTouchPoints: 0 } }).vibration).toBe("unsupported");
});

test("names a blocked and an insecure page", () => {
  expect(obstacles({ ...phone, Notification: { permission: "denied" } })).toMatchObject({ notification: "blocked", push: "blocked" });
  const { serviceWorker: _, wakeLock: __, ...navigator } = phone.navigator;
  const insecure = { ...phone, isSecureContext: false, navigator };
  expect(obstacles(insecure)).toMatchObject({ notification: "insecure", push: "insecure", wakeLock: "insecure", sound: undefined });
});

test("knows nothing of a browser that has none of it", () => {
  expect(new Set(Object.values(obstacles({ isSecureContext: true, navigator: {} })))).toEqual(new Set(["unsupported"]));
});
