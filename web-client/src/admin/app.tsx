// The operators' page: the session, and the view for the current route.
import { useEffect, useMemo, useState } from "preact/hooks";
import { I18nProvider, LanguageChoice, useI18n } from "../i18n/admin";
import { PageFrame } from "../shared/page-frame";
import { useTitle } from "../shared/title";
import { Api } from "./api";
import { readClaims, loadToken, saveToken } from "./session";
import { EventPage } from "./views/event";
import { Events } from "./views/events";
import { NewEventForm } from "./views/new-event";
import { SignIn } from "./views/sign-in";

export function App() {
  return (
    <I18nProvider>
      <Page />
    </I18nProvider>
  );
}

/** The part of the address after `#`, which browsers do not send to the server. */
function useRoute(): string {
  const [route, set] = useState(location.hash);
  useEffect(() => {
    const follow = () => set(location.hash);
    window.addEventListener("hashchange", follow);
    // It may have changed between the first render and this effect.
    follow();
    return () => window.removeEventListener("hashchange", follow);
  }, []);
  return route;
}

function Page() {
  const { t } = useI18n();
  const [token, setToken] = useState(loadToken);
  const [expired, setExpired] = useState(false);
  const api = useMemo(() => new Api(loadToken, () => signOut(true)), []);

  function signIn(accepted: string): void {
    saveToken(accepted);
    setExpired(false);
    setToken(accepted);
  }

  function signOut(rejected: boolean): void {
    saveToken(undefined);
    setExpired(rejected);
    setToken(undefined);
  }

  // The route is behind `#`: the skip link must not change it.
  function skip(event: MouseEvent): void {
    event.preventDefault();
    document.getElementById("main")?.focus();
  }

  const brand = (
    <>
      Stanchion <span>{t.operators}</span>
    </>
  );
  const corner = (
    <div class="corner">
      <LanguageChoice />
      {token !== undefined && <SignedIn token={token} signOut={() => signOut(false)} />}
    </div>
  );

  return (
    <PageFrame skip={t.skip} home="#" brand={brand} corner={corner} onSkip={skip}>
      {token === undefined ? <SignIn signIn={signIn} expired={expired} /> : <View api={api} />}
    </PageFrame>
  );
}

function SignedIn({ token, signOut }: { token: string; signOut: () => void }) {
  const { t } = useI18n();
  return (
    <span class="who">
      <span data-testid="who">{t.signedInAs(readClaims(token)?.sub ?? "?")}</span>
      <button type="button" class="quiet" onClick={signOut}>
        {t.signOut}
      </button>
    </span>
  );
}

function NewEvent({ api }: { api: Api }) {
  const { t } = useI18n();
  useTitle(t.form.title);
  return <NewEventForm api={api} />;
}

function View({ api }: { api: Api }) {
  const route = useRoute();
  const [, event] = /^#\/events\/([\w-]+)$/.exec(route) ?? [];
  if (route === "#/new") return <NewEvent api={api} />;
  return event ? <EventPage api={api} id={event} key={event} /> : <Events api={api} />;
}
