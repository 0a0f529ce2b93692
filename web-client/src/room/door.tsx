// Before the line: what is sold here, whether one may join, and what one would like.
import { useEffect, useRef } from "preact/hooks";
import { Sale } from "../events/events";
import { useWords } from "../i18n/words";
import { Announcer } from "../shared/announce";
import { Heading } from "../shared/frame";
import { useTitle } from "../shared/title";
import type { Journey } from "../visitor/journey";
import { type State, saleOf } from "../visitor/state";
import { WishPicker } from "./wish";

const JOINABLE = ["open", "paused", "sold_out"];

export function Door({ state, journey }: { state: State; journey: Journey }) {
  const { t } = useWords();
  const event = state.event;
  const sale = saleOf(state)?.state ?? "open";
  const opened = useOpened(sale);
  useTitle(event?.name ?? t.starting);
  return (
    <>
      <div class="lead">
        <Sale state={sale} />
        <Heading>{event?.name}</Heading>
        <p>{t.door.lead[sale]}</p>
        {opened && <Announcer text={t.door.opened} urgent />}
        {sale !== "closed" && (
          <button type="button" class="big" data-testid="join" disabled={state.busy || !JOINABLE.includes(sale)} onClick={() => void journey.join()}>
            {state.busy ? t.door.joining : sale === "sold_out" ? t.door.joinSoldOut : t.door.join}
          </button>
        )}
      </div>
      {event && <Shows event={event} />}
      {event && JOINABLE.includes(sale) && <WishPicker state={state} changed={(wish) => journey.wishFor(wish)} />}
    </>
  );
}

/** True once a sale that was not open is. */
function useOpened(sale: string): boolean {
  const before = useRef(sale);
  const opened = useRef(false);
  if (before.current !== sale) opened.current = JOINABLE.includes(sale) && !JOINABLE.includes(before.current);
  useEffect(() => void (before.current = sale), [sale]);
  return opened.current;
}

function Shows({ event }: { event: NonNullable<State["event"]> }) {
  const { t, f } = useWords();
  if (event.shows.length === 0) return null;
  return (
    <section class="card" aria-labelledby="shows">
      <h2 id="shows">{t.door.shows}</h2>
      <ul class="shows">
        {event.shows.map((show) => (
          <li key={show.show_id}>
            <span>
              <strong>{show.name}</strong>
              {show.starts_at && <small>{f.dateTime(show.starts_at)}</small>}
            </span>
            {show.zones.length > 0 && (
              <span class="numeral">{t.door.from(f.money(Math.min(...show.zones.map(({ unit_price }) => unit_price)), event.currency))}</span>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
