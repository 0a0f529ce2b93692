// Alerts for users who are not looking at the page when their turn comes: a sound and a notification, both opt-in.
import { useState } from "preact/hooks";
import { useI18n } from "../i18n/visitor";
import { storage } from "../shared/guarded-storage";

const SOUND = "stanchion.sound";
const NOTIFICATION = "stanchion.notification";
let audio: AudioContext | undefined;

/** Synthesizes three soft notes, so that no file has to be fetched at that moment. */
export function ring(): void {
  if (storage.getItem(SOUND) === null) return;
  audio ??= new AudioContext();
  for (const [index, frequency] of [523.25, 659.25, 783.99].entries()) note(audio, frequency, audio.currentTime + index * 0.22);
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

/** Does nothing if the page is visible. */
export function notify(title: string, body: string, tag: string): void {
  if (storage.getItem(NOTIFICATION) === null || document.visibilityState === "visible") return;
  if (!("Notification" in window) || Notification.permission !== "granted") return;
  const notification = new Notification(title, { body, tag });
  notification.onclick = () => (window.focus(), notification.close());
}

export function AlertChoice() {
  const { t } = useI18n();
  const [blocked, setBlocked] = useState(false);
  const askToNotify = async (wanted: boolean) => {
    const granted = wanted && (await Notification.requestPermission()) === "granted";
    setBlocked(wanted && !granted);
    return granted;
  };

  return (
    <section class="card alerts" aria-labelledby="alerts">
      <h2 id="alerts">{t.alerts.title}</h2>
      <Choice name={SOUND} label={t.alerts.sound} chosen={async (wanted) => (wanted && playSample(), wanted)} />
      {"Notification" in window && <Choice name={NOTIFICATION} label={t.alerts.notification} chosen={askToNotify} />}
      <p class="hint" role="status">
        {blocked && t.alerts.blocked}
      </p>
    </section>
  );
}

/** Browsers allow sound only after a user gesture: switching the alert on is that gesture. */
function playSample(): void {
  storage.setItem(SOUND, "yes");
  ring();
}

function Choice({ name, label, chosen }: { name: string; label: string; chosen: (wanted: boolean) => Promise<boolean> }) {
  const [on, set] = useState(storage.getItem(name) !== null);
  const change = async (wanted: boolean) => {
    const granted = await chosen(wanted);
    if (granted) storage.setItem(name, "yes");
    else storage.removeItem(name);
    set(granted);
  };

  return (
    <label class="switch">
      <input type="checkbox" role="switch" checked={on} onChange={({ currentTarget }) => void change(currentTarget.checked)} />
      <span>{label}</span>
    </label>
  );
}
