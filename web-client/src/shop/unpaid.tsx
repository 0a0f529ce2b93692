// Links to the user's unpaid bookings, shown on the list of events.
import type { Booking } from "@stanchion/client";
import { useI18n } from "../i18n/visitor";
import { Changing, Figure } from "../shared/changing";
import { useMsLeft } from "../shared/countdown";
import { eventPath } from "../visitor/route";

export function Unpaid({ bookings, now }: { bookings: Booking[]; now: () => number }) {
  return bookings.map((booking) => <UnpaidOne key={booking.booking_id} booking={booking} now={now} />);
}

function UnpaidOne({ booking, now }: { booking: Booking; now: () => number }) {
  const { t, f } = useI18n();
  const left = useMsLeft(booking.expires_at, now);
  const isFree = booking.total_price === 0;
  if (left <= 0) return null;

  return (
    <section class="card unpaid" data-testid="unpaid">
      <p>
        <strong>
          <Changing>{isFree ? t.free.unconfirmed(booking.quantity) : t.unpaid(booking.quantity)}</Changing>
        </strong>{" "}
        <span>{t.unpaidLeft}</span> <Figure class="numeral">{f.clock(left)}</Figure>
      </p>
      <a class="button" href={eventPath(booking.event_id, true)}>
        {isFree ? t.free.confirm : t.unpaidGo}
      </a>
    </section>
  );
}
