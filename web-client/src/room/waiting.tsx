// The user waits: position, expected wait, seats left, and the next steps.
import type { Position } from "@stanchion/client";
import { useI18n } from "../i18n/visitor";
import { Announcer } from "../shared/announcer";
import { Changing, Figure } from "../shared/changing";
import { ConfirmedAction } from "../shared/confirmed-action";
import { storage } from "../shared/guarded-storage";
import { useTitle } from "../shared/title";
import { Heading } from "../shared/visitor-frame";
import { hasPrice, usePrefetchedSteps } from "../shop/prefetch";
import type { Journey } from "../visitor/journey";
import { type State, saleOf } from "../visitor/state";
import { AlertChoice } from "./alerts";
import { EventFacts } from "./event-facts";
import { formatWait, roundedRange } from "./format-wait";
import { QueueProgress } from "./queue-progress";
import { SeatPreferencePicker } from "./seat-preference";
import { seatsOutlook } from "./seats-outlook";
import { SoldOut } from "./sold-out";

/** The code of the later steps is small, and there is time. */
const PREFETCH_WITHIN_MS = 20_000;

interface Props {
  state: State;
  journey: Journey;
  queueId: string | undefined;
}

export function Waiting({ state, journey, queueId }: Props) {
  const { t, f } = useI18n();
  const position = state.stage.at === "waiting" ? state.stage.position : undefined;
  const name = state.event?.name ?? "";
  const title = position ? t.waiting.title : t.waiting.reading;
  useTitle(position ? t.waiting.titleBar(f.whole(position.position), name) : title);
  usePrefetchedSteps(PREFETCH_WITHIN_MS, hasPrice(state.event));

  if (saleOf(state)?.state === "sold_out") return <SoldOut leave={() => journey.queue.leave()} />;
  return (
    <div class="columns">
      <div class="column">
        <section class="card place" data-testid="waiting">
          <Heading>
            <Changing>{title}</Changing>
          </Heading>
          <Place state={state} position={position} />
          <Status state={state} queueId={queueId} />
        </section>
        {state.event && <EventFacts event={state.event} />}
      </div>
      <div class="column">
        {state.event && <SeatPreferencePicker state={state} changed={(preferences) => journey.setSeatPreferences(preferences)} />}
        <AlertChoice state={state} />
        <NextSteps state={state} />
      </div>
      <ConfirmedAction
        label={t.waiting.leave}
        question={t.waiting.leaveSure}
        confirm={t.waiting.leaveYes}
        decline={t.waiting.leaveNo}
        testId="leave"
        onConfirm={() => journey.queue.leave()}
      />
    </div>
  );
}

/** Without a position, the same boxes with nothing in them: what follows does not move when the position arrives. */
function Place({ state, position }: { state: State; position: Position | undefined }) {
  const { t, f } = useI18n();
  const sale = saleOf(state)?.state ?? "open";
  const ahead = position ? Math.max(0, position.position - 1) : 0;
  const behind = position ? Math.max(0, position.total_in_queue - position.position) : 0;
  // While the queue is rebuilt after a loss, the position is only an upper bound.
  const counting = position?.reason === "counting";
  const standing = useStanding(state, position);
  const wait = formatWait(waitRange(state, position), t.waiting.waits, f);
  const first = position?.first ?? 1;
  const progress = !position ? 0 : first > 1 ? Math.min(1, (first - position.position) / (first - 1)) : 1;
  const known = position && !counting;

  return (
    <>
      <p class="hint">{t.waiting.position}</p>
      <p class="position numeral">
        {position ? <Figure data-testid="position">{counting ? "…" : f.whole(position.position)}</Figure> : <Figure>–</Figure>}
      </p>
      <p class="ahead">
        <Changing>{known ? (ahead === 0 ? t.waiting.nobodyAhead : t.waiting.ahead(ahead)) : state.crowded ? t.waiting.crowded : "\u00a0"}</Changing>
      </p>
      <div role="progressbar" aria-label={t.waiting.progress} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(progress * 100)}>
        <QueueProgress progress={progress} />
      </div>
      {standing && !state.lost && (
        <p class="standing" data-testid="reason">
          <Changing>{standing}</Changing>
        </p>
      )}
      <dl class="facts">
        <Wait state={state} position={position} wait={wait} />
        <SeatsLeft state={state} position={position} ahead={ahead} />
      </dl>
      <p class="hint" data-testid="behind">
        <Changing>{position ? t.waiting.behind(behind) : "\u00a0"}</Changing>
      </p>
      {position && <Announcer text={standing && sale !== "open" ? standing : t.waiting.announce(f.whole(position.position), wait)} urgent={sale !== "open"} />}
    </>
  );
}

