// A booking: held with a countdown, then confirmed, cancelled or expired.
import type { Booking, EventDetail, Rest } from "../../sdk";
import { Countdown } from "../countdown";
import { named, write } from "../element";
import type { Journey } from "../journey";
import type { State } from "../state";
import { bookingAdvice, bookingHeadings, money } from "../wording";

export function bookingView(journey: Journey, rest: Rest): (state: State) => void {
  const [confirm, cancel, again] = ["confirm", "cancel", "again"].map((id) => named<HTMLButtonElement>(id)) as [
    HTMLButtonElement,
    HTMLButtonElement,
    HTMLButtonElement,
  ];
  const countdown = new Countdown(named("hold-left"), () => rest.now(), () => journey.purchase.holdEnded());
  confirm.addEventListener("click", () => void journey.purchase.confirm());
  cancel.addEventListener("click", () => void journey.purchase.cancel());
  again.addEventListener("click", () => journey.purchase.forget());

  return ({ stage, catalogue, busy }) => {
    const booking = stage.at === "booking" ? stage.booking : undefined;
    const held = booking?.status === "reserved";
    countdown.until(held ? booking.expires_at : undefined);
    confirm.hidden = cancel.hidden = named("hold-row").hidden = !held;
    again.hidden = held;
    confirm.disabled = cancel.disabled = busy;
    if (booking) describe(booking, catalogue);
  };
}

function describe(booking: Booking, catalogue: EventDetail | undefined): void {
  const show = catalogue?.shows.find(({ show_id }) => show_id === booking.show_id);
  const zone = show?.zones.find(({ zone_id }) => zone_id === booking.zone_id);
  const seats = `${booking.quantity} ${booking.quantity === 1 ? "seat" : "seats"}`;
  write(named("booking-heading"), bookingHeadings[booking.status]);
  write(named("booking-advice"), bookingAdvice[booking.status]);
  write(named("booking-seats"), show && zone ? `${seats}, ${zone.name}, ${show.name}` : seats);
  write(named("booking-total"), money(booking.total_price, booking.currency));
  write(named("booking-status"), booking.status);
  write(named("booking-id"), booking.booking_id);
}
