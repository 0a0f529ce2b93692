// The list of events, with the state of each sale; those whose sale is over come last.
import type { EventSummary } from "@stanchion/client/shop";
import { useI18n } from "../i18n/visitor";
import { Changing } from "../shared/changing";
import { Heading } from "../shared/visitor-frame";
import { useTitle } from "../shared/title";
import { Unpaid } from "../shop/unpaid";
import { eventPath } from "../visitor/route";
import type { State } from "../visitor/state";

export function Events({ state, now }: { state: State; now: () => number }) {
  const { t } = useI18n();
  useTitle(t.events.title);
  const isOver = ({ state }: EventSummary) => state === "closed";
  const current = state.events?.filter((event) => !isOver(event));
  const past = state.events?.filter(isOver) ?? [];

  return (
    <>
      <div class="lead">
        <Heading>{t.events.title}</Heading>
        <p>{t.events.lead}</p>
      </div>
      <Unpaid bookings={state.unpaid} now={now} />
      {current?.length === 0 && <p class="card">{t.events.none}</p>}
      {current && <EventList events={current} />}
      {past.length > 0 && (
        <section class="past-events" aria-labelledby="past">
          <h2 id="past">{t.events.past}</h2>
          <EventList events={past} />
        </section>
      )}
    </>
  );
}

function EventList({ events }: { events: EventSummary[] }) {
  const { t, f } = useI18n();
  return (
    <ul class="events">
      {events.map((event) => (
        <li key={event.event_id}>
          <a class="card event" href={eventPath(event.event_id)} data-testid="event">
            <span class="event-name">{event.name}</span>
            <Sale state={event.state} />
            {event.min_price !== undefined && <small class="numeral">{t.eventPage.from(f.money(event.min_price, event.currency))}</small>}
            {event.message && (
              <small class="event-message">
                <Changing>{event.message}</Changing>
              </small>
            )}
          </a>
        </li>
      ))}
    </ul>
  );
}

export function Sale({ state }: { state: keyof ReturnType<typeof useI18n>["t"]["sales"] }) {
  const { t } = useI18n();
  return (
    <span class={`sale sale-${state}`} data-testid="sale">
      <Changing>{t.sales[state] ?? state}</Changing>
    </span>
  );
}
