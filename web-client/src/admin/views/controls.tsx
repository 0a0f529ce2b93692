// Rate and cap as sliders with what is set and what is; the rest under "advanced". Nothing applies before it is said to.
import { useEffect, useState } from "preact/hooks";
import type { Api } from "../api";
import type { Moment, Settings, SettingsPatch } from "../resources";
import { useWords } from "../words/words";
import { Outcome, useDoing } from "./doing";
import { fromSlider, toSlider } from "./slider";
import { quantitiesIn } from "./quantity";

type Number = "rate_per_second" | "burst" | "max_active" | "pass_ttl_seconds" | "claim_window_seconds" | "grace_seconds" | "max_in_line";

/** The server's own limits. */
const LIMITS: Record<Number, [number, number]> = {
  rate_per_second: [0, 100_000],
  burst: [1, 100_000],
  max_active: [1, 1_000_000],
  pass_ttl_seconds: [1, 86_400],
  claim_window_seconds: [1, 3_600],
  grace_seconds: [0, 86_400],
  max_in_line: [1, 10_000_000],
};
const ADVANCED = ["burst", "pass_ttl_seconds", "claim_window_seconds", "grace_seconds", "max_in_line"] as const;

interface ControlsProps {
  api: Api;
  id: string;
  now: Moment;
  changed: () => void;
}

export function Controls({ api, id, now, changed }: ControlsProps) {
  const { t, f } = useWords();
  const q = quantitiesIn(f, t.unknown);
  const { settings, figures } = now;
  const doing = useDoing();
  const [draft, setDraft] = useState<Partial<Record<Number, number>>>({});
  const value = (name: Number) => draft[name] ?? settings[name];
  const set = (name: Number, to: number) => setDraft({ ...draft, [name]: to });
  const patch = changesOf(draft, settings);
  useEffect(() => setDraft({}), [id]);

  async function apply(event: Event): Promise<void> {
    event.preventDefault();
    const done = await doing.run(async () => (await api.run(id, patch), t.applied));
    if (done) (setDraft({}), changed());
  }
  const trouble = (name: Number) => doing.refusal?.about(name) ?? "";
  return (
    <form class="card" onSubmit={(event) => void apply(event)} aria-labelledby="controls">
      <h2 id="controls">{t.controls.title}</h2>
      <Dial
        name="rate_per_second"
        label={t.controls.rate}
        value={value("rate_per_second")}
        set={(to) => set("rate_per_second", to)}
        now={t.controls.now(q.rate(figures.rate_set), q.rate(figures.released_per_second))}
        trouble={trouble("rate_per_second")}
      />
      <Dial
        name="max_active"
        label={t.controls.cap}
        value={value("max_active")}
        set={(to) => set("max_active", to)}
        now={t.controls.now(q.whole(figures.max_active), q.whole(figures.active))}
        trouble={trouble("max_active")}
      />
      <details>
        <summary>{t.controls.advanced}</summary>
        <div class="fields">
          {ADVANCED.map((name) => (
            <label key={name}>
              {advancedLabel(name, t.controls)}
              <input
                type="number"
                required
                min={LIMITS[name][0]}
                max={LIMITS[name][1]}
                value={value(name)}
                name={name}
                onInput={({ currentTarget }) => set(name, currentTarget.valueAsNumber)}
              />
              {trouble(name) && <span class="trouble">{trouble(name)}</span>}
            </label>
          ))}
        </div>
      </details>
      <button type="submit" disabled={doing.busy || Object.keys(patch).length === 0} data-testid="apply">
        {t.apply}
      </button>
      <Outcome doing={doing} />
    </form>
  );
}

function changesOf(draft: Partial<Record<Number, number>>, settings: Settings): SettingsPatch {
  const changed = Object.entries(draft).filter(([name, to]) => !Number.isNaN(to) && settings[name as Number] !== to);
  return Object.fromEntries(changed) as SettingsPatch;
}

function advancedLabel(name: (typeof ADVANCED)[number], words: ReturnType<typeof useWords>["t"]["controls"]): string {
  const labels = {
    burst: `${words.burst} (${words.burstHint})`,
    pass_ttl_seconds: words.passTtl,
    claim_window_seconds: words.claimWindow,
    grace_seconds: words.grace,
    max_in_line: words.maxInLine,
  };
  return labels[name];
}

interface DialProps {
  name: Number;
  label: string;
  value: number;
  set: (value: number) => void;
  now: string;
  trouble: string;
}

/** A slider for the hand, a field for the exact number; both are the same value. */
function Dial({ name, label, value, set, now, trouble }: DialProps) {
  const { t, f } = useWords();
  const [least, most] = LIMITS[name];
  return (
    <div class="dial">
      <label for={name}>{label}</label>
      <div class="both">
        <input
          id={name}
          type="range"
          min={0}
          max={1000}
          step={1}
          value={toSlider(value, most)}
          aria-valuetext={f.whole(value)}
          aria-describedby={`${name}-now`}
          onInput={({ currentTarget }) => set(Math.max(least, fromSlider(currentTarget.valueAsNumber, most)))}
        />
        <input
          type="number"
          required
          min={least}
          max={most}
          step={name === "rate_per_second" ? "any" : 1}
          value={Number.isNaN(value) ? "" : value}
          aria-label={t.controls.exact(label)}
          data-testid={name}
          onInput={({ currentTarget }) => set(currentTarget.valueAsNumber)}
        />
      </div>
      <small id={`${name}-now`} data-testid={`${name}-now`}>
        {now}
      </small>
      {trouble && <span class="trouble">{trouble}</span>}
    </div>
  );
}
