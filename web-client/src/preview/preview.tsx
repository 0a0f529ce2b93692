// The visitors' page as a preview of its branding. The operators' page loads this module only for its address; in a frame of that
// page, where it is the entry point, it shows what the page sends.
import { render } from "preact";
import { App } from "../app";
import { applyBranding } from "../shared/appearance";
import type { Dependencies } from "../visitor/dependencies";
import type { Journey } from "../visitor/journey";
import { type State, initialState } from "../visitor/state";
import type { Preview } from "./protocol";

/** The address of this module. */
export const previewModule = import.meta.url;

/** Nothing in the preview can be operated, so no part of them is used but these. */
const deps = {
  rest: { now: () => Date.now() },
  identities: { current: () => undefined },
  storage: { isMemoryOnly: false, keys: () => [] },
} as unknown as Dependencies;
const journey = {} as Journey;

/** Without an `eventId`: a document in a frame has no address to change. */
function stateOf({ event, view }: Preview): State {
  const position = { type: "position", event_id: event.event_id, position: 42, total_in_queue: 180, estimated_wait_seconds: 240, wait_range_seconds: [180, 300], seats_left: 96 };
  const stage = view === "waiting" ? { at: "waiting", position } : { at: "event" };
  return { ...initialState, page: "event", event, stage, connection: { state: "connected", via: "socket" } } as State;
}

function start(): void {
  const root = document.body.appendChild(document.createElement("div"));
  root.id = "app";
  root.inert = true;

  window.addEventListener("message", ({ origin, data }: MessageEvent<Preview>) => {
    if (origin !== self.origin || data?.kind !== "preview") return;
    // Colours that are not set any more would stay.
    document.documentElement.removeAttribute("style");
    applyBranding(data.event.appearance);
    render(<App state={stateOf(data)} journey={journey} deps={deps} />, root);
  });
  window.parent.postMessage({ kind: "preview-ready" }, self.origin);
}

if (location.href === "about:srcdoc") start();
