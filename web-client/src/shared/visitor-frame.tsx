// The frame of the visitors' page: branding, notices, links to other pages, the places of other events, and the language choice.
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { LanguageChoice, useI18n } from "../i18n/visitor";
import { PlaceBar } from "../room/place-bar";
import type { State, PageError } from "../visitor/state";
import { Changing } from "./changing";
import { PageFrame } from "./page-frame";

interface Props {
  state: State;
  now: () => number;
  /** What the visitor has is known to this tab only. */
  memoryOnly: boolean;
  children: ComponentChildren;
}

export function VisitorFrame({ state, now, memoryOnly, children }: Props) {
  const { t } = useI18n();
  const logo = state.event?.appearance?.logo;
  const brand = (
    <>
      {logo ? <img src={logo} alt="" height={32} /> : <Mark />}
      <Changing>{state.event?.name ?? "Stanchion"}</Changing>
    </>
  );
  const footer = (
    <>
      {state.page !== "events" && <a href="/">{t.allEvents}</a>}
      {state.page !== "bookings" && <a href="/bookings">{t.myBookings}</a>}
    </>
  );

  return (
    <PageFrame skip={t.skip} home="/" brand={brand} corner={<LanguageChoice />} footer={footer}>
      <Notices state={state} memoryOnly={memoryOnly} />
      {children}
      <PlaceBar places={state.others} now={now} />
    </PageFrame>
  );
}

function Mark() {
  return (
    <svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
      <path d="M6 27h6M20 27h6M9 27V8M23 27V8" stroke="currentColor" stroke-width="2.5" stroke-linecap="round" fill="none" />
      <circle cx="9" cy="7" r="3" fill="currentColor" />
      <circle cx="23" cy="7" r="3" fill="currentColor" />
      <path d="M9 12c2 8 12 8 14 0" stroke="var(--accent)" stroke-width="3" fill="none" stroke-linecap="round" />
    </svg>
  );
}

/** These cost the user nothing, so they are shown without the error style. */
const HARMLESS = ["PASS_REVOKED", "UNAVAILABLE", "RATE_LIMITED", "PAYING_ELSEWHERE"];
/** The outcome of the request is unknown. */
const UNDECIDED = ["UNAVAILABLE", "NO_ANSWER"];

function Notices({ state, memoryOnly }: { state: State; memoryOnly: boolean }) {
  const { t } = useI18n();
  const { connection, error, event, sale, stage, page } = state;
  const undecided = UNDECIDED.includes(error?.code ?? "") && t.connection.undecided[stage.at];
  const message = sale ? sale.message : event?.message;
  const welcome = event?.appearance?.message;
  const kept = memoryOnly && page === "event" && stage.at !== "missing" && stage.at !== "starting";

  return (
    <div class="notices">
      <p class="notice" role="status" data-testid="connection" data-state={connection.state} data-via={"via" in connection ? connection.via : ""}>
        <Changing>{formatConnection(state, t.connection)}</Changing>
      </p>
      <p class={`notice ${HARMLESS.includes(error?.code ?? "") ? "" : "error"}`} role="alert" data-testid="error">
        <Changing>{undecided || (error && formatError(error, t.errors))}</Changing>
      </p>
      {kept && (
        <p class="notice" data-testid="memory-only">
          {t.connection.memoryOnly}
        </p>
      )}
      {welcome && (
        <p class="notice plain" data-testid="welcome">
          <Changing>{welcome}</Changing>
        </p>
      )}
      {message && (
        <p class="notice plain" data-testid="notice">
          <Changing>{message}</Changing>
        </p>
      )}
    </div>
  );
}

/** A place that was never shown is not promised to be kept. */
function formatConnection({ connection, lost, unreachable, stage }: State, words: { reconnecting: string; slow: string; unreachable: string }): string | undefined {
  const hasPlace = stage.at === "waiting" ? stage.position !== undefined : stage.at === "shopping";
  if (lost && hasPlace) return words.reconnecting;
  if (unreachable || lost) return words.unreachable;
  return connection.state === "connected" && connection.via === "polling" ? words.slow : undefined;
}

/** The server's own text is the last resort, because it is in English. */
function formatError({ code, detail }: PageError, words: Record<string, string> & { other: string }): string {
  return words[code] ?? detail ?? words.other;
}

/** A view's heading. It takes the focus when the view replaces another, because the focused element may be gone. */
export function Heading({ children, focus = true }: { children: ComponentChildren; focus?: boolean }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (focus && document.body.dataset["settled"]) heading.current?.focus();
    document.body.dataset["settled"] = "yes";
  }, []);

  return (
    <h1 ref={heading} tabIndex={-1}>
      {children}
    </h1>
  );
}
