// One event: current metrics, history, and settings.
import { useEffect, useState } from "preact/hooks";
import { useI18n } from "../../i18n/admin";
import { useTitle } from "../../shared/title";
import type { Api, Seen } from "../api";
import type { Changed, EventSnapshot, History, OperatorEvent, Settings } from "../schemas";
import { Audit, useAudit } from "./audit";
import { BrandingForm } from "./branding";
import { Charts } from "./charts";
import { metricFormat } from "./format-metric";
import { Inventory } from "./inventory";
import { CurrentMetrics, MainMetrics } from "./metrics";
import { Nodes } from "./nodes";
import { QueueMessage } from "./queue-message";
import { QueueSettings } from "./queue-settings";
import { SaleActions } from "./sale-actions";
import { StateChip } from "./state-chip";
import { StatusBanner } from "./status-banner";
import { useLive } from "./use-live";
import { Zones } from "./zones";

const RETRY_MS = 2_000;
/** Metrics show a change of settings within this time. */
const SETTLED_AFTER_MS = 2_500;

interface EventPageProps {
  api: Api;
  id: string;
}

export function EventPage({ api, id }: EventPageProps) {
  const { t, f } = useI18n();
  const { now, history, stale } = useLive(api, id);
  const event = useEvent(api, id);
  const line = metricFormat(f, t.unknown).whole(now?.figures.line);
  useTitle(event ? t.events.tab(line, event.name) : t.pageTitle);

  if (event === null) return <p>{t.events.missing}</p>;
  if (!event || !now || !history) return <p>{t.loading}</p>;

  return <LoadedEvent {...{ api, id, event, now, history, stale }} />;
}

interface LoadedEventProps {
  api: Api;
  id: string;
  event: OperatorEvent;
  now: EventSnapshot;
  history: History;
  stale: boolean;
}

function LoadedEvent({ api, id, event, now, history, stale }: LoadedEventProps) {
  const { t } = useI18n();
  const [seen, setChanged] = useSeen(now);
  /** Counts the changes made on this page. */
  const [changes, setChanges] = useState(0);
  const changed = () => setChanges((count) => count + 1);
  const changedQueue = (settings: Changed) => (setChanged(settings), changed());
  const audit = useAudit(api, id, `${changes} ${now.queue_revision}`);

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
      <StatusBanner now={now} stale={stale} />
      <div class={`cockpit ${stale ? "stale" : ""}`}>
        <MainMetrics now={now} history={history} />
        <div class="card controls">
          <SaleActions api={api} id={id} seen={seen} changed={changedQueue} />
          <QueueSettings api={api} id={id} now={now} seen={seen} changed={changedQueue} />
        </div>
        <CurrentMetrics now={now} history={history} />
      </div>
      <Charts api={api} id={id} live={history} entries={audit.entries} stale={stale} />
      <div class="columns">
        <QueueMessage api={api} id={id} seen={seen} changed={changedQueue} />
        <Inventory api={api} id={id} changed={changed} />
      </div>
      <BrandingForm api={api} event={event} changed={changed} />
      <Zones zones={now.zones} />
      <Nodes nodes={now.nodes} />
      <Audit {...audit} />
    </>
  );
}

/** The settings as the operator sees them: after a change those that it made, until the metrics have them, too. */
function useSeen(now: EventSnapshot): [Seen<Settings>, (settings: Changed) => void] {
  const [own, setOwn] = useState<{ seen: Seen<Settings>; at: number }>();
  const live = { revision: now.queue_revision, value: now.settings };
  const isNewer = own && own.seen.revision !== live.revision && performance.now() - own.at < SETTLED_AFTER_MS;
  const set = ({ revision, ...value }: Changed) => setOwn({ seen: { revision, value }, at: performance.now() });
  return [isNewer ? own.seen : live, set];
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
