// The extension point for a payment provider: a component that is loaded only when there is something to pay.
import type { ComponentType } from "preact";
import type { Booking } from "@stanchion/client";

export interface PaymentStepProps {
  /** The booking to pay before `expires_at`. The amount is `total_price` in the minor unit of `currency`, which has `currency_digits`
   *  decimals by ISO 4217; it is never 0: what costs nothing has no payment step. */
  booking: Booking;
  /** The confirmation after a call of `paid` is in progress. */
  busy: boolean;
  /** Call it once the payment is final: this confirms the booking. */
  paid: () => void;
  /** Call it if the provider declined the payment; the user may try again. */
  failed: () => void;
}

export type PaymentStep = ComponentType<PaymentStepProps>;

/** Import another provider's module here. */
export async function loadPaymentStep(): Promise<PaymentStep> {
  return (await import("./demo-payment")).DemoPayment;
}
