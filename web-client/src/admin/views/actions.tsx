// Open, pause, resume, close.
import { useState } from "preact/hooks";
import type { Api } from "../api";
import { useWords } from "../words/words";
import { Confirm } from "./confirm";
import { Outcome, useDoing } from "./doing";

interface ActionsProps {
  api: Api;
  id: string;
  state: string;
  changed: () => void;
}

export function Actions({ api, id, state, changed }: ActionsProps) {
  const { t } = useWords();
  const doing = useDoing();
  const [asking, ask] = useState(false);
  async function turn(to: string): Promise<void> {
    const done = await doing.run(async () => (await api.run(id, { state: to }), t.applied));
    if (done) changed();
  }
  const button = (to: string, label: string, kind = "") => (
    <button type="button" class={kind} disabled={doing.busy} data-testid={`turn-${to}`} onClick={() => void turn(to)}>
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
          <button type="button" class="danger quiet" disabled={doing.busy} data-testid="close" onClick={() => ask(true)}>
            {t.actions.close}
          </button>
        )}
      </div>
      <Outcome doing={doing} />
      {asking && (
        <Confirm
          title={t.actions.closeTitle}
          lead={t.actions.closeLead}
          yes={t.actions.close}
          answer={(yes) => (ask(false), yes && void turn("closed"))}
        />
      )}
    </section>
  );
}
