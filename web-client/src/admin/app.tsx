// The operators' page: who is signed in, and which view the address asks for.
import { useEffect, useMemo, useState } from "preact/hooks";
import { Api } from "./api";
import { claimsOf, remember, remembered } from "./session";
import { EventPage } from "./views/event";
import { Events } from "./views/events";
import { NewEventForm } from "./views/new-event";
import { SignIn } from "./views/sign-in";
import { LanguageChoice, WithWords, useWords } from "./words/words";

export function App() {
  return (
    <WithWords>
      <Page />
    </WithWords>
  );
}

/** The part behind `#`, which no server sees. */
function useRoute(): string {
  const [route, set] = useState(location.hash);
  useEffect(() => {
    const follow = () => set(location.hash);
    window.addEventListener("hashchange", follow);
    // It may have changed after it was drawn and before anybody listened.
    follow();
    return () => window.removeEventListener("hashchange", follow);
  }, []);
  return route;
}

function Page() {
  const { t } = useWords();
  const [token, setToken] = useState(remembered);
  const [ended, setEnded] = useState(false);
  const api = useMemo(() => new Api(remembered, () => leave(true)), []);
  function enter(accepted: string): void {
    remember(accepted);
    setEnded(false);
    setToken(accepted);
  }
  function leave(because: boolean): void {
    remember(undefined);
    setEnded(because);
    setToken(undefined);
  }
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), document.getElementById("main")?.focus())}>
        {t.skip}
      </a>
      <header class="top">
        <a class="brand" href="#">
          Stanchion <span>{t.operators}</span>
        </a>
        <div class="corner">
          <LanguageChoice />
          {token !== undefined && <Who token={token} leave={() => leave(false)} />}
        </div>
      </header>
      <main id="main" tabIndex={-1}>
        {token === undefined ? <SignIn enter={enter} ended={ended} /> : <View api={api} />}
      </main>
    </>
  );
}

function Who({ token, leave }: { token: string; leave: () => void }) {
  const { t } = useWords();
  return (
    <span class="who">
      <span data-testid="who">{t.signedInAs(claimsOf(token)?.sub ?? "?")}</span>
      <button type="button" class="quiet" onClick={leave}>
        {t.signOut}
      </button>
    </span>
  );
}

function View({ api }: { api: Api }) {
  const route = useRoute();
  const [, event] = /^#\/events\/([\w-]+)$/.exec(route) ?? [];
  if (route === "#/new") return <NewEventForm api={api} />;
  return event ? <EventPage api={api} id={event} key={event} /> : <Events api={api} />;
}
