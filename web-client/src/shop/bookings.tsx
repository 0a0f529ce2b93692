// The user's bookings, newest first.
import type { Booking } from "@stanchion/client";
import { useI18n } from "../i18n/visitor";
import { Changing } from "../shared/changing";
import { formatPrice } from "../shared/money";
import { useTitle } from "../shared/title";
import { Heading } from "../shared/visitor-frame";
import { eventPath } from "../visitor/route";
import type { State } from "../visitor/state";
import { reference } from "./reference";

export function Bookings({ state, onOpen }: { state: State; onOpen: (booking: Booking) => void }) {
  const { t, f } = useI18n();
  useTitle(t.bookings.title);
  const payOrConfirm = ({ total_price }: Booking) => (total_price === 0 ? t.free.confirm : t.bookings.pay);
  const name = (booking: Booking) => state.events?.find(({ event_id }) => event_id === booking.event_id)?.name ?? "";

  return (
    <>
      <div class="lead">
        <Heading>{t.bookings.title}</Heading>
        {state.bookings?.length === 0 && <p data-testid="no-bookings">{t.bookings.none}</p>}
      </div>
      <ul class="events">
        {state.bookings?.map((booking) => (
          <li class="card past" key={booking.booking_id} data-testid="past-booking">
            <span class="event-name">{name(booking)}</span>
            <span class={`sale booking-is-${booking.status}`}>
              <Changing>{t.booking.statuses[booking.status]}</Changing>
            </span>
            <small>
              {t.seatPreferences.seats(booking.quantity)} · {formatPrice(f, t.free.price, { amount: booking.total_price, currency: booking.currency, digits: booking.currency_digits })} · {t.bookings.when}{" "}
              {f.dateTime(booking.created_at)}
            </small>
            {(booking.status === "reserved" || booking.status === "confirmed") && (
              <a
                class={booking.status === "reserved" ? "button" : ""}
                href={eventPath(booking.event_id, true)}
                aria-label={booking.status === "reserved" ? `${payOrConfirm(booking)}: ${name(booking)}` : t.bookings.open(reference(booking.booking_id))}
                onClick={() => onOpen(booking)}
              >
                <Changing>{booking.status === "reserved" ? payOrConfirm(booking) : reference(booking.booking_id)}</Changing>
              </a>
            )}
          </li>
        ))}
      </ul>
    </>
  );
}
