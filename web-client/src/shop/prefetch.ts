// Fetches the code of later steps while the visitor waits, so that nothing has to be fetched at the decisive moment.
import type { EventDetail } from "@stanchion/client/shop";
import { useEffect } from "preact/hooks";
import { paymentStep } from "./payment";
import { ticketCode } from "./ticket-code";

/** `withinMs` spreads the requests of visitors who arrived together. Nothing of a payment is fetched if nothing is to be paid. */
export function usePrefetchedSteps(withinMs: number, isPaid: boolean): void {
  useEffect(() => {
    const timer = setTimeout(() => {
      if (isPaid) paymentStep.prefetch();
      ticketCode.prefetch();
    }, Math.random() * withinMs);
    return () => clearTimeout(timer);
  }, [isPaid]);
}

/** Does any seat of this event cost something? */
export function hasPrice(event: EventDetail | undefined): boolean {
  return event?.shows.some(({ zones }) => zones.some(({ unit_price }) => unit_price > 0)) ?? false;
}
