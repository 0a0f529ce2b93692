// One booking: reserved and to be paid, confirmed with its QR code, or cancelled or expired.
import type { Booking } from "@stanchion/client";
import type { Shop } from "@stanchion/client/shop";
import { useI18n } from "../i18n/visitor";
import { Changing, Figure } from "../shared/changing";
import { ConfirmedAction } from "../shared/confirmed-action";
import { Countdown, SmallCountdown } from "../shared/countdown";
import { EventPlace, EventTime } from "../shared/event-time";
import { LateView } from "../shared/late-view";
import { formatPrice } from "../shared/money";
import { useTitle } from "../shared/title";
import { Heading } from "../shared/visitor-frame";
import type { Journey } from "../visitor/journey";
import type { State } from "../visitor/state";
import { FreeBooking } from "./free-booking";
import { KeepTicket } from "./keep-ticket";
import { paymentStep } from "./payment";
import { usePrefetchedSteps } from "./prefetch";
import { reference } from "./reference";
import { ticketCode } from "./ticket-code";

interface Props {
  state: State;
  booking: Booking;
  journey: Journey;
  shop: Shop;
  now: () => number;
}

export function BookingView(props: Props) {
  const { t, f } = useI18n();
  const { state, booking, journey, now } = props;
  const { status, total_price: amount, currency, currency_digits: digits } = booking;
  const isFree = amount === 0;
  const show = showOf(state, booking);
  useTitle(`${t.booking.titles[status]} · ${state.event?.name ?? ""}`);
  usePrefetchedSteps(0, !isFree);

  return (
    <>
      <section class={`card booking booking-${status}`} data-testid="booking" data-status={status}>
        <Heading key={status}>{t.booking.titles[status]}</Heading>
        <p>
          <Changing>{isFree && status === "reserved" ? t.free.lead : t.booking.leads[status]}</Changing>
        </p>
        {status === "reserved" && (
          <Countdown until={booking.expires_at} now={now} label={t.booking.held} announcement={isFree ? t.free.ending : t.booking.ending} ended={() => journey.purchase.onHoldEnded()} />
        )}
        <p class="booking-event" data-testid="booking-event">
          {state.event?.name}
        </p>
        {status === "confirmed" && <Ticket booking={booking} />}
        <dl class="facts" data-testid="booking-id" data-booking={booking.booking_id}>
          <div>
            <dt>{t.booking.seats}</dt>
            <dd>{formatSeats(state, booking, t.booking.ofSeats)}</dd>
            <dd class="hint">{show?.name}</dd>
            <dd class="hint">
              <EventTime event={state.event} at={show?.starts_at} />
            </dd>
            <dd class="hint">{state.event && <EventPlace event={state.event} />}</dd>
          </div>
          <div>
            <dt>{t.booking.total}</dt>
            <dd class="numeral">
              <Figure data-testid="booking-total">{formatPrice(f, t.free.price, { amount, currency, digits })}</Figure>
            </dd>
          </div>
        </dl>
      </section>
      {status === "confirmed" && <KeepTicket booking={booking} event={state.event} shop={props.shop} />}
      {status === "reserved" ? <PayOrCancel {...props} /> : <BackToEvent {...props} />}
    </>
  );
}

export function Ticket({ booking }: { booking: { booking_id: string } }) {
  const { t } = useI18n();
  const spoken = reference(booking.booking_id);

  return (
    <div class="ticket">
      <div class="qr-space">
        <LateView code={ticketCode} view={{ text: booking.booking_id, label: t.booking.code(spoken) }} />
      </div>
      <p>
        <span class="hint">{t.booking.reference}</span>
        <strong class="reference numeral">
          <Figure data-testid="reference">{spoken}</Figure>
        </strong>
      </p>
    </div>
  );
}

function PayOrCancel(props: Props) {
  const { t } = useI18n();
  const { state, booking, journey } = props;
  const { purchase } = journey;

  return (
    <>
      {booking.total_price === 0 ? <FreeBooking busy={state.busy} confirm={() => void purchase.confirm()} /> : <Payment {...props} />}
      <ConfirmedAction
        label={t.booking.cancel}
        question={t.booking.cancelSure}
        confirm={t.booking.cancelYes}
        decline={t.booking.cancelNo}
        testId="cancel"
        disabled={state.busy}
        onConfirm={() => void purchase.cancel()}
      />
    </>
  );
}

function Payment({ state, booking, journey, now }: Props) {
  const { t, f } = useI18n();
  const { purchase } = journey;
  const payment = {
    booking,
    busy: state.busy,
    begin: () => purchase.beginPayment(),
    paid: () => void purchase.confirm(),
    failed: () => purchase.paymentFailed(),
  };
  return (
    <>
      <section class="card" id="payment" aria-labelledby="pay">
        <h2 id="pay">{t.booking.pay}</h2>
        <LateView code={paymentStep} view={payment} />
      </section>
      <p class="bar to-payment" data-testid="payment-bar">
        <span class="checkout-facts">
          <SmallCountdown until={booking.expires_at} now={now} label={t.booking.held} />
          <Figure class="total">{f.money(booking.total_price, booking.currency, booking.currency_digits)}</Figure>
        </span>
        <a class="button" href="#payment">
          {t.booking.toPayment}
        </a>
      </p>
    </>
  );
}

function BackToEvent({ journey }: Props) {
  const { t } = useI18n();
  return (
    <p class="leave">
      <button type="button" class="soft" data-testid="again" onClick={() => journey.purchase.forget()}>
        {t.booking.again}
      </button>
    </p>
  );
}

function showOf(state: State, booking: Booking) {
  return state.event?.shows.find(({ show_id }) => show_id === booking.show_id);
}

function formatSeats(state: State, booking: Booking, words: (n: number, zone: string) => string): string {
  const zone = showOf(state, booking)?.zones.find(({ zone_id }) => zone_id === booking.zone_id);
  return words(booking.quantity, zone?.name ?? "");
}
