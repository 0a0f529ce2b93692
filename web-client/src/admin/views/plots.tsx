// The figures over time. uPlot draws a quarter of an hour at one sample a second without effort; what it draws on a canvas is
// said in words for those who cannot see it.
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { FigureName, History } from "../resources";
import { useWords } from "../words/words";
import { quantitiesIn } from "./quantity";
import { span } from "./span";

interface Curve {
  figure: FigureName;
  label: string;
  /** A colour of the theme. */
  colour: string;
  dashed?: boolean;
}

const HEIGHT = 180;

export function Plots({ history }: { history: History }) {
  const { t } = useWords();
  const { plots } = t;
  const curve = (figure: FigureName, label: string, colour: string, dashed = false): Curve => ({ figure, label, colour, dashed });
  return (
    <section aria-labelledby="plots">
      <h2 id="plots">{plots.title}</h2>
      <div class="plots">
        <Plot
          title={plots.line}
          history={history}
          curves={[curve("line", plots.inLine, "--accent"), curve("absent", plots.absent, "--notice")]}
        />
        <Plot
          title={plots.flow}
          history={history}
          curves={[
            curve("arrivals_per_second", plots.arrivals, "--notice"),
            curve("released_per_second", plots.released, "--accent"),
            curve("rate_effective", plots.effective, "--good", true),
          ]}
        />
        <Plot
          title={plots.passes}
          history={history}
          curves={[curve("active", plots.active, "--accent"), curve("max_active", plots.cap, "--alarm", true)]}
        />
        <Plot title={plots.seats} history={history} curves={[curve("sold", plots.sold, "--good"), curve("held", plots.held, "--notice")]} />
        <Plot title={plots.booking} history={history} curves={[curve("reserve_p95_ms", plots.p95, "--accent")]} />
        <Plot title={plots.connections} history={history} curves={[curve("connections", plots.connections, "--accent")]} />
      </div>
    </section>
  );
}

interface PlotProps {
  title: string;
  history: History;
  curves: Curve[];
}

function Plot({ title, history, curves }: PlotProps) {
  const { t, f, language } = useWords();
  const canvas = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const dark = useDark();
  const data = dataOf(history, curves);
  useEffect(() => {
    const target = canvas.current!;
    const drawn = new uPlot(optionsFor(target, curves, language), data, target);
    plot.current = drawn;
    const resized = new ResizeObserver(() => drawn.setSize({ width: target.clientWidth, height: HEIGHT }));
    resized.observe(target);
    return () => (resized.disconnect(), drawn.destroy());
  }, [dark, language]);
  useEffect(() => plot.current?.setData(data), [history]);
  const q = quantitiesIn(f, t.unknown);
  const latest = curves.map(({ figure, label }) => t.plots.latest(label, q.rate(history[figure].at(-1))));
  return (
    <figure class="card plot">
      <figcaption>
        <strong>{title}</strong>
        <span class="keys">
          {curves.map(({ label, colour, dashed }, index) => (
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

function dataOf(history: History, curves: Curve[]): uPlot.AlignedData {
  const seconds = history.at_ms.map((at) => at / 1_000);
  return [seconds, ...curves.map(({ figure }) => history[figure])];
}

function optionsFor(target: HTMLElement, curves: Curve[], language: string): uPlot.Options {
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
    // By the samples themselves: of a single one uPlot would make years.
    scales: { x: { range: ({ data }) => span(data[0], Date.now() / 1_000) }, y: { range: (_, __, most) => [0, Math.max(most ?? 0, 1) * 1.1] } },
    axes: [
      { ...axis, size: 28, space: 80, values: (_, ticks) => ticks.map((at) => time.format(at * 1_000)) },
      { ...axis, size: 48, values: (_, ticks) => ticks.map((value) => compact.format(value)) },
    ],
    series: [
      {},
      ...curves.map(({ label, colour: name, dashed }) => ({
        label,
        stroke: colour(name),
        width: 2,
        points: { show: false },
        ...(dashed && { dash: [6, 4] }),
      })),
    ],
  };
}

/** A canvas does not follow the theme by itself. */
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
