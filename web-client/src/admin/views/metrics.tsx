// The event's current metrics.
import type { ComponentChildren } from "preact";
import { useI18n } from "../../i18n/admin";
import type { EventSnapshot } from "../schemas";
import { metricFormat } from "./format-metric";

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

export function CurrentMetrics({ now }: { now: EventSnapshot }) {
  const { t, f } = useI18n();
  const q = metricFormat(f, t.unknown);
  const { figures: values, slowness } = now;
  const perSecond = (value: number | null) => (
    <>
      {q.rate(value)}
      <span class="unit">{t.metrics.perSecond}</span>
    </>
  );
  const rates = t.metrics.rates(q.rate(values.rate_set), q.rate(values.rate_effective));
  const reason = slowness === "slowed" ? t.metrics.throttled : slowness === "paused" ? t.metrics.paused : undefined;

  return (
    <section aria-labelledby="now">
      <h2 id="now">{t.metrics.title}</h2>
      <dl class="tiles">
        <Tile label={t.metrics.line} name="line" hint={t.metrics.absent(q.whole(values.absent))}>{q.whole(values.line)}</Tile>
        <Tile label={t.metrics.arrivals} name="arrivals">{perSecond(values.arrivals_per_second)}</Tile>
        <Tile label={t.metrics.released} name="released" hint={reason ? <b class="notice">{`${rates} · ${reason}`}</b> : rates}>
          {perSecond(values.released_per_second)}
        </Tile>
        <Tile label={t.metrics.active} name="active" hint={t.metrics.cap(q.whole(values.max_active))}>{q.whole(values.active)}</Tile>
        <Tile label={t.metrics.unclaimed} name="no-shows" hint={t.metrics.unclaimedHint}>{q.whole(now.totals.taken_back)}</Tile>
        <Tile label={t.metrics.sold} name="sold" hint={t.metrics.heldAndFree(q.whole(values.held), q.whole(values.free))}>{q.whole(values.sold)}</Tile>
        <Tile label={t.metrics.reserves} name="reserves">{perSecond(values.reserves_per_second)}</Tile>
        <Tile label={t.metrics.p95} name="p95" hint={t.metrics.errors(q.share(values.error_share))}>{q.ms(values.reserve_p95_ms)}</Tile>
        <Tile label={t.metrics.commit} name="commit" hint={t.metrics.outbox(q.seconds(values.outbox_lag_seconds))}>{q.whole(values.commit_waiting)}</Tile>
        <Tile label={t.metrics.connections} name="connections" hint={t.metrics.memory(q.memory(values.memory_bytes))}>{q.whole(values.connections)}</Tile>
      </dl>
    </section>
  );
}
