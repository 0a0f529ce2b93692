// Buttons that open, pause, resume and close the sale.
import { useState } from "preact/hooks";
import { useI18n } from "../../i18n/admin";
import type { Api } from "../api";
import type { SaleState } from "../schemas";
import { Confirm } from "./confirm";
import { ActionOutcome, useAction } from "./use-action";

interface SaleActionsProps {
  api: Api;
  id: string;
  state: string;
  changed: () => void;
}

export function SaleActions({ api, id, state, changed }: SaleActionsProps) {
  const { t } = useI18n();
  const action = useAction();
  const [asking, ask] = useState(false);

  async function setState(to: SaleState): Promise<void> {
    const done = await action.run(async () => (await api.updateQueue(id, { state: to }), t.applied));
    if (done) changed();
  }

  const button = (to: SaleState, label: string, kind = "") => (
    <button type="button" class={kind} disabled={action.busy} data-testid={`turn-${to}`} onClick={() => void setState(to)}>
      {label}
    </button>
  );

  return (
    <section class="actions" aria-label={t.actions.title}>
      <div class="buttons">
        {state === "open" && button("paused", t.actions.pause)}
        {state === "paused" && button("open", t.actions.resume)}
        {state !== "open" && state !== "paused" && button("open", t.actions.open)}
        {state !== "closed" && (
          <button type="button" class="danger quiet" disabled={action.busy} data-testid="close" onClick={() => ask(true)}>
            {t.actions.close}
          </button>
        )}
      </div>
      <ActionOutcome action={action} />
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
