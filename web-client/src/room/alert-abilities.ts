// What this device can do to tell a visitor of the turn. Browsers differ more here than anywhere else: Android's refuse page notifications,
// an iPhone has them in apps on the Home Screen only, and some have objects that throw when they are used.

/** Why an alert does not work here. */
export type Obstacle = "unsupported" | "homeScreen" | "insecure" | "blocked";

/** Undefined if the alert works. */
export interface Obstacles {
  sound: Obstacle | undefined;
  notification: Obstacle | undefined;
  push: Obstacle | undefined;
  vibration: Obstacle | undefined;
  wakeLock: Obstacle | undefined;
}

export type Alert = keyof Obstacles;

/** The browser's globals that matter here. */
export interface Device {
  isSecureContext: boolean;
  navigator: Partial<Pick<Navigator, "serviceWorker" | "vibrate" | "wakeLock" | "userAgent" | "maxTouchPoints">>;
  AudioContext?: unknown;
  Notification?: { permission: NotificationPermission } | undefined;
  PushManager?: unknown;
}

export function obstacles(device: Device): Obstacles {
  const { navigator } = device;
  const notification = notificationObstacle(device);
  const canPush = "PushManager" in device && navigator.serviceWorker !== undefined;
  return {
    sound: "AudioContext" in device ? undefined : "unsupported",
    notification,
    push: notification ?? (canPush ? undefined : isApple(device) ? "homeScreen" : "unsupported"),
    // Browsers of computers have the function as well, and nothing that moves.
    vibration: navigator.vibrate !== undefined && (navigator.maxTouchPoints ?? 0) > 0 ? undefined : "unsupported",
    wakeLock: navigator.wakeLock !== undefined ? undefined : device.isSecureContext ? "unsupported" : "insecure",
  };
}

function notificationObstacle(device: Device): Obstacle | undefined {
  if (!device.isSecureContext) return "insecure";
  if (device.Notification === undefined) return isApple(device) ? "homeScreen" : "unsupported";
  return device.Notification.permission === "denied" ? "blocked" : undefined;
}

/** An iPhone or iPad; the latter calls itself a Mac. */
function isApple({ navigator: { userAgent = "", maxTouchPoints = 0 } }: Device): boolean {
  return /iPhone|iPad|iPod/.test(userAgent) || (userAgent.includes("Macintosh") && maxTouchPoints > 1);
}
