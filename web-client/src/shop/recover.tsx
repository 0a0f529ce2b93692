// Bookings on another device or after the browser forgot them: who has the code of a booking sees it.
import { Problem } from "@stanchion/client";
import type { EventDetail, RecoveredBooking, Shop } from "@stanchion/client/shop";
import { useEffect, useRef, useState } from "preact/hooks";
import { useI18n } from "../i18n/visitor";
import { EventPlace, EventTime } from "../shared/event-time";
import { formatPrice } from "../shared/money";
import { Ticket } from "./booking";
import { codeOf, forgetCode, keepCode, loadCodes, normalizedCode } from "./code-store";
import { KeepTicket } from "./keep-ticket";

interface Recovered {
  code: string;
  booking: RecoveredBooking;
  event: EventDetail | undefined;
  /** The user has just asked for it, so it takes the focus. */
  wanted: boolean;
}

export function Recover({ shop }: { shop: Shop }) {
  const { t } = useI18n();
  const [tickets, setTickets] = useState<Recovered[]>([]);
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState("");

  async function open(code: string, wanted: boolean): Promise<void> {
    const booking = await shop.recover(code);
    // The ticket is worth showing without the names as well.
    const event = await shop.event(booking.event_id).catch(() => undefined);
    keepCode(code);
    setTickets((known) => [{ code, booking, event, wanted }, ...known.filter((one) => one.booking.booking_id !== booking.booking_id)]);
  }

  async function attempt(code: string): Promise<void> {
    setBusy(true);
    setError("");
    try {
      await open(code, true);
      setText("");
    } catch (failure) {
      setError(formatFailure(failure, t));
    }
    setBusy(false);
  }

  useEffect(() => {
    const linked = codeOf(location.hash);
    // The address must not keep the code: it would be in pictures and bookmarks of the page.
    if (linked) history.replaceState(null, "", location.pathname);
    for (const code of loadCodes().filter((code) => code !== linked).reverse()) void open(code, false).catch((failure) => isGone(failure) && forgetCode(code));
    if (linked) void attempt(linked);
  }, []);

  const submit = (submitted: Event) => {
    submitted.preventDefault();
    void attempt(normalizedCode(text));
  };

  return (
    <>
      {tickets.map((ticket) => (
        <RecoveredTicket key={ticket.code} ticket={ticket} shop={shop} />
      ))}
      <form class="card identify recover" onSubmit={submit}>
        <label>
          {t.recover.label}
          <input
            class="numeral"
            value={text}
            autocomplete="off"
            autocapitalize="characters"
            spellcheck={false}
            maxLength={64}
            data-testid="recovery-code"
            aria-invalid={error !== ""}
            aria-describedby="recover-hint"
            onInput={({ currentTarget }) => setText(currentTarget.value)}
          />
        </label>
        <p class="hint" id="recover-hint" role="status" data-testid="recover-hint">
          {error || t.recover.hint}
        </p>
        <div class="actions">
          <button type="submit" class="soft" data-testid="recover" disabled={busy || text.trim() === ""}>
            {busy ? t.recover.busy : t.recover.go}
          </button>
        </div>
      </form>
    </>
  );
}

function isGone(failure: unknown): boolean {
  return failure instanceof Problem && failure.code === "BOOKING_NOT_FOUND";
}

function formatFailure(failure: unknown, t: ReturnType<typeof useI18n>["t"]): string {
  if (!(failure instanceof Problem)) return t.errors.other;
  if (isGone(failure) || failure.code === "INVALID_REQUEST") return t.recover.unknown;
  if (failure.code === "RATE_LIMITED") return t.recover.limited;
  return t.errors[failure.code] ?? t.errors.other;
}

function RecoveredTicket({ ticket: { code, booking, event, wanted }, shop }: { ticket: Recovered; shop: Shop }) {
  const { t, f } = useI18n();
  const heading = useRef<HTMLHeadingElement>(null);
  const show = event?.shows.find(({ show_id }) => show_id === booking.show_id);
  const zone = show?.zones.find(({ zone_id }) => zone_id === booking.zone_id);
  const { total_price: amount, currency, currency_digits: digits } = booking;
  useEffect(() => {
    if (wanted) heading.current?.focus();
  }, []);

  return (
    <>
      <section class={`card booking booking-${booking.status}`} data-testid="recovered" data-booking={booking.booking_id} data-status={booking.status}>
        <h2 ref={heading} tabIndex={-1}>
          {event?.name ?? t.booking.statuses[booking.status]}
        </h2>
        <span class={`sale booking-is-${booking.status}`}>{t.booking.statuses[booking.status]}</span>
        {booking.status === "confirmed" && <Ticket booking={booking} />}
        <dl class="facts">
          <div>
            <dt>{t.booking.seats}</dt>
            <dd>{t.booking.ofSeats(booking.quantity, zone?.name ?? "")}</dd>
            <dd class="hint">{show?.name}</dd>
            <dd class="hint">
              <EventTime event={event} at={show?.starts_at} />
            </dd>
            <dd class="hint">{event && <EventPlace event={event} />}</dd>
          </div>
          <div>
            <dt>{t.booking.total}</dt>
            <dd class="numeral">{formatPrice(f, t.free.price, { amount, currency, digits })}</dd>
          </div>
        </dl>
      </section>
      {booking.status === "confirmed" && <KeepTicket booking={booking} event={event} shop={shop} code={code} />}
    </>
  );
}
