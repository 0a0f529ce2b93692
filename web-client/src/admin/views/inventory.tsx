// The drift between the engine's seats and the database, and the action that rebuilds them.
import { useEffect, useState } from "preact/hooks";
import { useI18n } from "../../i18n/admin";
import type { Api } from "../api";
import { Confirm } from "./confirm";
import { ActionOutcome, useAction } from "./use-action";

const POLL_INTERVAL_MS = 5_000;

interface InventoryProps {
  api: Api;
  id: string;
  changed: () => void;
}

export function Inventory({ api, id, changed }: InventoryProps) {
  const { t, f } = useI18n();
  const action = useAction();
  const [asking, ask] = useState(false);
  const [drift, setDrift] = useState<number>();
  const readDrift = () => void api.drift(id).then(setDrift, () => setDrift(undefined));
  useEffect(() => {
    readDrift();
    const timer = setInterval(readDrift, POLL_INTERVAL_MS);
    return () => clearInterval(timer);
  }, [id]);

  async function rebuild(): Promise<void> {
    const done = await action.run(async () => {
      const { zones, corrected } = await api.rebuildInventory(id);
      return t.inventory.done(f.whole(zones), f.whole(corrected));
    });
    readDrift();
    if (done) changed();
  }

  return (
    <section class="card" aria-labelledby="inventory">
      <h2 id="inventory">{t.inventory.title}</h2>
      <p class={drift ? "error" : ""} data-testid="drift" data-drift={drift}>
        {drift === undefined ? t.unknown : drift === 0 ? t.inventory.none : t.inventory.drift(f.whole(drift))}
      </p>
      <button type="button" class="quiet" disabled={action.busy} data-testid="sync" onClick={() => ask(true)}>
        {t.inventory.sync}
      </button>
      <ActionOutcome action={action} />
      {asking && (
        <Confirm
          title={t.inventory.syncTitle}
          lead={t.inventory.syncLead}
          yes={t.inventory.sync}
          answer={(yes) => (ask(false), yes && void rebuild())}
        />
      )}
    </section>
  );
}
