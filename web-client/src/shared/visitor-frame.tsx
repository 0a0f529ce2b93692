// The frame of the visitors' page: branding, notices, links to other pages, and the language choice.
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { LanguageChoice, useI18n } from "../i18n/visitor";
import type { State, PageError } from "../visitor/state";
import { PageFrame } from "./page-frame";

export function VisitorFrame({ state, children }: { state: State; children: ComponentChildren }) {
  const { t } = useI18n();
  const logo = state.event?.appearance?.logo;
  const brand = (
    <>
      {logo ? <img src={logo} alt="" height={32} /> : <Mark />}
      <span>{state.event?.name ?? "Stanchion"}</span>
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
      <Notices state={state} />
      {children}
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
const HARMLESS = ["PASS_REVOKED", "UNAVAILABLE", "RATE_LIMITED"];
/** The outcome of the request is unknown. */
const UNDECIDED = ["UNAVAILABLE", "NO_ANSWER"];

function Notices({ state }: { state: State }) {
  const { t } = useI18n();
  const { connection, lost, error, event, sale, stage } = state;
  const undecided = UNDECIDED.includes(error?.code ?? "") && t.connection.undecided[stage.at];
  const message = sale ? sale.message : event?.message;
  const welcome = event?.appearance?.message;

  return (
    <div class="notices">
      <p class="notice" role="status" data-testid="connection" data-state={connection.state} data-via={"via" in connection ? connection.via : ""}>
        {lost && t.connection.reconnecting}
        {connection.state === "connected" && connection.via === "polling" && t.connection.slow}
      </p>
      <p class={`notice ${HARMLESS.includes(error?.code ?? "") ? "" : "error"}`} role="alert" data-testid="error">
        {undecided || (error && formatError(error, t.errors))}
      </p>
      {welcome && <p class="notice plain" data-testid="welcome">{welcome}</p>}
      {message && <p class="notice plain" data-testid="notice">{message}</p>}
    </div>
  );
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
