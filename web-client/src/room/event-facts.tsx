// What a visitor checks about an event while waiting: its picture, dates, prices and the limit of seats.
import type { EventDetail } from "@stanchion/client/shop";
import { useI18n } from "../i18n/visitor";

/** More dates than these are shown as the first and the last. */
const MAX_DATES = 3;

export function EventFacts({ event }: { event: EventDetail }) {
  const { t, f } = useI18n();
  const dates = datesOf(event).map((date) => f.dateTime(date));
  const shown = dates.length > MAX_DATES ? [t.facts.range(dates[0]!, dates.at(-1)!)] : dates;
  const prices = event.shows.flatMap(({ zones }) => zones.map(({ unit_price }) => unit_price));

  return (
    <section class="card event-facts" aria-label={t.facts.label} data-testid="event-facts">
      <Picture event={event} />
      <h2>{event.name}</h2>
      <dl>
        {shown.length > 0 && (
          <div>
            <dt>{t.facts.dates}</dt>
            {shown.map((date) => (
              <dd key={date}>{date}</dd>
            ))}
          </div>
        )}
        {prices.length > 0 && (
          <div>
            <dt>{t.facts.prices}</dt>
            <dd>{t.facts.range(f.money(Math.min(...prices), event.currency), f.money(Math.max(...prices), event.currency))}</dd>
          </div>
        )}
        <div>
          <dt>{t.facts.limit}</dt>
          <dd>{t.turn.atMost(event.max_seats_per_user)}</dd>
        </div>
      </dl>
    </section>
  );
}

/** The box has its size before the picture arrives. */
export function Picture({ event }: { event: EventDetail }) {
  const picture = event.appearance?.picture;
  return picture ? <img class="picture" src={picture} alt="" /> : null;
}

function datesOf({ shows }: EventDetail): string[] {
  return shows.flatMap(({ starts_at }) => starts_at ?? []).sort();
}
