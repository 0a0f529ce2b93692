// What surrounds every view: the event's dress or ours, notices, the way to other pages, and the language.
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { LanguageChoice, useWords } from "../i18n/words";
import type { State, Trouble } from "../visitor/state";

export function Frame({ state, children }: { state: State; children: ComponentChildren }) {
  const { t } = useWords();
  const logo = state.event?.appearance?.logo;
  return (
    <>
      <a class="skip" href="#main">
        {t.skip}
      </a>
      <header class="top">
        <a class="brand" href="/">
          {logo ? <img src={logo} alt="" height={32} /> : <Mark />}
          <span>{state.event?.name ?? "Stanchion"}</span>
        </a>
        <LanguageChoice />
      </header>
      <main id="main" tabIndex={-1}>
        <Notices state={state} />
        {children}
      </main>
      <footer>
        {state.page !== "events" && <a href="/">{t.allEvents}</a>}
        {state.page !== "bookings" && <a href="/bookings">{t.myBookings}</a>}
      </footer>
    </>
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

/** Nothing is lost by these: they are told without alarm. */
const PASSING = ["PASS_REVOKED", "UNAVAILABLE", "RATE_LIMITED"];
const UNDECIDED = ["UNAVAILABLE", "NO_ANSWER"];

function Notices({ state }: { state: State }) {
  const { t } = useWords();
  const { connection, lost, trouble, event, sale, stage } = state;
  const undecided = UNDECIDED.includes(trouble?.code ?? "") && t.connection.undecided[stage.at];
  const message = sale ? sale.message : event?.message;
  const welcome = event?.appearance?.message;
  return (
    <div class="notices">
      <p class="notice" role="status" data-testid="connection" data-state={connection.state} data-via={"via" in connection ? connection.via : ""}>
        {lost && t.connection.reconnecting}
        {connection.state === "connected" && connection.via === "polling" && t.connection.slow}
      </p>
      <p class={`notice ${PASSING.includes(trouble?.code ?? "") ? "" : "trouble"}`} role="alert" data-testid="error">
        {undecided || (trouble && troubleInWords(trouble, t.troubles))}
      </p>
      {welcome && <p class="notice plain" data-testid="welcome">{welcome}</p>}
      {message && <p class="notice plain" data-testid="notice">{message}</p>}
    </div>
  );
}

/** The server's own words come last: they are in English. */
function troubleInWords({ code, detail }: Trouble, words: Record<string, string> & { other: string }): string {
  return words[code] ?? detail ?? words.other;
}

/** A view's heading; takes the focus when the view replaces another, so that nobody is left where nothing is. */
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
