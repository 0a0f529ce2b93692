// Ways to keep a ticket beyond this browser: a code and a link that bring it back, print, calendar, and a picture.
import type { Booking } from "@stanchion/client";
import type { EventDetail, RecoveredBooking, Shop } from "@stanchion/client/shop";
import { useEffect, useState } from "preact/hooks";
import { useI18n } from "../i18n/visitor";
import { placeLine } from "../shared/event-time";
import { reference } from "./reference";
import { saveFile } from "./save-file";

interface Props {
  booking: Booking | RecoveredBooking;
  event: EventDetail | undefined;
  shop: Shop;
  /** Known if the ticket was opened with it. */
  code?: string | undefined;
}

export function KeepTicket({ booking, event, shop, code }: Props) {
  const { t } = useI18n();
  return (
    <section class="card keep" aria-labelledby="keep">
      <h2 id="keep">{t.keep.title}</h2>
      <Code booking={booking} shop={shop} known={code} />
      <Files booking={booking} event={event} />
    </section>
  );
}

function Code({ booking, shop, known }: { booking: Props["booking"]; shop: Shop; known: string | undefined }) {
  const { t } = useI18n();
  const [code, set] = useState(known);
  const [failed, fail] = useState(false);
  const [copied, copy] = useState(false);
  const load = () => {
    fail(false);
    shop.code(booking.booking_id).then(({ code }) => set(code), () => fail(true));
  };
  useEffect(() => {
    if (!code) load();
  }, []);

  if (failed) {
    return (
      <p>
        {t.keep.failed}{" "}
        <button type="button" class="quiet" onClick={load}>
          {t.keep.retry}
        </button>
      </p>
    );
  }

  const link = `${location.origin}/bookings#code=${code}`;
  return (
    <>
      <p class="hint">{t.keep.lead}</p>
      <p class="code">
        <strong class="reference numeral" translate={false} data-testid="code">
          {code ?? "…"}
        </strong>
      </p>
      <div class="actions">
        <button type="button" class="soft" data-testid="copy-link" disabled={!code} onClick={() => copyText(link, () => copy(true))}>
          {copied ? t.keep.copied : t.keep.copy}
        </button>
      </div>
      <p class="hint" role="status">
        {copied && t.keep.copiedHint}
      </p>
    </>
  );
}

/** The clipboard needs TLS or localhost; without it, the link is shown to be copied by hand. */
function copyText(text: string, done: () => void): void {
  const byHand = () => void prompt("", text);
  if (navigator.clipboard) navigator.clipboard.writeText(text).then(done, byHand);
  else byHand();
}

function Files({ booking, event }: Pick<Props, "booking" | "event">) {
  const { t, f } = useI18n();
  const show = event?.shows.find(({ show_id }) => show_id === booking.show_id);
  const zone = show?.zones.find(({ zone_id }) => zone_id === booking.zone_id);
  const calendar = `/api/v1/events/${booking.event_id}/calendar?show_id=${booking.show_id}`;

  async function savePicture(): Promise<void> {
    const { ticketCard } = await import("./ticket-card");
    const spoken = reference(booking.booking_id);
    const text = {
      title: event?.name ?? "",
      lines: [
        show?.name ?? "",
        show?.starts_at ? f.eventTime(show.starts_at, event?.time_zone) : "",
        placeLine(event ?? {}),
        t.booking.ofSeats(booking.quantity, zone?.name ?? ""),
      ],
      reference: spoken,
    };
    saveFile(await ticketCard(booking.booking_id, text), `ticket-${spoken}.png`);
  }

  return (
    <div class="actions">
      <button type="button" class="soft" data-testid="print" onClick={() => print()}>
        {t.keep.print}
      </button>
      <button type="button" class="soft" data-testid="picture" onClick={() => void savePicture()}>
        {t.keep.picture}
      </button>
      {show?.starts_at && (
        <a class="button soft" data-testid="calendar" href={calendar} download>
          {t.keep.calendar}
        </a>
      )}
    </div>
  );
}
