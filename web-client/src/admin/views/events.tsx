// The list of all events.
import { useEffect, useState } from "preact/hooks";
import { useI18n } from "../../i18n/admin";
import type { Api } from "../api";
import type { OperatorEvent } from "../schemas";
import { StateChip } from "./state-chip";

const REFRESH_MS = 5_000;

export function Events({ api }: { api: Api }) {
  const { t } = useI18n();
  const events = useEvents(api);
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
      <ul class="events">
        {events?.map((event) => (
          <li key={event.event_id}>
            <EventCard event={event} />
          </li>
        ))}
      </ul>
    </>
  );
}

function EventCard({ event }: { event: OperatorEvent }) {
  const { t, f } = useI18n();
  const zones = event.shows.flatMap((show) => show.zones);
  const sum = (of: (zone: (typeof zones)[number]) => number) => f.whole(zones.reduce((total, zone) => total + of(zone), 0));

  return (
    <a class="card" href={`#/events/${event.event_id}`} data-testid="event">
      <strong>{event.name}</strong>
      <StateChip state={event.queue.state} />
      <small>
        {t.events.seats(sum((zone) => zone.available), sum((zone) => zone.capacity))}
        {" · "}
        {t.events.rate(f.whole(event.queue.rate_per_second))}
      </small>
    </a>
  );
}

function useEvents(api: Api): OperatorEvent[] | undefined {
  const [events, set] = useState<OperatorEvent[]>();
  useEffect(() => {
    const read = () => void api.events().then((read) => set(read.toReversed()), () => {});
    read();
    const timer = setInterval(read, REFRESH_MS);
    return () => clearInterval(timer);
  }, [api]);
  return events;
}
