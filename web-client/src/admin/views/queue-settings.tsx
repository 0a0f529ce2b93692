// Queue settings: rate and cap as sliders with configured and actual values, the others under "Advanced". Applied on submit only.
import { useEffect, useState } from "preact/hooks";
import { useI18n } from "../../i18n/admin";
import type { Api } from "../api";
import { fieldError } from "../problem";
import type { EventSnapshot, Settings, SettingsPatch } from "../schemas";
import { metricFormat } from "./format-metric";
import { fromSlider, toSlider } from "./slider";
import { ActionOutcome, useAction } from "./use-action";

type SettingName = "rate_per_second" | "burst" | "max_active" | "pass_ttl_seconds" | "claim_window_seconds" | "grace_seconds" | "max_in_line";

/** The limits that the server enforces. */
const LIMITS: Record<SettingName, [number, number]> = {
  rate_per_second: [0, 100_000],
  burst: [1, 100_000],
  max_active: [1, 1_000_000],
  pass_ttl_seconds: [1, 86_400],
  claim_window_seconds: [1, 3_600],
  grace_seconds: [0, 86_400],
  max_in_line: [1, 10_000_000],
};
const ADVANCED = ["burst", "pass_ttl_seconds", "claim_window_seconds", "grace_seconds", "max_in_line"] as const;

interface QueueSettingsProps {
  api: Api;
  id: string;
  now: EventSnapshot;
  changed: () => void;
}

export function QueueSettings({ api, id, now, changed }: QueueSettingsProps) {
  const { t, f } = useI18n();
  const q = metricFormat(f, t.unknown);
  const { settings, figures } = now;
  const action = useAction();
  const [draft, setDraft] = useState<Partial<Record<SettingName, number>>>({});
  const value = (name: SettingName) => draft[name] ?? settings[name];
  const set = (name: SettingName, to: number) => setDraft({ ...draft, [name]: to });
  const patch = changesOf(draft, settings);
  useEffect(() => setDraft({}), [id]);

  async function apply(event: Event): Promise<void> {
    event.preventDefault();
    const done = await action.run(async () => (await api.updateQueue(id, patch), t.applied));
    if (done) (setDraft({}), changed());
  }

  const error = (name: SettingName) => fieldError(action.problem, name);

  return (
    <form class="card" onSubmit={(event) => void apply(event)} aria-labelledby="controls">
      <h2 id="controls">{t.settings.title}</h2>
      <Dial
        name="rate_per_second"
        label={t.settings.rate}
        value={value("rate_per_second")}
        set={(to) => set("rate_per_second", to)}
        now={t.settings.now(q.rate(figures.rate_set), q.rate(figures.released_per_second))}
        error={error("rate_per_second")}
      />
      <Dial
        name="max_active"
        label={t.settings.cap}
        value={value("max_active")}
        set={(to) => set("max_active", to)}
        now={t.settings.now(q.whole(figures.max_active), q.whole(figures.active))}
        error={error("max_active")}
      />
      <details>
        <summary>{t.settings.advanced}</summary>
        <div class="fields">
          {ADVANCED.map((name) => (
            <label key={name}>
              {advancedLabel(name, t.settings)}
              <input
                type="number"
                required
                min={LIMITS[name][0]}
                max={LIMITS[name][1]}
                value={value(name)}
                name={name}
                onInput={({ currentTarget }) => set(name, currentTarget.valueAsNumber)}
              />
              {error(name) && <span class="error">{error(name)}</span>}
            </label>
          ))}
        </div>
      </details>
      <button type="submit" disabled={action.busy || Object.keys(patch).length === 0} data-testid="apply">
        {t.apply}
      </button>
      <ActionOutcome action={action} />
    </form>
  );
}

function changesOf(draft: Partial<Record<SettingName, number>>, settings: Settings): SettingsPatch {
  const changed = Object.entries(draft).filter(([name, to]) => !Number.isNaN(to) && settings[name as SettingName] !== to);
  return Object.fromEntries(changed) as SettingsPatch;
}

function advancedLabel(name: (typeof ADVANCED)[number], t: ReturnType<typeof useI18n>["t"]["settings"]): string {
  const labels = {
    burst: t.burst,
    pass_ttl_seconds: t.passTtl,
    claim_window_seconds: t.claimWindow,
    grace_seconds: t.grace,
    max_in_line: t.maxInLine,
  };
  return labels[name];
}

interface DialProps {
  name: SettingName;
  label: string;
  value: number;
  set: (value: number) => void;
  now: string;
  error: string;
}

/** A slider for coarse and a field for exact input of the same value. */
function Dial({ name, label, value, set, now, error }: DialProps) {
  const { t, f } = useI18n();
  const [min, max] = LIMITS[name];
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
          value={toSlider(value, max)}
          aria-valuetext={f.whole(value)}
          aria-describedby={`${name}-now`}
          onInput={({ currentTarget }) => set(Math.max(min, fromSlider(currentTarget.valueAsNumber, max)))}
        />
        <input
          type="number"
          required
          min={min}
          max={max}
          step={name === "rate_per_second" ? "any" : 1}
          value={Number.isNaN(value) ? "" : value}
          aria-label={t.settings.exact(label)}
          data-testid={name}
          onInput={({ currentTarget }) => set(currentTarget.valueAsNumber)}
        />
      </div>
      <small id={`${name}-now`} data-testid={`${name}-now`}>
        {now}
      </small>
      {error && <span class="error">{error}</span>}
    </div>
  );
}
