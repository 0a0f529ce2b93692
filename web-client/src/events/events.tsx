// The list of events, with the state of each sale; those whose sale is over come last.
import type { EventSummary } from "@stanchion/client/shop";
import { useI18n } from "../i18n/visitor";
import { Changing } from "../shared/changing";
import { EventPlace, EventTime } from "../shared/event-time";
import { formatPrice } from "../shared/money";
import { Heading } from "../shared/visitor-frame";
import { useTitle } from "../shared/title";
import { Unpaid } from "../shop/unpaid";
import { eventPath } from "../visitor/route";
import { type State, shownState } from "../visitor/state";

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
  const priceFrom = ({ min_price: amount = 0, currency, currency_digits: digits }: EventSummary) =>
    amount === 0 ? t.free.price : t.eventPage.from(formatPrice(f, t.free.price, { amount, currency, digits }));

  return (
    <ul class="events">
      {events.map((event) => (
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
            {event.min_price !== undefined && <small class="numeral">{priceFrom(event)}</small>}
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
