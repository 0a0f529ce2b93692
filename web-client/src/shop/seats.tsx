// The user has a pass: zones with free seats, the number of seats, and the time left to choose.
import type { EventDetail, Show, Zone } from "@stanchion/client/shop";
import { useEffect, useState } from "preact/hooks";
import type { Format } from "../i18n/format";
import { useI18n } from "../i18n/visitor";
import { EventFacts } from "../room/event-facts";
import { Changing, Figure } from "../shared/changing";
import { ConfirmedAction } from "../shared/confirmed-action";
import { Countdown, SmallCountdown } from "../shared/countdown";
import { EventTime } from "../shared/event-time";
import { formatPrice } from "../shared/money";
import { useTitle } from "../shared/title";
import { Heading } from "../shared/visitor-frame";
import type { Journey } from "../visitor/journey";
import { type State, freeSeats, saleOf } from "../visitor/state";
import { hasPrice, usePrefetchedSteps } from "./prefetch";

const MAX_SEATS = 10;
/** The visitor chooses for longer than this. */
const PREFETCH_WITHIN_MS = 1_000;

interface Props {
  state: State;
  journey: Journey;
  now: () => number;
}

export function Seats({ state, journey, now }: Props) {
  const { t } = useI18n();
  const { stage, event } = state;
  useTitle(t.turn.titleBar(event?.name ?? ""));
  usePrefetchedSteps(PREFETCH_WITHIN_MS, hasPrice(event));
  if (stage.at !== "shopping") return null;
  const until = stage.pass.expires_at;

  return (
    <>
      <section class="turn" data-testid="pass">
        <Heading>{t.turn.title}</Heading>
        <Countdown until={until} now={now} label={t.turn.left} announcement={t.turn.ending} />
        {stage.pass.left && <p class="standing">{t.turn.preferencesGone}</p>}
      </section>
      <div class="columns">
        {event && <SeatForm state={state} event={event} journey={journey} until={until} now={now} />}
        {event && (
          <div class="column">
            <EventFacts event={event} />
          </div>
        )}
        <ConfirmedAction
          label={t.turn.giveUp}
          question={t.turn.giveUpSure}
          confirm={t.turn.giveUpYes}
          decline={t.turn.giveUpNo}
          testId="leave"
          disabled={state.busy}
          onConfirm={() => journey.queue.leave()}
        />
      </div>
    </>
  );
}

interface SeatFormProps extends Omit<Props, "state"> {
  state: State;
  event: EventDetail;
  until: string;
}

function SeatForm({ state, event, journey, until, now }: SeatFormProps) {
  const { t, f } = useI18n();
  const preferred = state.preferences[0];
  const max = Math.max(1, Math.min(MAX_SEATS, event.max_seats_per_user));
  const [quantity, setQuantity] = useState(Math.min(preferred?.quantity ?? 1, max));
  // Do not preselect a zone with too few seats for the preference.
  const [zoneId, choose] = useState(() => (seatsLeftIn(state, event, preferred?.zone_id) < quantity ? undefined : preferred?.zone_id));
  const [show, zone] = find(event, zoneId);
  const available = seatsLeftIn(state, event, zoneId);
  const soldOut = event.shows.every(({ zones }) => zones.every((one) => freeSeats(state, one) === 0));
  useEffect(() => {
    if (zone && available === 0) choose(undefined);
  }, [available]);
  const submit = (submitted: Event) => {
    submitted.preventDefault();
    if (show && zone) void journey.purchase.reserve({ show_id: show.show_id, zone_id: zone.zone_id, quantity });
  };
  const missing = zone ? (available < quantity ? t.turn.tooFew(available) : undefined) : soldOut ? undefined : t.turn.whereFirst;

  return (
    <form class="card order" aria-labelledby="choose" onSubmit={submit}>
      <h2 id="choose">{t.turn.choose}</h2>
      {soldOut && <p class="standing">{saleOf(state)?.state === "sold_out" ? t.soldOut.lead : t.turn.allGone}</p>}
      {event.shows.map((one) => (
        <fieldset key={one.show_id}>
          <legend>
            {one.name}
            <small>
              <EventTime event={event} at={one.starts_at} />
            </small>
          </legend>
          {one.zones.map((zone) => (
            <ZoneChoice key={zone.zone_id} zone={zone} left={freeSeats(state, zone)} chosen={zone.zone_id === zoneId} choose={() => choose(zone.zone_id)} />
          ))}
        </fieldset>
      ))}
      <Quantity quantity={quantity} max={max} changed={setQuantity} />
      <p class="hint missing" role="status" data-testid="missing">
        <Changing>{missing}</Changing>
      </p>
      <div class="checkout bar" data-testid="checkout">
        <p class="checkout-facts">
          <SmallCountdown until={until} now={now} label={t.turn.left} />
          <span class="checkout-choice">
            <Changing>{zone ? t.turn.chosen(t.seatPreferences.seats(quantity), zone.name) : undefined}</Changing>
          </span>
          <span>
            <span class="checkout-label">{t.turn.total}</span>{" "}
            <output>
              <Figure class="total">{zone ? zonePrice(f, t.free.price, zone, quantity) : "–"}</Figure>
            </output>
          </span>
        </p>
        <button type="submit" class="big" data-testid="reserve" disabled={state.busy || !zone || available < quantity}>
          <Changing>{state.busy ? t.turn.reserving : t.turn.reserve}</Changing>
        </button>
      </div>
    </form>
  );
}

