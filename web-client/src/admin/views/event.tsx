// One event: current metrics, history, and settings.
import { useEffect, useState } from "preact/hooks";
import { useI18n } from "../../i18n/admin";
import type { Api } from "../api";
import type { OperatorEvent } from "../schemas";
import { Audit } from "./audit";
import { BrandingForm } from "./branding";
import { Charts } from "./charts";
import { Inventory } from "./inventory";
import { CurrentMetrics } from "./metrics";
import { Nodes } from "./nodes";
import { QueueMessage } from "./queue-message";
import { QueueSettings } from "./queue-settings";
import { SaleActions } from "./sale-actions";
import { StateChip } from "./state-chip";
import { useLive } from "./use-live";
import { Zones } from "./zones";

const RETRY_MS = 2_000;

interface EventPageProps {
  api: Api;
  id: string;
}

export function EventPage({ api, id }: EventPageProps) {
  const { t } = useI18n();
  const { now, history, stale } = useLive(api, id);
  const event = useEvent(api, id);
  /** Counts the changes made on this page. */
  const [changes, setChanges] = useState(0);
  const changed = () => setChanges((count) => count + 1);

  if (event === null) return <p>{t.events.missing}</p>;
  if (!event || !now || !history) return <p>{t.loading}</p>;

  return (
    <>
      <p>
        <a href="#">← {t.events.back}</a>
      </p>
      <div class="headline">
        <h1>{event.name}</h1>
        <StateChip state={now.settings.state} />
        <a href={`/e/${id}`}>{t.events.page}</a>
      </div>
      <p class="error" role="alert">
        {stale && t.stale}
      </p>
      <SaleActions api={api} id={id} state={now.settings.state} changed={changed} />
      <CurrentMetrics now={now} />
      <Charts history={history} />
      <div class="columns">
        <QueueSettings api={api} id={id} now={now} changed={changed} />
        <div class="part">
          <QueueMessage api={api} id={id} message={now.settings.message ?? ""} changed={changed} />
          <Inventory api={api} id={id} changed={changed} />
        </div>
        <BrandingForm api={api} event={event} changed={changed} />
      </div>
      <Zones zones={now.zones} />
      <Nodes nodes={now.nodes} />
      <Audit api={api} id={id} changes={`${changes} ${JSON.stringify(now.settings)}`} />
    </>
  );
}

/** `null` if the event does not exist. */
function useEvent(api: Api, id: string): OperatorEvent | null | undefined {
  const [event, set] = useState<OperatorEvent | null>();
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const read = () =>
      void api.events().then(
        (events) => set(events.find((event) => event.event_id === id) ?? null),
        () => (timer = setTimeout(read, RETRY_MS)),
      );
    read();
    return () => clearTimeout(timer);
  }, [api, id]);
  return event;
}
