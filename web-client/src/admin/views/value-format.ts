// Settings and other audited values in the operator's words and units.
import { useI18n } from "../../i18n/admin";
import { type QueueNumber, queueNumbers } from "../queue-fields";
import { toShown } from "./units";

export interface ValueFormat {
  name: (name: string) => string;
  value: (name: string, value: unknown) => string;
}

/** Images are long. */
const MAX_TEXT = 120;
const shortened = (text: string) => (text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text);

const isQueueNumber = (name: string): name is QueueNumber => Object.hasOwn(queueNumbers, name);

export function useValueFormat(): ValueFormat {
  const { t, f } = useI18n();
  const number = new Intl.NumberFormat(f.locale, { maximumFractionDigits: 4 });

  function value(name: string, given: unknown): string {
    if (given === null || given === undefined || given === "") return t.audit.nothing;
    if (name === "state") return t.states[String(given)] ?? String(given);
    if (typeof given !== "number") return shortened(String(given));
    return number.format(isQueueNumber(name) ? toShown(name, given) : given);
  }

  const labels: Record<string, string> = { ...t.audit.fields, ...t.settings.labels };
  return { name: (name) => labels[name] ?? name, value };
}
