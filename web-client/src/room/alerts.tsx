// Alerts for visitors who are not looking at the page when their turn comes, each opt-in: sound, vibration, a notification, a push to a closed
// page, and a screen that stays on. Each switch says what works on this device. Nothing here throws: it runs at the moment of the turn.
import { useEffect, useId, useState } from "preact/hooks";
import { useI18n } from "../i18n/visitor";
import { storage } from "../shared/guarded-storage";
import type { State } from "../visitor/state";
import { type Alert, type Obstacle, obstacles } from "./alert-abilities";
import { type TurnWords, pushAlerts, registerServiceWorker } from "./push-alerts";
import { WakeLockKeeper } from "./wake-lock";

const VIBRATION = [300, 150, 300, 150, 600];
let audio: AudioContext | undefined;

/** Sounds and vibrates, as the visitor has chosen. */
export function ring(): void {
  if (isChosen("sound")) attempt(playNotes);
  // Without a tap before, browsers refuse it with a complaint.
  if (isChosen("vibration") && navigator.userActivation?.hasBeenActive) attempt(() => navigator.vibrate(VIBRATION));
}

/** Synthesizes three soft notes, so that no file has to be fetched at that moment. */
function playNotes(): void {
  audio ??= new AudioContext();
  const context = audio;
  context.resume().catch(() => {});
  for (const [index, frequency] of [523.25, 659.25, 783.99].entries()) note(context, frequency, context.currentTime + index * 0.22);
}

function note(context: AudioContext, frequency: number, at: number): void {
  const [tone, volume] = [context.createOscillator(), context.createGain()];
  tone.frequency.value = frequency;
  volume.gain.setValueAtTime(0, at);
  volume.gain.linearRampToValueAtTime(0.22, at + 0.03);
  volume.gain.exponentialRampToValueAtTime(0.001, at + 0.9);
  tone.connect(volume).connect(context.destination);
  tone.start(at);
  tone.stop(at + 1);
}

/** Does nothing if the page is visible. `tag` is the event: a push of the same turn shows no second notification. */
export function notify(title: string, body: string, tag: string): void {
  if (!isChosen("notification") || document.visibilityState === "visible") return;
  void showNotification(title, body, tag);
}

async function showNotification(title: string, body: string, tag: string): Promise<void> {
  try {
    if (Notification.permission !== "granted") return;
    const registration = await navigator.serviceWorker?.getRegistration();
    if (registration?.active) return await registration.showNotification(title, { body, tag, data: { path: `/e/${tag}` } });
    // Browsers of Android have this constructor and refuse it.
    const notification = new Notification(title, { body, tag });
    notification.onclick = () => (window.focus(), notification.close());
  } catch {
    // There is nothing left to try.
  }
}

/** Notifications go through the service worker where there is one: some browsers know no other way. */
async function allowNotifications(): Promise<boolean> {
  if ((await Notification.requestPermission()) !== "granted") return false;
  await registerServiceWorker().catch(() => {});
  return true;
}

