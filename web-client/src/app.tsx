// The visitors' page: the view for the current state.
import { useEffect } from "preact/hooks";
import { Events } from "./events/events";
import { I18nProvider, useI18n } from "./i18n/visitor";
import { notify, ring } from "./room/alerts";
import { EventPage } from "./room/event-page";
import { SignIn } from "./room/sign-in";
import { Waiting } from "./room/waiting";
import { applyBranding } from "./shared/appearance";
import { VisitorFrame, Heading } from "./shared/visitor-frame";
import { BookingView } from "./shop/booking";
import { Bookings } from "./shop/bookings";
import { Recover } from "./shop/recover";
import { Seats } from "./shop/seats";
import type { Dependencies } from "./visitor/dependencies";
import type { Journey } from "./visitor/journey";
import { eventPath } from "./visitor/route";
import type { State } from "./visitor/state";

interface AppProps {
  state: State;
  journey: Journey;
  deps: Dependencies;
}

export function App(props: AppProps) {
  return (
    <I18nProvider>
      <BrandedApp {...props} />
    </I18nProvider>
  );
}

function BrandedApp(props: AppProps) {
  const { state } = props;
  const { t } = useI18n();
  const { appearance, name } = state.event ?? {};
  const { at } = state.stage;
  useEffect(() => applyBranding(appearance), [JSON.stringify(appearance)]);
  useEffect(() => {
    if (state.eventId) history.replaceState(null, "", eventPath(state.eventId, at === "shopping" || at === "booking"));
    if (at !== "shopping" && !(at === "booking" && document.visibilityState === "hidden")) return;
    ring();
    notify(name ?? t.turn.title, t.turn.notification, state.eventId ?? "");
  }, [at]);

  return (
    <VisitorFrame state={state} now={() => props.deps.rest.now()} memoryOnly={props.deps.storage.isMemoryOnly}>
      <View {...props} />
    </VisitorFrame>
  );
}

function View({ state, journey, deps }: AppProps) {
  const { t } = useI18n();
  const now = () => deps.rest.now();
  const { stage, page } = state;
  if (stage.at === "starting") return <h1 class="card reading">{t.starting}</h1>;
  const queueId = deps.identities.current()?.user_id;
  if (page === "events") return <Events state={state} now={now} />;
  if (page === "bookings") {
    return (
      <>
        <Bookings state={state} onOpen={({ user_id, event_id, booking_id }) => deps.bookings.keep(user_id, event_id, booking_id)} />
        <Recover shop={deps.shop} />
      </>
    );
  }
  switch (stage.at) {
    case "missing":
      return <Missing />;
    case "signIn":
      return <SignIn journey={journey} busy={state.busy} />;
    case "waiting":
      return <Waiting state={state} journey={journey} queueId={queueId} />;
    case "shopping":
      return <Seats state={state} journey={journey} now={now} />;
    case "booking":
      return <BookingView state={state} booking={stage.booking} journey={journey} shop={deps.shop} now={now} />;
    default:
      return <EventPage state={state} journey={journey} />;
  }
}

function Missing() {
  const { t } = useI18n();
  return (
    <div class="lead">
      <Heading>{t.missing.title}</Heading>
      <p>{t.missing.lead}</p>
      <p>
        <a href="/">{t.allEvents}</a>
      </p>
    </div>
  );
}
