// Buttons that open, pause, resume and close the sale.
import { useState } from "preact/hooks";
import { useI18n } from "../../i18n/admin";
import type { Api, Seen } from "../api";
import { ChangedMeanwhile, isUnanswered } from "../problem";
import type { Changed, SaleState, Settings } from "../schemas";
import { Confirm } from "./confirm";
import { ConflictNotice } from "./conflict";
import { ActionOutcome, useAction } from "./use-action";

interface SaleActionsProps {
  api: Api;
  id: string;
  /** The settings that the operator sees. */
  seen: Seen<Settings>;
  changed: (settings: Changed) => void;
}

export function SaleActions({ api, id, seen, changed }: SaleActionsProps) {
  const { t } = useI18n();
  const action = useAction();
  const [asking, ask] = useState(false);
  const [wanted, setWanted] = useState<SaleState>();
  const { state } = seen.value;

  async function setState(to: SaleState, base = seen): Promise<void> {
    setWanted(to);
    await action.run(async () => (changed(await api.updateQueue(id, { state: to }, base)), t.applied));
  }

  const isPending = (to: SaleState) => action.busy && wanted === to;
  const button = (to: SaleState, label: string) => (
    <button type="button" disabled={action.busy} data-testid={`turn-${to}`} onClick={() => void setState(to)}>
      {isPending(to) ? t.actions.pending[to] : label}
    </button>
  );
  const { problem } = action;
  const cameTrue = problem && isUnanswered(problem) && state === wanted;

  return (
    <section class="actions" aria-label={t.actions.title}>
      <div class="buttons">
        {state === "open" && button("paused", t.actions.pause)}
        {state === "paused" && button("open", t.actions.resume)}
        {state !== "open" && state !== "paused" && button("open", t.actions.open)}
        {state !== "closed" && (
          <button type="button" class="danger quiet" disabled={action.busy} data-testid="close" onClick={() => ask(true)}>
            {isPending("closed") ? t.actions.pending.closed : t.actions.close}
          </button>
        )}
      </div>
      {cameTrue ? (
        <p role="status" data-testid="came-true">
          {t.actions.cameTrue}
        </p>
      ) : (
        <ActionOutcome action={action} />
      )}
      {problem instanceof ChangedMeanwhile && wanted && (
        <ConflictNotice
          conflict={problem.conflict}
          wanted={{ state: wanted }}
          overwrite={() => void setState(wanted, { revision: problem.conflict.revision, value: problem.conflict.current as unknown as Settings })}
          keep={action.clear}
        />
      )}
      {asking && (
        <Confirm
          title={t.actions.closeTitle}
          lead={t.actions.closeLead}
          yes={t.actions.close}
          answer={(yes) => (ask(false), yes && void setState("closed"))}
        />
      )}
    </section>
  );
}
