// The extension point for a payment provider: a component that is loaded while the visitor waits or chooses.
import type { ComponentType } from "preact";
import type { Booking } from "@stanchion/client";
import { LateCode, importLate } from "../shared/late-code";

export interface PaymentStepProps {
  /** The booking to pay before `expires_at`. The amount is `total_price` in the minor unit of `currency`, which has `currency_digits`
   *  decimals by ISO 4217; it is never 0: what costs nothing has no payment step. */
  booking: Booking;
  /** The confirmation after a call of `paid` is in progress. */
  busy: boolean;
  /**
   * Call it before the payment is taken, and take none if it resolves to false: the booking was paid, cancelled or is being paid in
   * another tab, or the service does not answer. The page says which.
   */
  begin: () => Promise<boolean>;
  /** Call it once the payment is final: this confirms the booking. */
  paid: () => void;
  /** Call it if the provider declined the payment; the user may try again. */
  failed: () => void;
}

export type PaymentStep = ComponentType<PaymentStepProps>;

/** Import another provider's module here. */
export async function loadPaymentStep(): Promise<PaymentStep> {
  return (await importLate(() => import("./demo-payment"))).DemoPayment;
}

export const paymentStep = new LateCode(loadPaymentStep);
