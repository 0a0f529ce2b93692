// Queue settings: rate and cap as sliders with configured and actual values, the others under "Advanced". Applied on submit only.
import { useEffect, useState } from "preact/hooks";
import { useI18n } from "../../i18n/admin";
import type { Api } from "../api";
import { fieldError } from "../problem";
import { type QueueNumber, queueNumbers } from "../queue-fields";
import type { EventSnapshot, Settings, SettingsPatch } from "../schemas";
import { metricFormat } from "./format-metric";
import { fromSlider, toSlider } from "./slider";
import { ActionOutcome, useAction } from "./use-action";

/** The settings with a slider. All others are under "Advanced", in the order of the table. */
const DIALS = ["rate_per_second", "max_active"] as const;
type DialName = (typeof DIALS)[number];
const ADVANCED = (Object.keys(queueNumbers) as QueueNumber[]).filter((name) => !DIALS.includes(name as DialName));

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
  const [draft, setDraft] = useState<Partial<Record<QueueNumber, number>>>({});
  const value = (name: QueueNumber) => draft[name] ?? settings[name];
  const set = (name: QueueNumber, to: number) => setDraft({ ...draft, [name]: to });
  const patch = changesOf(draft, settings);
  useEffect(() => setDraft({}), [id]);

  async function apply(event: Event): Promise<void> {
    event.preventDefault();
    const done = await action.run(async () => (await api.updateQueue(id, patch), t.applied));
    if (done) (setDraft({}), changed());
  }

  const error = (name: QueueNumber) => fieldError(action.problem, name);
  const actual: Record<DialName, string> = {
    rate_per_second: t.settings.now(q.rate(figures.rate_set), q.rate(figures.released_per_second)),
    max_active: t.settings.now(q.whole(figures.max_active), q.whole(figures.active)),
  };

  return (
    <form class="card" onSubmit={(event) => void apply(event)} aria-labelledby="controls">
      <h2 id="controls">{t.settings.title}</h2>
      {DIALS.map((name) => (
        <Dial
          key={name}
          name={name}
          label={t.settings.labels[name]}
          value={value(name)}
          set={(to) => set(name, to)}
          now={actual[name]}
          error={error(name)}
        />
      ))}
      <details>
        <summary>{t.settings.advanced}</summary>
        <div class="fields">
          {ADVANCED.map((name) => (
            <label key={name}>
              {t.settings.labels[name]}
              <input
                type="number"
                required
                min={queueNumbers[name].min}
                max={queueNumbers[name].max}
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

function changesOf(draft: Partial<Record<QueueNumber, number>>, settings: Settings): SettingsPatch {
  const changed = Object.entries(draft).filter(([name, to]) => !Number.isNaN(to) && settings[name as QueueNumber] !== to);
  return Object.fromEntries(changed) as SettingsPatch;
}

interface DialProps {
  name: QueueNumber;
  label: string;
  value: number;
  set: (value: number) => void;
  now: string;
  error: string;
}

/** A slider for coarse and a field for exact input of the same value. */
function Dial({ name, label, value, set, now, error }: DialProps) {
  const { t, f } = useI18n();
  const { min, max, integer } = queueNumbers[name];
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
          step={integer ? 1 : "any"}
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
