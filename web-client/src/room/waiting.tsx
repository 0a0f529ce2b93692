// The user waits: position, expected wait, seats left, and the next steps.
import type { Position } from "@stanchion/client";
import { useState } from "preact/hooks";
import { useI18n } from "../i18n/visitor";
import { Announcer } from "../shared/announcer";
import { useTitle } from "../shared/title";
import { Heading } from "../shared/visitor-frame";
import type { Journey } from "../visitor/journey";
import { type State, saleOf } from "../visitor/state";
import { AlertChoice } from "./alerts";
import { formatWait } from "./format-wait";
import { EventTime, placeLine } from "../shared/event-time";
import { QueueProgress } from "./queue-progress";
import { SeatPreferencePicker } from "./seat-preference";
import { SoldOut } from "./sold-out";

interface Props {
  state: State;
  journey: Journey;
}

export function Waiting({ state, journey }: Props) {
  const { t, f } = useI18n();
  const position = state.stage.at === "waiting" ? state.stage.position : undefined;
  const name = state.event?.name ?? "";
  useTitle(position ? t.waiting.titleBar(f.whole(position.position), name) : t.waiting.title);

  if (saleOf(state)?.state === "sold_out") return <SoldOut leave={() => journey.queue.leave()} />;
  return (
    <>
      <section class="card place" data-testid="waiting">
        <Heading>{t.waiting.title}</Heading>
        {state.event && (
          <p class="hint" data-testid="where-and-when">
            {placeLine(state.event)}
            {placeLine(state.event) && state.event.starts_at && " · "}
            <EventTime event={state.event} at={state.event.starts_at} />
          </p>
        )}
        {position ? <Place state={state} position={position} /> : <p class="reading">{t.waiting.reading}</p>}
      </section>
      {state.event && <SeatPreferencePicker state={state} changed={(preferences) => journey.setSeatPreferences(preferences)} />}
      <AlertChoice state={state} />
      <section class="card" aria-labelledby="next">
        <h2 id="next">{t.waiting.nextTitle}</h2>
        <ol class="steps">
          {t.waiting.steps.map(([title, text]) => (
            <li key={title}>
              <strong>{title}</strong>
              <span>{text}</span>
            </li>
          ))}
        </ol>
        <p class="hint">{t.waiting.keep}</p>
      </section>
      <Leave journey={journey} />
    </>
  );
}

function Place({ state, position }: { state: State; position: Position }) {
  const { t, f } = useI18n();
  const sale = saleOf(state)?.state ?? "open";
  const ahead = Math.max(0, position.position - 1);
  const behind = Math.max(0, position.total_in_queue - position.position);
  const standing = t.waiting.sales[sale];
  // Unknown reasons are not shown: they are identifiers, not text.
  const reason = t.waiting.reasons[position.reason ?? ""];
  // While the queue is rebuilt after a loss, the position is only an upper bound.
  const counting = position.reason === "counting";
  const range = sale === "open" ? position.wait_range_seconds : undefined;
  const wait = formatWait(range, t.waiting.waits, f);
  const progress = position.first > 1 ? Math.min(1, (position.first - position.position) / (position.first - 1)) : 1;

  return (
    <>
      <p class="hint">{t.waiting.position}</p>
      <p class="position numeral" data-testid="position">
        {counting ? "…" : f.whole(position.position)}
      </p>
      {!counting && <p class="ahead">{ahead === 0 ? t.waiting.nobodyAhead : t.waiting.ahead(ahead)}</p>}
      <div role="progressbar" aria-label={t.waiting.progress} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(progress * 100)}>
        <QueueProgress progress={progress} />
      </div>
      {(standing ?? reason) && (
        <p class="standing" data-testid="reason">
          {counting ? reason : (standing ?? reason)}
        </p>
      )}
      <dl class="facts">
        <div>
          <dt>{t.waiting.wait}</dt>
          <dd data-testid="wait">{wait}</dd>
          {range && range.high > 60 && <dd class="hint">{clockTimes(range.low, range.high, f.timeOfDay, t.waiting.turnAt)}</dd>}
        </div>
        {position.seats_left !== undefined && sale !== "sold_out" && (
          <div>
            <dt>{t.waiting.seats}</dt>
            <dd class="numeral" data-testid="seats-left">
              {f.whole(position.seats_left)}
            </dd>
            <dd class="hint">{position.seats_left > ahead ? t.waiting.seatsEnough : t.waiting.seatsFew}</dd>
          </div>
        )}
      </dl>
      <p class="hint" data-testid="behind">
        {t.waiting.behind(behind)}
      </p>
      <Announcer text={standing ?? t.waiting.announce(f.whole(position.position), wait)} urgent={standing !== undefined} />
    </>
  );
}

function clockTimes(low: number, high: number, time: (at: Date) => string, words: (from: string, to: string) => string): string {
  const at = (seconds: number) => time(new Date(Date.now() + seconds * 1_000));
  return words(at(low), at(high));
}

function Leave({ journey }: { journey: Journey }) {
  const { t } = useI18n();
  const [asked, ask] = useState(false);
  if (!asked) {
    return (
      <p class="leave">
        <button type="button" class="quiet" data-testid="leave" onClick={() => ask(true)}>
          {t.waiting.leave}
        </button>
      </p>
    );
  }

  return (
    <div class="card leave" role="group" aria-label={t.waiting.leave}>
      <p>{t.waiting.leaveSure}</p>
      <div class="actions">
        <button type="button" onClick={() => ask(false)} ref={(button) => button?.focus()}>
          {t.waiting.leaveNo}
        </button>
        <button type="button" class="quiet" data-testid="leave-yes" onClick={() => journey.queue.leave()}>
          {t.waiting.leaveYes}
        </button>
      </div>
    </div>
  );
}
