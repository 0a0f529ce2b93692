// The event's current metrics.
import type { ComponentChildren } from "preact";
import { useI18n } from "../../i18n/admin";
import type { EventSnapshot, History } from "../schemas";
import { recent } from "./chart-data";
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

const perMinute = (perSecond: number | null) => (perSecond === null ? null : perSecond * 60);

function PerMinute({ value }: { value: number | null }) {
  const { t, f } = useI18n();
  return (
    <>
      {metricFormat(f, t.unknown).rate(perMinute(value))}
      <span class="unit">{t.metrics.perMinute}</span>
    </>
  );
}

/** What an operator looks at first, beside the controls. */
export function MainMetrics({ now, history }: { now: EventSnapshot; history: History }) {
  const { t, f } = useI18n();
  const q = metricFormat(f, t.unknown);
  const { figures: values, slowness } = now;
  const rates = t.metrics.rates(q.rate(perMinute(values.rate_set)), q.rate(perMinute(values.rate_effective)));
  const reason = slowness === "slowed" ? t.metrics.throttled : slowness === "paused" ? t.metrics.paused : undefined;

  return (
    <section class="main-metrics" aria-labelledby="now">
      <h2 id="now">{t.metrics.title}</h2>
      <dl class="tiles">
        <Tile label={t.metrics.line} name="line" hint={t.metrics.absent(q.whole(values.absent))}>{q.whole(values.line)}</Tile>
        <Tile label={t.metrics.released} name="released" hint={reason ? <b class="notice">{`${rates} · ${reason}`}</b> : rates}>
          <PerMinute value={recent(history, "released_per_second")} />
        </Tile>
        <Tile label={t.metrics.active} name="active" hint={t.metrics.cap(q.whole(values.max_active))}>{q.whole(values.active)}</Tile>
        <Tile label={t.metrics.sold} name="sold" hint={t.metrics.heldAndFree(q.whole(values.held), q.whole(values.free))}>{q.whole(values.sold)}</Tile>
      </dl>
    </section>
  );
}

export function CurrentMetrics({ now, history }: { now: EventSnapshot; history: History }) {
  const { t, f } = useI18n();
  const q = metricFormat(f, t.unknown);
  const values = now.figures;

  return (
    <section class="more-metrics" aria-label={t.metrics.more}>
      <dl class="tiles small">
        <Tile label={t.metrics.arrivals} name="arrivals">
          <PerMinute value={recent(history, "arrivals_per_second")} />
        </Tile>
        <Tile label={t.metrics.unclaimed} name="no-shows" hint={t.metrics.unclaimedHint}>{q.whole(now.totals.taken_back)}</Tile>
        <Tile label={t.metrics.reserves} name="reserves">
          <PerMinute value={recent(history, "reserves_per_second")} />
        </Tile>
        <Tile label={t.metrics.p95} name="p95" hint={t.metrics.errors(q.share(values.error_share))}>{q.ms(values.reserve_p95_ms)}</Tile>
        <Tile label={t.metrics.commit} name="commit" hint={t.metrics.outbox(q.seconds(values.outbox_lag_seconds))}>{q.whole(values.commit_waiting)}</Tile>
        <Tile label={t.metrics.connections} name="connections" hint={t.metrics.memory(q.memory(values.memory_bytes))}>{q.whole(values.connections)}</Tile>
      </dl>
    </section>
  );
}