function Quantity({ quantity, max, changed }: { quantity: number; max: number; changed: (quantity: number) => void }) {
  const { t, f } = useI18n();
  return (
    <div class="quantity" role="group" aria-labelledby="quantity-label">
      <span>
        <span id="quantity-label">{t.turn.seats}</span>
        <small>{t.turn.atMost(max)}</small>
      </span>
      <button
        type="button"
        class="soft icon"
        aria-label={t.turn.fewer}
        data-testid="fewer"
        disabled={quantity <= 1}
        onClick={() => changed(quantity - 1)}
      >
        −
      </button>
      <output class="numeral" data-testid="quantity" aria-live="polite">
        <Figure>{f.whole(quantity)}</Figure>
      </output>
      <button
        type="button"
        class="soft icon"
        aria-label={t.turn.more}
        data-testid="more"
        disabled={quantity >= max}
        onClick={() => changed(quantity + 1)}
      >
        +
      </button>
    </div>
  );
}

interface ZoneChoiceProps {
  zone: Zone;
  left: number;
  chosen: boolean;
  choose: () => void;
}

function ZoneChoice({ zone, left, chosen, choose }: ZoneChoiceProps) {
  const { t, f } = useI18n();
  return (
    <label class="zone">
      <input type="radio" name="zone" data-testid="zone" value={zone.zone_id} checked={chosen} disabled={left === 0} onChange={choose} />
      <span class="zone-name">{zone.name}</span>
      <span class="numeral price">
        {zonePrice(f, t.free.price, zone)} {zone.unit_price > 0 && <small>{t.turn.each}</small>}
      </span>
      <span class="free">
        <meter min={0} max={zone.capacity} value={left} aria-hidden="true" />
        <small data-testid="free">
          <Changing>{left === 0 ? t.turn.soldOut : t.turn.free(left)}</Changing>
        </small>
      </span>
    </label>
  );
}

function zonePrice(f: Format, free: string, { unit_price, currency, currency_digits: digits }: Zone, quantity = 1): string {
  return formatPrice(f, free, { amount: unit_price * quantity, currency, digits });
}

function find(event: EventDetail, zoneId: string | undefined): [Show, Zone] | [undefined, undefined] {
  for (const show of event.shows) {
    const zone = show.zones.find(({ zone_id }) => zone_id === zoneId);
    if (zone) return [show, zone];
  }
  return [undefined, undefined];
}

function seatsLeftIn(state: State, event: EventDetail, zoneId: string | undefined): number {
  const [, zone] = find(event, zoneId);
  return zone ? freeSeats(state, zone) : 0;
}
