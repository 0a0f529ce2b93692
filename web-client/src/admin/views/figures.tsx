// The event in numbers, this second.
import type { ComponentChildren } from "preact";
import type { Moment } from "../resources";
import { useWords } from "../words/words";
import { quantitiesIn } from "./quantity";

interface TileProps {
  label: string;
  name: string;
  hint?: ComponentChildren;
  children: ComponentChildren;
}

function Tile({ label, name, hint, children }: TileProps) {
  return (
    <div class="tile">
      <dt>{label}</dt>
      <dd>
        <span class="numeral" data-testid={name}>
          {children}
        </span>
        {hint !== undefined && <small>{hint}</small>}
      </dd>
    </div>
  );
}

export function FiguresNow({ now }: { now: Moment }) {
  const { t, f } = useWords();
  const q = quantitiesIn(f, t.unknown);
  const { figures: is, slowness } = now;
  const per = (value: number | null) => (
    <>
      {q.rate(value)}
      <span class="unit">{t.figures.perSecond}</span>
    </>
  );
  const force = t.figures.setAndForce(q.rate(is.rate_set), q.rate(is.rate_effective));
  const slow = slowness === "slowed" ? t.figures.slowed : slowness === "paused" ? t.figures.stopped : undefined;
  return (
    <section aria-labelledby="now">
      <h2 id="now">{t.figures.title}</h2>
      <dl class="tiles">
        <Tile label={t.figures.line} name="line" hint={t.figures.absent(q.whole(is.absent))}>{q.whole(is.line)}</Tile>
        <Tile label={t.figures.arrivals} name="arrivals">{per(is.arrivals_per_second)}</Tile>
        <Tile label={t.figures.released} name="released" hint={slow ? <b class="notice">{`${force} · ${slow}`}</b> : force}>
          {per(is.released_per_second)}
        </Tile>
        <Tile label={t.figures.active} name="active" hint={t.figures.cap(q.whole(is.max_active))}>{q.whole(is.active)}</Tile>
        <Tile label={t.figures.noShows} name="no-shows" hint={t.figures.noShowsHint}>{q.whole(now.totals.taken_back)}</Tile>
        <Tile label={t.figures.sold} name="sold" hint={t.figures.heldAndFree(q.whole(is.held), q.whole(is.free))}>{q.whole(is.sold)}</Tile>
        <Tile label={t.figures.reserves} name="reserves">{per(is.reserves_per_second)}</Tile>
        <Tile label={t.figures.p95} name="p95" hint={t.figures.errors(q.share(is.error_share))}>{q.ms(is.reserve_p95_ms)}</Tile>
        <Tile label={t.figures.commit} name="commit" hint={t.figures.outbox(q.seconds(is.outbox_lag_seconds))}>{q.whole(is.commit_waiting)}</Tile>
        <Tile label={t.figures.connections} name="connections" hint={t.figures.memory(q.memory(is.memory_bytes))}>{q.whole(is.connections)}</Tile>
      </dl>
    </section>
  );
}
