// Charts of the metrics over time. uPlot draws 1,080 samples fast enough for one update per second. Each canvas has a text
// alternative with the values for screen readers. A moment is chosen by the pointer on a chart or by the slider above them, which also
// works with the keyboard; all charts then show its values.
import "../valid-locale";
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { useI18n } from "../../i18n/admin";
import type { Api, HistoryRange } from "../api";
import type { AuditEntry, History, MetricName } from "../schemas";
import { useEntryText } from "./audit";
import { closest, marksWithin, smoothed } from "./chart-data";
import { metricFormat } from "./format-metric";
import { timeRange } from "./time-range";
import { useHistory } from "./use-live";

interface Series {
  metric: MetricName;
  label: string;
  /** The name of a custom property of the theme. */
  colour: string;
  dashed?: boolean;
  /** A rate per second, shown averaged and per minute. */
  perMinute?: boolean;
}

interface Mark {
  at: number;
  text: string;
}

const HEIGHT = 180;
/** Samples that are further apart are averages already. */
const AVERAGED_STEP_S = 5;
const RANGES: Record<HistoryRange, number> = { "15m": 900_000, "1h": 3_600_000, "6h": 21_600_000 };
/** A mark is next to a moment within this part of the chart's width, whose range is at least a minute. */
const MARKS_PER_CHART = 60;
const MIN_SPAN_MS = 60_000;
/** A history that begins this much later than its range is not complete. */
const INCOMPLETE_MS = 60_000;

interface ChartsProps {
  api: Api;
  id: string;
  /** The samples of the last 15 minutes. */
  live: History;
  /** The audit log, of which the charts mark the changes. */
  entries: AuditEntry[];
  stale: boolean;
}

export function Charts({ api, id, live, entries, stale }: ChartsProps) {
  const { t, f } = useI18n();
  const { charts } = t;
  const q = metricFormat(f, t.unknown);
  const [range, setRange] = useState<HistoryRange>("15m");
  const history = useHistory(api, id, range, live);
  const [chosen, choose] = useState<number>();
  const entryText = useEntryText();

  const times = history.at_ms;
  const [from, to] = [times[0] ?? 0, times.at(-1) ?? 0];
  const marks = marksWithin(entries, from, to).map(({ at, entry }) => ({ at, text: entryText(entry) }));
  const index = chosen === undefined ? times.length - 1 : closest(times, chosen);
  const isIncomplete = to - from < RANGES[range] - INCOMPLETE_MS;
  const line = (metric: MetricName, label: string, colour: string, more: Partial<Series> = {}): Series => ({ metric, label, colour, ...more });
  const shared = { history, index, chosen: chosen === undefined ? undefined : times[index], choose, marks };

  return (
    <section aria-labelledby="charts" class={stale ? "stale" : ""}>
      <div class="headline">
        <h2 id="charts">{charts.title}</h2>
        <div class="ranges" role="group" aria-label={charts.range}>
          {(Object.keys(RANGES) as HistoryRange[]).map((one) => (
            <button type="button" class="quiet" key={one} aria-pressed={one === range} data-testid={`range-${one}`} onClick={() => (choose(undefined), setRange(one))}>
              {charts.ranges[one]}
            </button>
          ))}
        </div>
      </div>
      <div class="moment">
        <label for="moment">{charts.moment}</label>
        <input
          id="moment"
          type="range"
          min={0}
          max={Math.max(0, times.length - 1)}
          value={index}
          aria-valuetext={index >= 0 ? q.clock(times[index]!) : t.unknown}
          data-testid="moment"
          onInput={({ currentTarget }) => choose(currentTarget.valueAsNumber >= times.length - 1 ? undefined : times[currentTarget.valueAsNumber])}
        />
        <output data-testid="moment-shown">{chosen === undefined || index < 0 ? charts.now : q.clock(times[index]!)}</output>
      </div>
      <p class="hint" data-testid="mark" role="status">
        {markText(marks, chosen, Math.max(to - from, MIN_SPAN_MS) / MARKS_PER_CHART, q.clock) ?? (isIncomplete ? charts.since(q.clock(times[0] ?? Date.now())) : "")}
      </p>
      <div class="plots">
        <Chart {...shared} title={charts.line} series={[line("line", charts.inLine, "--series-1"), line("absent", charts.absent, "--series-2")]} />
        <Chart
          {...shared}
          title={charts.flow}
          series={[
            line("arrivals_per_second", charts.arrivals, "--series-2", { perMinute: true }),
            line("released_per_second", charts.released, "--series-1", { perMinute: true }),
            line("rate_effective", charts.effective, "--series-3", { perMinute: true, dashed: true }),
          ]}
        />
        <Chart
          {...shared}
          title={charts.passes}
          series={[line("active", charts.active, "--series-4"), line("max_active", charts.cap, "--series-2", { dashed: true })]}
        />
        <Chart {...shared} title={charts.seats} series={[line("sold", charts.sold, "--series-3"), line("held", charts.held, "--series-2")]} />
        <Chart {...shared} title={charts.booking} series={[line("reserve_p95_ms", charts.p95, "--series-1")]} />
        <Chart {...shared} title={charts.connections} series={[line("connections", charts.connections, "--series-5")]} />
      </div>
    </section>
  );
}

