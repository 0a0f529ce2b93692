// The overview of all events: what each queue does now, those that need an operator first.
import { useEffect, useState } from "preact/hooks";
import { useI18n } from "../../i18n/admin";
import { useTitle } from "../../shared/title";
import type { Api } from "../api";
import type { OperatorEvent } from "../schemas";
import { Confirm } from "./confirm";
import { metricFormat } from "./format-metric";
import { StateChip } from "./state-chip";
import { type Tone, toneOf } from "./status-banner";
import { ActionOutcome, useAction } from "./use-action";

const REFRESH_MS = 5_000;
/** The end of an id tells events of one name apart: it begins with the time. */
const SHORT_ID = -8;

const URGENCY: Record<Tone, number> = { alarm: 0, notice: 1, good: 2, calm: 3 };
const urgency = ({ now, queue }: OperatorEvent) => (now ? URGENCY[toneOf(now.admission)] : queue.state === "closed" ? 5 : 4);

export function Events({ api }: { api: Api }) {
  const { t, f } = useI18n();
  const { events, stale } = useEvents(api);
  const [search, setSearch] = useState("");
  useTitle(t.pageTitle);

  const dates = (event: OperatorEvent) => event.shows.flatMap(({ starts_at }) => (starts_at ? [new Date(starts_at)] : [])).sort((a, b) => +a - +b);
  const texts = (event: OperatorEvent) => [event.name, event.event_id, ...dates(event).map((date) => dateFormat(f.locale).format(date)), ...event.shows.map(({ name }) => name)];
  const wanted = search.trim().toLowerCase();
  const found = events?.filter((event) => texts(event).some((text) => text.toLowerCase().includes(wanted))).toSorted((a, b) => urgency(a) - urgency(b));
  const open = events?.filter(({ queue }) => queue.state === "open") ?? [];

  return (
    <>
      <div class="headline">
        <h1>{t.events.title}</h1>
        <a class="button" href="#/new" data-testid="new-event">
          {t.events.create}
        </a>
      </div>
      {events === undefined && <p>{t.loading}</p>}
      {events?.length === 0 && <p>{t.events.none}</p>}
      {events && events.length > 0 && (
        <div class="toolbar">
          <label>
            {t.events.search}
            <input type="search" value={search} data-testid="search" onInput={({ currentTarget }) => setSearch(currentTarget.value)} />
          </label>
          {open.length > 0 && <PauseAll api={api} open={open} />}
        </div>
      )}
      <p class="error" role="alert">
        {stale && t.events.stale}
      </p>
      <p role="status" class="hint">
        {events && events.length > 0 && found?.length === 0 && t.events.notFound}
      </p>
      <ul class="events">
        {found?.map((event) => (
          <li key={event.event_id}>
            <EventCard event={event} dates={dates(event)} />
          </li>
        ))}
      </ul>
    </>
  );
}

function PauseAll({ api, open }: { api: Api; open: OperatorEvent[] }) {
  const { t, f } = useI18n();
  const action = useAction();
  const [asking, ask] = useState(false);
  const pause = () =>
    void action.run(async () => {
      const results = await Promise.allSettled(open.map(({ event_id }) => api.pause(event_id)));
      const failed = results.filter(({ status }) => status === "rejected").length;
      return failed > 0 ? t.events.pausedSome(f.whole(open.length - failed), f.whole(failed)) : t.events.pausedAll(f.whole(open.length));
    });

  return (
    <div class="pause-all">
      <button type="button" class="danger quiet" disabled={action.busy} data-testid="pause-all" onClick={() => ask(true)}>
        {action.busy ? t.actions.pending.paused : t.events.pauseAll}
      </button>
      <ActionOutcome action={action} />
      {asking && (
        <Confirm
          title={t.events.pauseAllTitle(f.whole(open.length))}
          lead={t.events.pauseAllLead}
          yes={t.events.pauseAll}
          answer={(yes) => (ask(false), yes && pause())}
        />
      )}
    </div>
  );
}

const dateFormat = (locale: string) => new Intl.DateTimeFormat(locale, { weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short" });

function EventCard({ event, dates }: { event: OperatorEvent; dates: Date[] }) {
  const { t, f } = useI18n();
  const q = metricFormat(f, t.unknown);
  const zones = event.shows.flatMap((show) => show.zones);
  const sum = (of: (zone: (typeof zones)[number]) => number) => f.whole(zones.reduce((total, zone) => total + of(zone), 0));
  const { now, queue } = event;
  const [first] = dates;
  const date = first ? dateFormat(f.locale).format(first) : t.events.noDate;
  const perMinute = (now?.released_per_second ?? 0) * 60;

  return (
    <a class={`card ${now ? toneOf(now.admission) : ""}`} href={`#/events/${event.event_id}`} data-testid="event" data-admission={now?.admission}>
      <strong>{event.name}</strong>
      <StateChip state={queue.state} />
      <small>
        {dates.length > 1 ? t.events.dates(date, f.whole(dates.length - 1)) : date} · <code>{event.event_id.slice(SHORT_ID)}</code>
      </small>
      {now && (
        <span class="now">
          <span>
            <b class="numeral" data-testid="event-line">
              {q.whole(now.line)}
            </b>{" "}
            {t.events.inLine}
          </span>
          <span class="sentence">{t.admission[now.admission]?.(q.whole(now.active), q.rate(perMinute)) ?? now.admission}</span>
        </span>
      )}
      <small>{t.events.seats(sum((zone) => zone.available), sum((zone) => zone.capacity))}</small>
    </a>
  );
}

interface EventList {
  events: OperatorEvent[] | undefined;
  /** The last attempt to read the events failed. */
  stale: boolean;
}

function useEvents(api: Api): EventList {
  const [list, set] = useState<EventList>({ events: undefined, stale: false });
  useEffect(() => {
    const done = (read: OperatorEvent[]) => set({ events: read.toReversed(), stale: false });
    const read = () => void api.events().then(done, () => set(({ events }) => ({ events, stale: true })));
    read();
    const timer = setInterval(read, REFRESH_MS);
    return () => clearInterval(timer);
  }, [api]);
  return list;
}
