// Page lifecycle: closes the transport when the page is suspended (back/forward cache, freeze) and probes it on wake-up.
import type { StatefulTransport, Transport } from "./transport";

/**
 * A suspended page closes its transport and gives up the leadership of the user's tabs: its socket would still answer pings, so
 * the user would count as present although the page processes no messages. Events after which the connection may be dead trigger
 * a probe. Returns a function that removes the listeners.
 */
export function followPageLifecycle(transport: Transport & Pick<StatefulTransport, "isClosed">): () => void {
  const stop = new AbortController();
  let suspended = false;

  const suspend = () => {
    if (transport.isClosed) return;
    suspended = true;
    transport.close();
  };
  const wake = () => {
    if (suspended) transport.open();
    else transport.probe();
    suspended = false;
  };
  const onVisible = () => void (document.visibilityState === "visible" && transport.probe());
  const listeners = {
    freeze: suspend,
    pagehide: suspend,
    resume: wake,
    pageshow: wake,
    visibilitychange: onVisible,
    online: wake,
    offline: wake,
  };
  // `freeze`, `resume` and `visibilitychange` target the document; the window sees them in the capture phase.
  for (const [event, listener] of Object.entries(listeners)) window.addEventListener(event, listener, { signal: stop.signal, capture: true });

  return () => stop.abort();
}
