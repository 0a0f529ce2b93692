// The list of events, with the state of each sale.
import { useI18n } from "../i18n/visitor";
import { EventPlace, EventTime } from "../shared/event-time";
import { Heading } from "../shared/visitor-frame";
import { useTitle } from "../shared/title";
import { Unpaid } from "../shop/unpaid";
import { eventPath } from "../visitor/route";
import { type State, shownState } from "../visitor/state";

export function Events({ state, now }: { state: State; now: () => number }) {
  const { t } = useI18n();
  useTitle(t.events.title);
  return (
    <>
      <div class="lead">
        <Heading>{t.events.title}</Heading>
        <p>{t.events.lead}</p>
      </div>
      <Unpaid bookings={state.unpaid} now={now} />
      {state.events?.length === 0 && <p class="card">{t.events.none}</p>}
      <ul class="events">
        {state.events?.map((event) => (
          <li key={event.event_id}>
            <a class="card event" href={eventPath(event.event_id)} data-testid="event">
              <span class="event-name">{event.name}</span>
              <Sale state={shownState(event)} />
              <EventPlace event={event} />
              {event.starts_at && (
                <small>
                  <EventTime event={event} at={event.starts_at} />
                </small>
              )}
              {event.message && <small>{event.message}</small>}
            </a>
          </li>
        ))}
      </ul>
    </>
  );
}

export function Sale({ state }: { state: keyof ReturnType<typeof useI18n>["t"]["sales"] }) {
  const { t } = useI18n();
  return (
    <span class={`sale sale-${state}`} data-testid="sale">
      {t.sales[state] ?? state}
    </span>
  );
}
