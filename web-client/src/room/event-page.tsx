// An event before the user joins: the state of the sale, the join button, shows, and seat preferences.
import { useEffect, useRef } from "preact/hooks";
import { Sale } from "../events/events";
import { useI18n } from "../i18n/visitor";
import { Announcer } from "../shared/announcer";
import { Changing } from "../shared/changing";
import { EventPlace, EventTime } from "../shared/event-time";
import { formatPrice } from "../shared/money";
import { useTitle } from "../shared/title";
import { Heading } from "../shared/visitor-frame";
import type { Journey } from "../visitor/journey";
import { type State, saleOf } from "../visitor/state";
import { Picture } from "./event-facts";
import { SeatPreferencePicker } from "./seat-preference";

const JOINABLE = ["open", "paused"];

export function EventPage({ state, journey }: { state: State; journey: Journey }) {
  const { t } = useI18n();
  const event = state.event;
  const sale = saleOf(state)?.state ?? "open";
  const opened = useOpened(sale);
  useTitle(event?.name ?? t.starting);

  return (
    <>
      <div class="lead">
        {event && <Picture event={event} />}
        <Sale state={sale} />
        <Heading>
          <Changing>{event?.name}</Changing>
        </Heading>
        <p>
          <Changing>{sale === "closed" && state.endedInLine ? t.eventPage.endedInLine : t.eventPage.lead[sale]}</Changing>
        </p>
        {opened && <Announcer text={t.eventPage.opened} urgent />}
        <Join state={state} journey={journey} />
      </div>
      {event && <Shows event={event} />}
      {event && JOINABLE.includes(sale) && <SeatPreferencePicker state={state} changed={(preferences) => journey.setSeatPreferences(preferences)} />}
    </>
  );
}

function Join({ state, journey }: { state: State; journey: Journey }) {
  const { t } = useI18n();
  const sale = saleOf(state)?.state ?? "open";
  if (sale === "closed" || sale === "sold_out") return null;
  if (sale === "scheduled") {
    return (
      <p class="standing" data-testid="not-open">
        {t.eventPage.notOpen}
      </p>
    );
  }

  return (
    <>
      <button type="button" class="big" data-testid="join" disabled={state.busy} onClick={() => void journey.join()}>
        <Changing>{state.busy ? t.eventPage.joining : t.eventPage.join}</Changing>
      </button>
      <p class="hint" role="status" data-testid="crowded">
        <Changing>{state.crowded ? t.eventPage.crowded : undefined}</Changing>
      </p>
    </>
  );
}

/** True after a sale that could not be joined has opened. */
function useOpened(sale: string): boolean {
  const before = useRef(sale);
  const opened = useRef(false);
  if (before.current !== sale) opened.current = JOINABLE.includes(sale) && !JOINABLE.includes(before.current);
  useEffect(() => void (before.current = sale), [sale]);
  return opened.current;
}

function Shows({ event }: { event: NonNullable<State["event"]> }) {
  const { t, f } = useI18n();
  const formatFrom = ({ zones }: { zones: { unit_price: number }[] }, { currency, currency_digits: digits }: NonNullable<State["event"]>) => {
    const prices = zones.map(({ unit_price }) => unit_price);
    if (Math.max(...prices) === 0) return formatPrice(f, t.free.price, { amount: 0, currency, digits });
    return t.eventPage.from(f.money(Math.min(...prices), currency, digits));
  };
  if (event.shows.length === 0) return null;
  return (
    <section class="card" aria-labelledby="shows">
      <h2 id="shows">{t.eventPage.shows}</h2>
      <EventPlace event={event} />
      <ul class="shows">
        {event.shows.map((show) => (
          <li key={show.show_id}>
            <span>
              <strong>{show.name}</strong>
              <small>
                <EventTime event={event} at={show.starts_at} />
              </small>
            </span>
            {show.zones.length > 0 && (
              <span class="numeral">{formatFrom(show, event)}</span>
            )}
          </li>
        ))}
      </ul>
      <p class="hint">{t.turn.atMost(event.max_seats_per_user)}</p>
    </section>
  );
}
