// A payment provider for demonstrations: every payment succeeds, after a delay like that of a real provider.
import { useState } from "preact/hooks";
import { useI18n } from "../i18n/visitor";
import { Changing } from "../shared/changing";
import type { PaymentStepProps } from "./payment";

const DELAY_MS = 600;

export function DemoPayment({ booking, busy, begin, paid }: PaymentStepProps) {
  const { t, f } = useI18n();
  const [paying, setPaying] = useState(false);
  const pay = async (submitted: Event) => {
    submitted.preventDefault();
    setPaying(true);
    if (!(await begin())) return setPaying(false);
    setTimeout(() => {
      setPaying(false);
      paid();
    }, DELAY_MS);
  };

  return (
    <form class="payment" onSubmit={(submitted) => void pay(submitted)}>
      <p class="hint">{t.demoPayment.lead}</p>
      <p class="payment-card">
        <span>{t.demoPayment.card}</span> <span class="numeral">{t.demoPayment.cardNumber}</span>
      </p>
      <button type="submit" class="big" data-testid="confirm" disabled={busy || paying}>
        <Changing>{paying ? t.demoPayment.paying : busy ? t.booking.confirming : t.demoPayment.pay(f.money(booking.total_price, booking.currency, booking.currency_digits))}</Changing>
      </button>
    </form>
  );
}
