// Queue settings: rate and cap as sliders with configured and actual values, the others under "Advanced". Applied on submit only.
import { useEffect, useState } from "preact/hooks";
import { useI18n } from "../../i18n/admin";
import type { Api, Seen } from "../api";
import { ChangedMeanwhile, fieldError } from "../problem";
import { type QueueNumber, queueNumbers } from "../queue-fields";
import type { Changed, EventSnapshot, Settings, SettingsPatch } from "../schemas";
import { ConflictNotice } from "./conflict";
import { metricFormat } from "./format-metric";
import { fromSlider, toSlider } from "./slider";
import { fromShown, toShown } from "./units";
import { ActionOutcome, useAction } from "./use-action";

/** The settings with a slider. All others are under "Advanced", in the order of the table. */
const DIALS = ["rate_per_second", "max_active"] as const;
type DialName = (typeof DIALS)[number];
const ADVANCED = (Object.keys(queueNumbers) as QueueNumber[]).filter((name) => !DIALS.includes(name as DialName));

/** Edited values, in the units that are shown. */
type Draft = Partial<Record<QueueNumber, number>>;

interface QueueSettingsProps {
  api: Api;
  id: string;
  now: EventSnapshot;
  seen: Seen<Settings>;
  changed: (settings: Changed) => void;
}

export function QueueSettings({ api, id, now, seen, changed }: QueueSettingsProps) {
  const { t, f } = useI18n();
  const q = metricFormat(f, t.unknown);
  const { figures } = now;
  const settings = seen.value;
  const action = useAction();
  const [draft, setDraft] = useState<Draft>({});
  /** The settings as they were when this operator began to edit. */
  const [base, setBase] = useState<Seen<Settings>>();
  const shown = (name: QueueNumber) => draft[name] ?? toShown(name, settings[name]);
  const patch = changesOf(draft, settings);
  useEffect(() => reset(), [id]);

  function set(name: QueueNumber, to: number): void {
    setBase(base ?? seen);
    setDraft({ ...draft, [name]: to });
  }

  function reset(): void {
    setDraft({});
    setBase(undefined);
    action.clear();
  }

  async function apply(from = base ?? seen): Promise<void> {
    const done = await action.run(async () => (changed(await api.updateQueue(id, patch, from)), t.applied));
    if (done) (setDraft({}), setBase(undefined));
  }

  const error = (name: QueueNumber) => fieldError(action.problem, name);
  const actual: Record<DialName, string> = {
    rate_per_second: t.settings.now(q.rate(perMinute(figures.rate_set)), q.rate(perMinute(figures.released_per_second))),
    max_active: t.settings.now(q.whole(figures.max_active), q.whole(figures.active)),
  };
  /** What another operator has set while this one edits. */
  const meanwhile = (name: QueueNumber) =>
    base && draft[name] !== undefined && base.value[name] !== settings[name] ? t.settings.meanwhile(f.whole(toShown(name, settings[name]))) : "";
  const { problem } = action;

  return (
    <form class="settings" onSubmit={(event) => (event.preventDefault(), void apply())} aria-labelledby="controls">
      <h2 id="controls">{t.settings.title}</h2>
      {DIALS.map((name) => (
        <Dial
          key={name}
          name={name}
          label={t.settings.labels[name]}
          value={shown(name)}
          set={(to) => set(name, to)}
          now={actual[name]}
          meanwhile={meanwhile(name)}
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
                min={toShown(name, queueNumbers[name].min)}
                max={toShown(name, queueNumbers[name].max)}
                step="any"
                value={shown(name)}
                name={name}
                onInput={({ currentTarget }) => set(name, currentTarget.valueAsNumber)}
              />
              {meanwhile(name) && <small class="notice">{meanwhile(name)}</small>}
              {error(name) && <span class="error">{error(name)}</span>}
            </label>
          ))}
        </div>
      </details>
      <div class="buttons">
        <button type="submit" disabled={action.busy || Object.keys(patch).length === 0} data-testid="apply">
          {action.busy ? t.applying : t.apply}
        </button>
        {Object.keys(draft).length > 0 && !action.busy && (
          <button type="button" class="quiet" data-testid="discard" onClick={reset}>
            {t.settings.discard}
          </button>
        )}
      </div>
      <ActionOutcome action={action} />
      {problem instanceof ChangedMeanwhile && (
        <ConflictNotice
          conflict={problem.conflict}
          wanted={patch}
          overwrite={() => void apply({ revision: problem.conflict.revision, value: problem.conflict.current as unknown as Settings })}
          keep={reset}
        />
      )}
    </form>
  );
}

const perMinute = (perSecond: number | null) => (perSecond === null ? null : perSecond * 60);

function changesOf(draft: Draft, settings: Settings): SettingsPatch {
  const changed = (Object.entries(draft) as [QueueNumber, number][])
    .filter(([name, to]) => !Number.isNaN(to) && to !== toShown(name, settings[name]))
    .map(([name, to]) => [name, fromShown(name, to, queueNumbers[name].integer)]);
  return Object.fromEntries(changed) as SettingsPatch;
}

interface DialProps {
  name: QueueNumber;
  label: string;
  value: number;
  set: (value: number) => void;
  now: string;
  meanwhile: string;
  error: string;
}

/** A slider for coarse and a field for exact input of the same value. */
function Dial({ name, label, value, set, now, meanwhile, error }: DialProps) {
  const { t, f } = useI18n();
  const [min, max] = [toShown(name, queueNumbers[name].min), toShown(name, queueNumbers[name].max)];
  const { integer } = queueNumbers[name];
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
      {name === "rate_per_second" && value === 0 && <small class="notice">{t.settings.rateZero}</small>}
      {meanwhile && (
        <small class="notice" data-testid={`${name}-meanwhile`}>
          {meanwhile}
        </small>
      )}
      {error && <span class="error">{error}</span>}
    </div>
  );
}
