// The visitors' page: which view the state asks for.
import { useEffect } from "preact/hooks";
import { Events } from "./events/events";
import { WithWords, useWords } from "./i18n/words";
import { notify, ring } from "./room/alerts";
import { Door } from "./room/door";
import { Identify } from "./room/identify";
import { Waiting } from "./room/waiting";
import { dress } from "./shared/appearance";
import { Frame, Heading } from "./shared/frame";
import { BookingView } from "./shop/booking";
import { Bookings } from "./shop/bookings";
import { Seats } from "./shop/seats";
import type { Journey } from "./visitor/journey";
import type { Parts } from "./visitor/parts";
import { eventPath } from "./visitor/route";
import type { State } from "./visitor/state";

interface AppProps {
  state: State;
  journey: Journey;
  parts: Parts;
}

export function App(props: AppProps) {
  return (
    <WithWords>
      <Dressed {...props} />
    </WithWords>
  );
}

function Dressed(props: AppProps) {
  const { state } = props;
  const { t } = useWords();
  const { appearance, name } = state.event ?? {};
  const { at } = state.stage;
  useEffect(() => dress(appearance), [JSON.stringify(appearance)]);
  useEffect(() => {
    if (state.eventId) history.replaceState(null, "", eventPath(state.eventId, at === "shopping" || at === "booking"));
    if (at !== "shopping" && !(at === "booking" && document.visibilityState === "hidden")) return;
    ring();
    notify(name ?? t.turn.title, t.turn.notification, state.eventId ?? "");
  }, [at]);
  return (
    <Frame state={state}>
      <View {...props} />
    </Frame>
  );
}

function View({ state, journey, parts }: AppProps) {
  const { t } = useWords();
  const now = () => parts.rest.now();
  const { stage, page } = state;
  if (stage.at === "starting") return <h1 class="card reading">{t.starting}</h1>;
  if (page === "events") return <Events state={state} now={now} />;
  if (page === "bookings") {
    return <Bookings state={state} remember={({ user_id, event_id, booking_id }) => parts.bookings.keep(user_id, event_id, booking_id)} />;
  }
  switch (stage.at) {
    case "missing":
      return <Missing />;
    case "identify":
      return <Identify journey={journey} busy={state.busy} />;
    case "waiting":
      return <Waiting state={state} journey={journey} />;
    case "shopping":
      return <Seats state={state} journey={journey} now={now} />;
    case "booking":
      return <BookingView state={state} booking={stage.booking} journey={journey} now={now} />;
    default:
      return <Door state={state} journey={journey} />;
  }
}

function Missing() {
  const { t } = useWords();
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