export function AlertChoice({ state }: { state: State }) {
  const { t, language } = useI18n();
  const { eventId = "", event } = state;
  const [chosen, setChosen] = useState<Record<Alert, boolean>>(chosenAlerts);
  const [pending, setPending] = useState<Alert | undefined>();
  const [failed, setFailed] = useState<Alert | undefined>();
  const [hasPushes, setHasPushes] = useState(false);
  const words: TurnWords = { title: t.turn.titleBar(event?.name ?? ""), body: t.alerts.push.body, language };
  const here = obstacles(window);

  useEffect(() => void pushAlerts.publicKey().then((key) => setHasPushes(key !== undefined)), []);
  usePushRenewal(state, chosen.push && hasPushes && pending !== "push", words, () => change("push", false));
  useWakeLock(chosen.wakeLock);

  const change = (alert: Alert, on: boolean) => {
    choose(alert, on);
    setChosen(chosenAlerts());
  };

  /** The switch moves at once, and back if the browser or the server refuses. */
  const onChange = async (alert: Alert, on: boolean) => {
    setFailed(undefined);
    setPending(alert);
    change(alert, on);
    const done = await turn(alert, on).catch(() => false);
    setPending(undefined);
    if (done) return;
    change(alert, false);
    setFailed(alert);
  };

  /** False if it could not be turned on. */
  const turn = async (alert: Alert, on: boolean): Promise<boolean> => {
    if (alert === "push" && !on) await pushAlerts.unsubscribe(eventId);
    if (!on) return true;
    if (alert === "sound") playNotes(); // browsers allow sound only after a gesture, which this is
    if (alert === "vibration") navigator.vibrate(VIBRATION.slice(0, 1));
    if (alert === "notification") return allowNotifications();
    if (alert !== "push") return true;
    if (!(await allowNotifications())) return false;
    await pushAlerts.subscribe(eventId, words);
    return true;
  };

  const offered = (Object.keys(here) as Alert[]).filter((alert) => alert !== "push" || hasPushes);
  const isTold = hasPushes && chosen.push && pending !== "push" && here.push === undefined;
  return (
    <section class="card alerts" aria-labelledby="alerts">
      <h2 id="alerts">{t.alerts.title}</h2>
      {offered.map((alert) => (
        <Switch key={alert} alert={alert} on={chosen[alert]} obstacle={here[alert]} failed={failed === alert} onChange={(on) => void onChange(alert, on)} />
      ))}
      <p class="hint" role="status" data-testid="alerts-away">
        {isTold ? t.alerts.away : t.alerts.stay}
      </p>
    </section>
  );
}

interface SwitchProps {
  alert: Alert;
  on: boolean;
  obstacle: Obstacle | undefined;
  failed: boolean;
  onChange: (on: boolean) => void;
}

function Switch({ alert, on, obstacle, failed, onChange }: SwitchProps) {
  const { t } = useI18n();
  const id = useId();
  const reason = obstacle ? t.alerts.obstacles[obstacle] : failed ? t.alerts.failed : undefined;
  return (
    <div class="alert">
      <label class="switch">
        <input
          type="checkbox"
          role="switch"
          data-testid={`alert-${alert}`}
          checked={on && obstacle === undefined}
          disabled={obstacle !== undefined}
          aria-describedby={reason ? id : undefined}
          onChange={({ currentTarget }) => onChange(currentTarget.checked)}
        />
        <span>{t.alerts[alert === "push" ? "pushed" : alert]}</span>
      </label>
      {reason && (
        <p class="hint" id={id} data-testid={`alert-${alert}-reason`} role={failed ? "alert" : undefined}>
          {reason}
        </p>
      )}
    </div>
  );
}

/** Subscribes again whenever a place is taken up: the server may have lost the subscription with the queue. */
function usePushRenewal(state: State, on: boolean, words: TurnWords, onGone: () => void): void {
  const { eventId, stage, lost } = state;
  const position = stage.at === "waiting" ? stage.position : undefined;
  const hasPlace = position !== undefined && position.reason !== "counting" && !lost;
  useEffect(() => {
    if (!on || !hasPlace || eventId === undefined) return;
    // A failure is no reason to say that pushes are off: the next time may succeed.
    pushAlerts.renew(eventId, words).then((known) => known || onGone(), () => {});
  }, [on, hasPlace, eventId, words.title, words.body]);
}

function useWakeLock(on: boolean): void {
  useEffect(() => {
    if (!on || !("wakeLock" in navigator)) return;
    const keeper = new WakeLockKeeper();
    keeper.keep();
    return () => keeper.release();
  }, [on]);
}

const ALERTS: Alert[] = ["sound", "notification", "push", "vibration", "wakeLock"];
function chosenAlerts(): Record<Alert, boolean> {
  return Object.fromEntries(ALERTS.map((alert) => [alert, isChosen(alert)])) as Record<Alert, boolean>;
}

function isChosen(alert: Alert): boolean {
  return storage.getItem(key(alert)) !== null;
}

function choose(alert: Alert, on: boolean): void {
  if (on) storage.setItem(key(alert), "yes");
  else storage.removeItem(key(alert));
}

function key(alert: Alert): string {
  return `stanchion.${alert}`;
}

function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}
