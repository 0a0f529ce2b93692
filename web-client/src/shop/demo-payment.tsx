// A payment provider for demonstrations: every payment succeeds, after a delay like that of a real provider.
import { useState } from "preact/hooks";
import { useI18n } from "../i18n/visitor";
import type { PaymentStepProps } from "./payment";

const DELAY_MS = 600;

export function DemoPayment({ booking, busy, paid }: PaymentStepProps) {
  const { t, f } = useI18n();
  const [paying, setPaying] = useState(false);
  const pay = (submitted: Event) => {
    submitted.preventDefault();
    setPaying(true);
    setTimeout(() => {
      setPaying(false);
      paid();
    }, DELAY_MS);
  };

  return (
    <form class="payment" onSubmit={pay}>
      <p class="hint">{t.demoPayment.lead}</p>
      <p class="payment-card">
        <span>{t.demoPayment.card}</span> <span class="numeral">{t.demoPayment.cardNumber}</span>
      </p>
      <button type="submit" class="big" data-testid="confirm" disabled={busy || paying}>
        {paying ? t.demoPayment.paying : busy ? t.booking.confirming : t.demoPayment.pay(f.money(booking.total_price, booking.currency, booking.currency_digits))}
      </button>
    </form>
  );
}
