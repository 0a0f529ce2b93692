// What a visitor checks about an event while waiting: its picture, place, dates, prices and the limit of seats.
import type { EventDetail } from "@stanchion/client/shop";
import { useI18n } from "../i18n/visitor";
import { EventTime, placeLine } from "../shared/event-time";
import { formatPrice } from "../shared/money";

/** More dates than these are shown as the first and the last. */
const MAX_DATES = 3;

export function EventFacts({ event }: { event: EventDetail }) {
  const { t, f } = useI18n();
  const dates = datesOf(event);
  const first = dates[0];
  const last = dates.at(-1);
  const prices = event.shows.flatMap(({ zones }) => zones.map(({ unit_price }) => unit_price));
  const price = (amount: number) => formatPrice(f, t.free.price, { amount, currency: event.currency, digits: event.currency_digits });
  const place = placeLine(event);

  return (
    <section class="card event-facts" aria-label={t.facts.label} data-testid="event-facts">
      <Picture event={event} />
      <h2>{event.name}</h2>
      <dl>
        {place !== "" && (
          <div>
            <dt>{t.facts.place}</dt>
            <dd data-testid="place">{place}</dd>
          </div>
        )}
        {first !== undefined && last !== undefined && (
          <div>
            <dt>{t.facts.dates}</dt>
            {dates.length > MAX_DATES ? (
              <dd>{t.facts.range(f.eventTime(first, event.time_zone), f.eventTime(last, event.time_zone))}</dd>
            ) : (
              dates.map((date) => (
                <dd key={date}>
                  <EventTime event={event} at={date} />
                </dd>
              ))
            )}
          </div>
        )}
        {prices.length > 0 && (
          <div>
            <dt>{t.facts.prices}</dt>
            <dd>{t.facts.range(price(Math.min(...prices)), price(Math.max(...prices)))}</dd>
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