/** The change that is marked next to the chosen moment. */
function markText(marks: Mark[], chosen: number | undefined, near: number, clock: (at: number) => string): string | undefined {
  if (chosen === undefined) return undefined;
  const found = marks.filter(({ at }) => Math.abs(at - chosen) <= near);
  return found.length === 0 ? undefined : found.map(({ at, text }) => `${clock(at)} ${text}`).join(" · ");
}

interface ChartProps {
  title: string;
  history: History;
  series: Series[];
  /** The sample whose values are shown. */
  index: number;
  /** The chosen moment; undefined while the latest values are shown. */
  chosen: number | undefined;
  choose: (at: number | undefined) => void;
  marks: Mark[];
}

function Chart({ title, history, series, index, chosen, choose, marks }: ChartProps) {
  const { t, f } = useI18n();
  const canvas = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const dark = useDark();
  const data = dataOf(history, series);
  // Positions of marks follow the scale, which the chart knows once it has drawn.
  const [drawn, setDrawn] = useState(0);

  useEffect(() => {
    const target = canvas.current!;
    const chart = new uPlot(optionsFor(target, series, f.locale, () => setDrawn((count) => count + 1)), data, target);
    plot.current = chart;
    const resizeObserver = new ResizeObserver(() => chart.setSize({ width: target.clientWidth, height: HEIGHT }));
    resizeObserver.observe(target);
    return () => (resizeObserver.disconnect(), chart.destroy(), (plot.current = undefined));
  }, [dark, f.locale]);
  useEffect(() => plot.current?.setData(data), [history]);

  function point(event: PointerEvent): void {
    const over = plot.current?.over.getBoundingClientRect();
    if (!over || !plot.current) return;
    const at = event.clientX - over.left;
    choose(at < 0 || at > over.width ? undefined : plot.current.posToVal(at, "x") * 1_000);
  }

  const q = metricFormat(f, t.unknown);
  const values = data.slice(1) as (number | null)[][];
  const shown = series.map(({ label }, at) => t.charts.latest(label, q.rate(values[at]?.[index])));
  const position = (at: number) => (plot.current && drawn > 0 ? plot.current.valToPos(at / 1_000, "x") + plot.current.over.offsetLeft : undefined);

  return (
    <figure class="card plot">
      <figcaption>
        <strong>{title}</strong>
        <span class="keys">
          {series.map(({ label, colour, dashed }, at) => (
            <span key={label}>
              <i class={`key ${dashed ? "dashed" : ""}`} style={{ borderColor: `var(${colour})` }} /> {shown[at]}
            </span>
          ))}
        </span>
      </figcaption>
      <div class="canvas" onPointerMove={point} onPointerDown={point} onPointerLeave={() => choose(undefined)}>
        <div ref={canvas} role="img" aria-label={`${title}. ${shown.join(", ")}`} />
        {marks.map(({ at, text }) => {
          const left = position(at);
          return left !== undefined && left >= 0 && <i class="mark" key={`${at} ${text}`} title={text} style={{ left: `${left}px` }} />;
        })}
        {chosen !== undefined && position(chosen) !== undefined && <i class="cursor" style={{ left: `${position(chosen)}px` }} />}
      </div>
    </figure>
  );
}

function dataOf(history: History, series: Series[]): uPlot.AlignedData {
  const seconds = history.at_ms.map((at) => at / 1_000);
  const isAveraged = seconds.length > 1 && seconds.at(-1)! - seconds.at(-2)! > AVERAGED_STEP_S;
  const column = ({ metric, perMinute }: Series) => {
    if (!perMinute) return history[metric];
    const values = isAveraged || metric === "rate_effective" ? history[metric] : smoothed(history[metric]);
    return values.map((value) => (value === null ? null : value * 60));
  };
  return [seconds, ...series.map(column)];
}

function optionsFor(target: HTMLElement, series: Series[], locale: string, drawn: () => void): uPlot.Options {
  const style = getComputedStyle(target);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const time = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
  const compact = new Intl.NumberFormat(locale, { notation: "compact", maximumFractionDigits: 2 });
  const axis = { stroke: colour("--faint"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: `12px ${style.fontFamily}` };
  return {
    width: Math.max(target.clientWidth, 100),
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    hooks: { draw: [drawn] },
    // uPlot's own range for a single sample spans years.
    scales: { x: { range: ({ data }) => timeRange(data[0], Date.now() / 1_000) }, y: { range: (_, __, max) => [0, Math.max(max ?? 0, 1) * 1.1] } },
    axes: [
      { ...axis, size: 28, space: 80, values: (_, ticks) => ticks.map((at) => time.format(at * 1_000)) },
      { ...axis, size: 48, values: (_, ticks) => ticks.map((value) => compact.format(value)) },
    ],
    series: [
      {},
      ...series.map(({ label, colour: name, dashed }) => ({
        label,
        stroke: colour(name),
        width: 2,
        points: { show: false },
        ...(dashed && { dash: [6, 4] }),
      })),
    ],
  };
}

/** A canvas does not follow the colour scheme: charts are drawn again when it changes. */
function useDark(): boolean {
  const [query] = useState(() => matchMedia("(prefers-color-scheme: dark)"));
  const [dark, set] = useState(query.matches);
  useEffect(() => {
    const follow = () => set(query.matches);
    query.addEventListener("change", follow);
    return () => query.removeEventListener("change", follow);
  }, [query]);
  return dark;
}
