// The audit log of an event, newest first.
import { useEffect, useState } from "preact/hooks";
import { useI18n } from "../../i18n/admin";
import type { Api } from "../api";
import type { AuditEntry } from "../schemas";
import { metricFormat } from "./format-metric";
import { useValueFormat } from "./value-format";

const PAGE = 50;
/** Entries shown before the operator asks for more. */
const SHOWN_FIRST = 10;

export interface AuditLog {
  entries: AuditEntry[];
  /** Reads earlier entries; undefined if there are none. */
  readEarlier: (() => void) | undefined;
}

/** A change of `changes` reloads the log. */
export function useAudit(api: Api, id: string, changes: string): AuditLog {
  const [entries, setEntries] = useState<AuditEntry[]>([]);
  const [next, setNext] = useState<number>();

  async function read(before?: number): Promise<void> {
    const page = await api.audit(id, PAGE, before);
    setEntries((earlier) => (before === undefined ? page.entries : [...earlier, ...page.entries]));
    setNext(page.next);
  }

  useEffect(() => void read().catch(() => {}), [id, changes]);
  return { entries, readEarlier: next === undefined ? undefined : () => void read(next).catch(() => {}) };
}

export function Audit({ entries, readEarlier }: AuditLog) {
  const { t } = useI18n();
  const [shown, setShown] = useState(SHOWN_FIRST);
  const more = entries.length > shown ? () => setShown(shown + PAGE) : readEarlier && (() => (setShown(shown + PAGE), readEarlier()));

  return (
    <section aria-labelledby="audit">
      <h2 id="audit">{t.audit.title}</h2>
      {entries.length === 0 && <p>{t.audit.none}</p>}
      <ol class="audit">
        {entries.slice(0, shown).map((entry) => (
          <Entry key={entry.audit_id} entry={entry} />
        ))}
      </ol>
      {more && (
        <button type="button" class="quiet" onClick={more}>
          {t.audit.more}
        </button>
      )}
    </section>
  );
}

/** The names of changed values. Objects and lists, such as a new event's shows, are left out. */
function changesOf({ before, after }: AuditEntry): string[] {
  const differs = (name: string) => JSON.stringify(before?.[name]) !== JSON.stringify(after?.[name]);
  return Object.keys(after ?? {}).filter((name) => differs(name) && (typeof after?.[name] !== "object" || after[name] === null));
}

/** An entry in one line. */
export function useEntryText(): (entry: AuditEntry) => string {
  const { t } = useI18n();
  const values = useValueFormat();
  return (entry) => {
    const { before, after, operator, action } = entry;
    const change = (name: string) => t.audit.change(values.name(name), before ? values.value(name, before[name]) : "", values.value(name, after?.[name]));
    const changes = changesOf(entry).map(change);
    return `${operator}: ${before && changes.length > 0 ? changes.join(", ") : (t.audit.actions[action] ?? action)}`;
  };
}

function Entry({ entry }: { entry: AuditEntry }) {
  const { t, f } = useI18n();
  const q = metricFormat(f, t.unknown);
  const values = useValueFormat();
  const { before, after } = entry;

  return (
    <li class="card" data-testid="audit-entry" data-action={entry.action}>
      <p>
        <strong>{entry.operator}</strong> {t.audit.actions[entry.action] ?? entry.action} <small>{q.moment(entry.at)}</small>
      </p>
      <ul>
        {changesOf(entry).map((name) => (
          <li key={name}>
            <span class="value-name">{values.name(name)}</span> {before !== null && <del>{values.value(name, before[name])}</del>}{" "}
            <ins>{values.value(name, after?.[name])}</ins>
          </li>
        ))}
      </ul>
    </li>
  );
}
