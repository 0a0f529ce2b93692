// Charts of the metrics over time. uPlot draws 900 samples fast enough for one update per second. Each canvas has a text
// alternative with the latest values for screen readers.
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { useI18n } from "../../i18n/admin";
import type { MetricName, History } from "../schemas";
import { metricFormat } from "./format-metric";
import { timeRange } from "./time-range";

interface Series {
  metric: MetricName;
  label: string;
  /** The name of a custom property of the theme. */
  colour: string;
  dashed?: boolean;
}

const HEIGHT = 180;

export function Charts({ history }: { history: History }) {
  const { t } = useI18n();
  const { charts } = t;
  const line = (metric: MetricName, label: string, colour: string, dashed = false): Series => ({ metric, label, colour, dashed });

  return (
    <section aria-labelledby="charts">
      <h2 id="charts">{charts.title}</h2>
      <div class="plots">
        <Chart
          title={charts.line}
          history={history}
          series={[line("line", charts.inLine, "--accent"), line("absent", charts.absent, "--notice")]}
        />
        <Chart
          title={charts.flow}
          history={history}
          series={[
            line("arrivals_per_second", charts.arrivals, "--notice"),
            line("released_per_second", charts.released, "--accent"),
            line("rate_effective", charts.effective, "--good", true),
          ]}
        />
        <Chart
          title={charts.passes}
          history={history}
          series={[line("active", charts.active, "--accent"), line("max_active", charts.cap, "--alarm", true)]}
        />
        <Chart title={charts.seats} history={history} series={[line("sold", charts.sold, "--good"), line("held", charts.held, "--notice")]} />
        <Chart title={charts.booking} history={history} series={[line("reserve_p95_ms", charts.p95, "--accent")]} />
        <Chart title={charts.connections} history={history} series={[line("connections", charts.connections, "--accent")]} />
      </div>
    </section>
  );
}

interface ChartProps {
  title: string;
  history: History;
  series: Series[];
}

function Chart({ title, history, series }: ChartProps) {
  const { t, f, language } = useI18n();
  const canvas = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const dark = useDark();
  const data = dataOf(history, series);
  useEffect(() => {
    const target = canvas.current!;
    const chart = new uPlot(optionsFor(target, series, language), data, target);
    plot.current = chart;
    const resizeObserver = new ResizeObserver(() => chart.setSize({ width: target.clientWidth, height: HEIGHT }));
    resizeObserver.observe(target);
    return () => (resizeObserver.disconnect(), chart.destroy());
  }, [dark, language]);
  useEffect(() => plot.current?.setData(data), [history]);
  const q = metricFormat(f, t.unknown);
  const latest = series.map(({ metric, label }) => t.charts.latest(label, q.rate(history[metric].at(-1))));

  return (
    <figure class="card plot">
      <figcaption>
        <strong>{title}</strong>
        <span class="keys">
          {series.map(({ label, colour, dashed }, index) => (
            <span key={label}>
              <i class={`key ${dashed ? "dashed" : ""}`} style={{ borderColor: `var(${colour})` }} /> {latest[index]}
            </span>
          ))}
        </span>
      </figcaption>
      <div ref={canvas} class="canvas" role="img" aria-label={`${title}. ${latest.join(", ")}`} />
    </figure>
  );
}

function dataOf(history: History, series: Series[]): uPlot.AlignedData {
  const seconds = history.at_ms.map((at) => at / 1_000);
  return [seconds, ...series.map(({ metric }) => history[metric])];
}

function optionsFor(target: HTMLElement, series: Series[], language: string): uPlot.Options {
  const style = getComputedStyle(target);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const time = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
  const compact = new Intl.NumberFormat(language, { notation: "compact", maximumFractionDigits: 2 });
  const axis = { stroke: colour("--faint"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: `12px ${style.fontFamily}` };
  return {
    width: Math.max(target.clientWidth, 100),
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
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
