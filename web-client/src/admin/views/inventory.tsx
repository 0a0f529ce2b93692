// The line's seats against the database's, and the way to make them agree.
import { useEffect, useState } from "preact/hooks";
import type { Api } from "../api";
import { useWords } from "../words/words";
import { Confirm } from "./confirm";
import { Outcome, useDoing } from "./doing";

const LOOK_MS = 5_000;

interface InventoryProps {
  api: Api;
  id: string;
  changed: () => void;
}

export function Inventory({ api, id, changed }: InventoryProps) {
  const { t, f } = useWords();
  const doing = useDoing();
  const [asking, ask] = useState(false);
  const [drift, setDrift] = useState<number>();
  const look = () => void api.drift(id).then(setDrift, () => setDrift(undefined));
  useEffect(() => {
    look();
    const timer = setInterval(look, LOOK_MS);
    return () => clearInterval(timer);
  }, [id]);
  async function sync(): Promise<void> {
    const done = await doing.run(async () => {
      const { zones, corrected } = await api.sync(id);
      return t.inventory.done(f.whole(zones), f.whole(corrected));
    });
    look();
    if (done) changed();
  }
  return (
    <section class="card" aria-labelledby="inventory">
      <h2 id="inventory">{t.inventory.title}</h2>
      <p class={drift ? "trouble" : ""} data-testid="drift" data-drift={drift}>
        {drift === undefined ? t.unknown : drift === 0 ? t.inventory.none : t.inventory.drift(f.whole(drift))}
      </p>
      <button type="button" class="quiet" disabled={doing.busy} data-testid="sync" onClick={() => ask(true)}>
        {t.inventory.sync}
      </button>
      <Outcome doing={doing} />
      {asking && (
        <Confirm
          title={t.inventory.syncTitle}
          lead={t.inventory.syncLead}
          yes={t.inventory.sync}
          answer={(yes) => (ask(false), yes && void sync())}
        />
      )}
    </section>
  );
}
