// One event: what it does this second, what it did, and how it is run.
import { useEffect, useState } from "preact/hooks";
import type { Api } from "../api";
import type { Operated } from "../resources";
import { useWords } from "../words/words";
import { Actions } from "./actions";
import { Audit } from "./audit";
import { Chip } from "./chip";
import { Controls } from "./controls";
import { FiguresNow } from "./figures";
import { Inventory } from "./inventory";
import { LookEditor } from "./look";
import { MessageToLine } from "./message";
import { Nodes } from "./nodes";
import { Plots } from "./plots";
import { useLive } from "./live";
import { Zones } from "./zones";

const AGAIN_MS = 2_000;

interface EventPageProps {
  api: Api;
  id: string;
}

export function EventPage({ api, id }: EventPageProps) {
  const { t } = useWords();
  const { now, history, stale } = useLive(api, id);
  const event = useEvent(api, id);
  /** Grows with every change from here. */
  const [changes, setChanges] = useState(0);
  const changed = () => setChanges((count) => count + 1);

  if (event === null) return <p>{t.events.missing}</p>;
  if (!event || !now || !history) return <p>{t.loading}</p>;
  return (
    <>
      <p>
        <a href="#">← {t.events.back}</a>
      </p>
      <div class="headline">
        <h1>{event.name}</h1>
        <Chip state={now.settings.state} />
        <a href={`/e/${id}`}>{t.events.page}</a>
      </div>
      <p class="trouble" role="alert">
        {stale && t.stale}
      </p>
      <Actions api={api} id={id} state={now.settings.state} changed={changed} />
      <FiguresNow now={now} />
      <Plots history={history} />
      <div class="columns">
        <Controls api={api} id={id} now={now} changed={changed} />
        <div class="part">
          <MessageToLine api={api} id={id} message={now.settings.message ?? ""} changed={changed} />
          <Inventory api={api} id={id} changed={changed} />
        </div>
        <LookEditor api={api} event={event} changed={changed} />
      </div>
      <Zones zones={now.zones} />
      <Nodes nodes={now.nodes} />
      <Audit api={api} id={id} changes={`${changes} ${JSON.stringify(now.settings)}`} />
    </>
  );
}

/** `null` where there is none. */
function useEvent(api: Api, id: string): Operated | null | undefined {
  const [event, set] = useState<Operated | null>();
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const read = () =>
      void api.events().then(
        (events) => set(events.find((event) => event.event_id === id) ?? null),
        () => (timer = setTimeout(read, AGAIN_MS)),
      );
    read();
    return () => clearTimeout(timer);
  }, [api, id]);
  return event;
}
