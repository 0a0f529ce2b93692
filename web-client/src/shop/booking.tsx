// One booking: reserved and to be paid, confirmed with its QR code, or cancelled or expired.
import type { Booking } from "@stanchion/client";
import type { Shop } from "@stanchion/client/shop";
import { useI18n } from "../i18n/visitor";
import { Countdown } from "../shared/countdown";
import { EventPlace, EventTime } from "../shared/event-time";
import { useLazyComponent } from "../shared/lazy";
import { formatPrice } from "../shared/money";
import { useTitle } from "../shared/title";
import { Heading } from "../shared/visitor-frame";
import type { Journey } from "../visitor/journey";
import type { State } from "../visitor/state";
import { FreeBooking } from "./free-booking";
import { KeepTicket } from "./keep-ticket";
import { loadPaymentStep } from "./payment";
import { reference } from "./reference";

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

  return (
    <>
      <section class={`card booking booking-${status}`} data-testid="booking" data-status={status}>
        <Heading key={status}>{t.booking.titles[status]}</Heading>
        <p>{isFree && status === "reserved" ? t.free.lead : t.booking.leads[status]}</p>
        {status === "reserved" && (
          <Countdown until={booking.expires_at} now={now} label={t.booking.held} announcement={isFree ? t.free.ending : t.booking.ending} ended={() => journey.purchase.onHoldEnded()} />
        )}
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
            <dd class="numeral" data-testid="booking-total">
              {formatPrice(f, t.free.price, { amount, currency, digits })}
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
  const Qr = useLazyComponent(async () => (await import("./qr")).Qr, true);
  const spoken = reference(booking.booking_id);

  return (
    <div class="ticket">
      <div class="qr-space">{Qr && <Qr text={booking.booking_id} label={t.booking.code(spoken)} />}</div>
      <p>
        <span class="hint">{t.booking.reference}</span>
        <strong class="reference numeral" data-testid="reference">
          {spoken}
        </strong>
      </p>
    </div>
  );
}

function PayOrCancel({ state, booking, journey }: Props) {
  const { t } = useI18n();
  const isFree = booking.total_price === 0;
  const Payment = useLazyComponent(loadPaymentStep, !isFree);
  return (
    <>
      {isFree ? (
        <FreeBooking busy={state.busy} confirm={() => void journey.purchase.confirm()} />
      ) : (
        <section class="card" aria-labelledby="pay">
          <h2 id="pay">{t.booking.pay}</h2>
          {Payment && (
            <Payment booking={booking} busy={state.busy} paid={() => void journey.purchase.confirm()} failed={() => journey.purchase.paymentFailed()} />
          )}
        </section>
      )}
      <p class="leave">
        <button type="button" class="quiet" data-testid="cancel" disabled={state.busy} onClick={() => void journey.purchase.cancel()}>
          {t.booking.cancel}
        </button>
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
