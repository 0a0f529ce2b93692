// What operators did with this event, latest first.
import { useEffect, useState } from "preact/hooks";
import type { Api } from "../api";
import type { AuditEntry } from "../resources";
import { useWords } from "../words/words";

interface AuditProps {
  api: Api;
  id: string;
  /** The list is read again when this changes. */
  changes: number;
}

export function Audit({ api, id, changes }: AuditProps) {
  const { t } = useWords();
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

function Entry({ entry }: { entry: AuditEntry }) {
  const { t, f } = useWords();
  const { before, after } = entry;
  const names = Object.keys(after ?? {}).filter((name) => before === null || JSON.stringify(before[name]) !== JSON.stringify(after?.[name]));
  const shown = (value: unknown) => (value === null || value === undefined ? t.audit.nothing : typeof value === "object" ? "…" : String(value));
  return (
    <li class="card" data-testid="audit-entry" data-action={entry.action}>
      <p>
        <strong>{entry.operator}</strong> {t.audit.actions[entry.action] ?? entry.action} <small>{f.dateTime(entry.at)}</small>
      </p>
      {names.length > 0 && (
        <ul>
          {names.map((name) => (
            <li key={name}>
              <code>{name}</code>: {before !== null && <del>{shown(before[name])}</del>} <ins>{shown(after?.[name])}</ins>
            </li>
          ))}
        </ul>
      )}
    </li>
  );
}
