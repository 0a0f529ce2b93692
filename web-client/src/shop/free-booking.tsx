// A booking that costs nothing: one press confirms it, and no payment provider is loaded.
import { useI18n } from "../i18n/visitor";

export function FreeBooking({ busy, confirm }: { busy: boolean; confirm: () => void }) {
  const { t } = useI18n();
  return (
    <section class="card">
      <button type="button" class="big" data-testid="confirm" disabled={busy} onClick={confirm}>
        {busy ? t.booking.confirming : t.free.confirm}
      </button>
    </section>
  );
}
