// Fetches the code of later steps while the visitor waits, so that nothing has to be fetched at the decisive moment.
import { useEffect } from "preact/hooks";
import { paymentStep } from "./payment";
import { ticketCode } from "./ticket-code";

/** `withinMs` spreads the requests of visitors who arrived together. */
export function usePrefetchedSteps(withinMs: number): void {
  useEffect(() => {
    const timer = setTimeout(() => {
      paymentStep.prefetch();
      ticketCode.prefetch();
    }, Math.random() * withinMs);
    return () => clearTimeout(timer);
  }, []);
}
