// What another operator changed meanwhile, and the choice between theirs and one's own.
import { useI18n } from "../../i18n/admin";
import type { Conflict } from "../schemas";
import { metricFormat } from "./format-metric";
import { useValueFormat } from "./value-format";

interface ConflictProps {
  conflict: Conflict;
  /** The names and values that this operator wants to set. */
  wanted: object;
  /** Sets this operator's values all the same. */
  overwrite: () => void;
  /** Keeps what the other operator has set. */
  keep: () => void;
}

export function ConflictNotice({ conflict, wanted, overwrite, keep }: ConflictProps) {
  const { t, f } = useI18n();
  const values = useValueFormat();
  const { current, changed_by, changed_at } = conflict;
  const differing = Object.entries(wanted).filter(([name, value]) => (current[name] ?? "") !== value);

  return (
    <div class="conflict" role="alert" data-testid="conflict">
      <p>
        <strong>{t.conflict.title(changed_by ?? t.conflict.somebody, changed_at ? metricFormat(f, t.unknown).clock(changed_at) : "")}</strong>
      </p>
      <ul>
        {differing.map(([name, value]) => (
          <li key={name}>{t.conflict.values(values.name(name), values.value(name, current[name]), values.value(name, value))}</li>
        ))}
      </ul>
      <div class="buttons">
        <button type="button" data-testid="keep-theirs" onClick={keep}>
          {t.conflict.keep}
        </button>
        <button type="button" class="danger quiet" data-testid="overwrite" onClick={overwrite}>
          {t.conflict.overwrite}
        </button>
      </div>
    </div>
  );
}
