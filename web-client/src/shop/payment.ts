// Where a payment provider is plugged in. The provider's step is a view that is loaded only when there is something to pay.
import type { ComponentType } from "preact";
import type { Booking } from "@stanchion/client";

export interface PaymentStepProps {
  /** What is to be paid, until `expires_at`: the amount is `total_price` in the minor unit of `currency`. */
  booking: Booking;
  /** The confirmation of an earlier `paid` is under way. */
  busy: boolean;
  /** To be called once the money is sure: the booking is confirmed then. */
  paid: () => void;
  /** To be called when the provider refused; the user may try again. */
  failed: () => void;
}

export type PaymentStep = ComponentType<PaymentStepProps>;

/** Put another provider's module here. */
export async function loadPaymentStep(): Promise<PaymentStep> {
  return (await import("./demo-payment")).DemoPayment;
}
