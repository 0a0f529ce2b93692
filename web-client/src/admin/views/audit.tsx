// The audit log of an event, newest first.
import { useEffect, useState } from "preact/hooks";
import { useI18n } from "../../i18n/admin";
import type { Api } from "../api";
import type { AuditEntry } from "../schemas";
import { metricFormat } from "./format-metric";

interface AuditProps {
  api: Api;
  id: string;
  /** A change of this value reloads the list. */
  changes: string;
}

export function Audit({ api, id, changes }: AuditProps) {
  const { t } = useI18n();
  const [entries, setEntries] = useState<AuditEntry[]>([]);
  const [next, setNext] = useState<number>();

  async function read(before?: number): Promise<void> {
    const page = await api.audit(id, before);
    setEntries((earlier) => (before === undefined ? page.entries : [...earlier, ...page.entries]));
    setNext(page.next);
  }

  useEffect(() => void read().catch(() => {}), [id, changes]);

  return (
    <section aria-labelledby="audit">
      <h2 id="audit">{t.audit.title}</h2>
      {entries.length === 0 && <p>{t.audit.none}</p>}
      <ol class="audit">
        {entries.map((entry) => (
          <Entry key={entry.audit_id} entry={entry} />
        ))}
      </ol>
      {next !== undefined && (
        <button type="button" class="quiet" onClick={() => void read(next).catch(() => {})}>
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

function Entry({ entry }: { entry: AuditEntry }) {
  const { t, f } = useI18n();
  const q = metricFormat(f, t.unknown);
  const { before, after } = entry;
  const shown = (value: unknown) => (value === null || value === undefined ? t.audit.nothing : String(value));

  return (
    <li class="card" data-testid="audit-entry" data-action={entry.action}>
      <p>
        <strong>{entry.operator}</strong> {t.audit.actions[entry.action] ?? entry.action} <small>{q.moment(entry.at)}</small>
      </p>
      <ul>
        {changesOf(entry).map((name) => (
          <li key={name}>
            <code>{name}</code> {before !== null && <del>{shown(before[name])}</del>} <ins>{shown(after?.[name])}</ins>
          </li>
        ))}
      </ul>
    </li>
  );
}