/** Why the line does not move as usual, if it does not. */
function useStanding(state: State, position: Position | undefined): string | undefined {
  const { t } = useI18n();
  const sale = saleOf(state)?.state ?? "open";
  // Unknown reasons are not shown: they are identifiers, not text.
  const reason = t.waiting.reasons[position?.reason ?? ""];
  return position?.reason === "counting" ? reason : (t.waiting.sales[sale] ?? reason);
}

function waitRange(state: State, position: Position | undefined) {
  return (saleOf(state)?.state ?? "open") === "open" ? position?.wait_range_seconds : undefined;
}

function Wait({ state, position, wait }: { state: State; position: Position | undefined; wait: string }) {
  const { t, f } = useI18n();
  const range = waitRange(state, position);
  const at = (seconds: number) => f.timeOfDay(new Date(Date.now() + seconds * 1_000));
  const rounded = range && range.high > 60 ? roundedRange(range) : undefined;

  return (
    <div>
      <dt>{t.waiting.wait}</dt>
      <dd data-testid="wait">
        <Changing>{wait}</Changing>
      </dd>
      <dd class="hint">
        <Changing>{rounded ? t.waiting.turnAt(at(rounded.low), at(rounded.high)) : "\u00a0"}</Changing>
      </dd>
    </div>
  );
}

function SeatsLeft({ state, position, ahead }: { state: State; position: Position | undefined; ahead: number }) {
  const { t, f } = useI18n();
  const left = position?.seats_left;
  const isSoldOut = saleOf(state)?.state === "sold_out";
  const max = state.event?.max_seats_per_user ?? 1;
  const outlook = {
    enough: t.waiting.seatsEnough,
    perhaps: t.waiting.seatsPerhaps(f.whole(max)),
    few: t.waiting.seatsFew,
  };

  return (
    <div>
      <dt>{t.waiting.seats}</dt>
      <dd>{left === undefined || isSoldOut ? <Figure class="numeral">–</Figure> : <Figure class="numeral" data-testid="seats-left">{f.whole(left)}</Figure>}</dd>
      <dd class="hint" data-testid="seats-outlook">
        <Changing>{left === undefined || isSoldOut ? "\u00a0" : outlook[seatsOutlook(left, ahead, max)]}</Changing>
      </dd>
    </div>
  );
}

/** A sign of life, and what a visitor quotes to the shop's support. */
function Status({ state, queueId }: { state: State; queueId: string | undefined }) {
  const { t, f } = useI18n();
  return (
    <dl class="status">
      <div>
        <dt>{t.waiting.updated}</dt>
        <dd>
          <Figure class="numeral" data-testid="updated">
            {state.updatedAt === undefined ? "–" : f.timeWithSeconds(new Date(state.updatedAt))}
          </Figure>
        </dd>
      </div>
      {queueId !== undefined && (
        <div>
          <dt>{t.waiting.queueId}</dt>
          <dd>
            <Figure data-testid="queue-id">{queueId}</Figure>
          </dd>
        </div>
      )}
    </dl>
  );
}

function NextSteps({ state }: { state: State }) {
  const { t } = useI18n();
  const minutes = Math.max(1, Math.floor((state.event?.hold_seconds ?? 600) / 60));
  return (
    <section class="card" aria-labelledby="next">
      <h2 id="next">{t.waiting.nextTitle}</h2>
      <ol class="steps">
        {[...t.waiting.steps, t.waiting.pay(minutes)].map(([title, text]) => (
          <li key={title}>
            <strong>{title}</strong>
            <span>{text}</span>
          </li>
        ))}
      </ol>
      {!storage.isMemoryOnly && <p class="hint">{t.waiting.keep}</p>}
    </section>
  );
}
