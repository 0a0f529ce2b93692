// The form for a new event. A validation error of the server is shown at the field that it names.
import { useEffect, useState } from "preact/hooks";
import { useI18n } from "../../i18n/admin";
import type { Api } from "../api";
import { fieldError } from "../problem";
import type { NewEvent, SaleState } from "../schemas";
import { type Action, ActionOutcome, useAction } from "./use-action";

interface ZoneDraft {
  name: string;
  capacity: string;
  price: string;
}
interface ShowDraft {
  name: string;
  startsAt: string;
  zones: ZoneDraft[];
}
interface Draft {
  name: string;
  venue: string;
  city: string;
  timeZone: string;
  currency: string;
  limit: string;
  /** In minutes. */
  hold: string;
  state: SaleState;
  /** Users per minute. */
  rate: string;
  cap: string;
  shows: ShowDraft[];
}

const ZONE: ZoneDraft = { name: "", capacity: "100", price: "50" };
const SHOW: ShowDraft = { name: "", startsAt: "", zones: [ZONE] };
const DRAFT: Draft = {
  ...{ name: "", venue: "", city: "", timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone },
  ...{ currency: "EUR", limit: "6", hold: "10", state: "scheduled", rate: "600", cap: "1000", shows: [SHOW] },
};
const INITIAL_STATES = ["scheduled", "open", "paused"];

/** Decimals of each currency's minor unit, by code. The server says them, since browsers disagree. */
export type Currencies = ReadonlyMap<string, number>;

/**
 * The draft as a request. Invalid numbers become values that the server rejects, with the field's name; the price in a currency
 * that the server does not know is of no meaning, because it rejects the currency.
 */
export function toRequest(draft: Draft, currencies: Currencies): NewEvent {
  const digits = currencies.get(draft.currency) ?? 0;
  const zone = ({ name, capacity, price }: ZoneDraft) => ({
    name,
    capacity: Math.round(Number(capacity)) || 0,
    unit_price: price.trim() === "" ? -1 : Math.round(Number(price) * 10 ** digits),
  });

  return {
    name: draft.name,
    ...(draft.venue.trim() && { venue: draft.venue }),
    ...(draft.city.trim() && { city: draft.city }),
    ...(draft.timeZone.trim() && { time_zone: draft.timeZone.trim() }),
    currency: draft.currency,
    max_seats_per_user: Number(draft.limit) || 0,
    hold_seconds: Math.round(Number(draft.hold) * 60) || 0,
    queue: { state: draft.state, rate_per_second: Number(draft.rate) / 60, max_active: Number(draft.cap) || 0 },
    shows: draft.shows.map(({ name, startsAt, zones }) => ({
      name,
      ...(startsAt && startOf(startsAt, draft.timeZone.trim())),
      zones: zones.map(zone),
    })),
  };
}

/** In the venue's zone, which the server knows; without one, in the operator's. */
function startOf(shown: string, timeZone: string): { starts_at_local: string } | { starts_at: string } {
  return timeZone ? { starts_at_local: shown } : { starts_at: new Date(shown).toISOString() };
}

export function NewEventForm({ api }: { api: Api }) {
  const { t } = useI18n();
  const action = useAction();
  const [draft, setDraft] = useState(DRAFT);
  const [currencies, setCurrencies] = useState<Currencies>();
  useEffect(() => void action.run(async () => setCurrencies(await api.currencies())), []);
  const set = (part: Partial<Draft>) => setDraft({ ...draft, ...part });

  async function create(event: Event): Promise<void> {
    event.preventDefault();
    await action.run(async () => {
      const known = currencies ?? (await api.currencies());
      setCurrencies(known);
      const created = await api.create(toRequest(draft, known));
      location.hash = `#/events/${created.event_id}`;
    });
  }

  useEffect(() => document.querySelector<HTMLElement>("[aria-invalid=true]")?.focus(), [action.problem]);
  const field = (name: string, label: string, key: Exclude<keyof Draft, "shows" | "state">, type: Kind = "text", hint?: string, list?: string) => (
    <Field name={name} label={label} value={draft[key]} type={type} hint={hint} list={list} action={action} set={(value) => set({ [key]: value })} />
  );

  return (
    <form class="new-event" onSubmit={(event) => void create(event)} noValidate>
      <p>
        <a href="#">← {t.events.back}</a>
      </p>
      <h1>{t.form.title}</h1>
      <div class="card fields named">
        {field("name", t.form.name, "name")}
        {field("venue", t.form.venue, "venue")}
        {field("city", t.form.city, "city")}
        {field("time_zone", t.form.timeZone, "timeZone", "text", t.form.timeZoneHint, "time-zones")}
        {field("currency", t.form.currency, "currency", "text", t.form.currencyHint, "currencies")}
        {field("max_seats_per_user", t.form.limit, "limit", "number")}
        {field("hold_seconds", t.form.hold, "hold", "number")}
        <label>
          {t.form.state}
          <select value={draft.state} data-testid="state" onChange={({ currentTarget }) => set({ state: currentTarget.value as SaleState })}>
            {INITIAL_STATES.map((state) => (
              <option value={state} key={state}>
                {t.states[state]}
              </option>
            ))}
          </select>
        </label>
        {field("queue.rate_per_second", t.form.rate, "rate", "number")}
        {field("queue.max_active", t.form.cap, "cap", "number")}
      </div>
      <Suggestions id="time-zones" values={Intl.supportedValuesOf?.("timeZone") ?? []} />
      <Suggestions id="currencies" values={[...(currencies?.keys() ?? [])]} />
      {draft.shows.map((show, at) => (
        <ShowFields
          key={at}
          at={at}
          show={show}
          timeZone={draft.timeZone.trim()}
          action={action}
          set={(changed) => set({ shows: draft.shows.with(at, changed) })}
          remove={draft.shows.length > 1 ? () => set({ shows: draft.shows.toSpliced(at, 1) }) : undefined}
        />
      ))}
      <div class="buttons">
        <button type="button" class="quiet" onClick={() => set({ shows: [...draft.shows, SHOW] })}>
          {t.form.addShow}
        </button>
        <button type="submit" disabled={action.busy} data-testid="create">
          {t.form.create}
        </button>
      </div>
      <ActionOutcome action={action} />
    </form>
  );
}

interface ShowFieldsProps {
  at: number;
  show: ShowDraft;
  timeZone: string;
  action: Action;
  set: (show: ShowDraft) => void;
  remove: (() => void) | undefined;
}

function ShowFields({ at, show, timeZone, action, set, remove }: ShowFieldsProps) {
  const { t } = useI18n();
  const path = `shows[${at}]`;
  const zone = (index: number, part: Partial<ZoneDraft>) => set({ ...show, zones: show.zones.with(index, { ...show.zones[index]!, ...part }) });

  return (
    <fieldset class="card">
      <legend>{t.form.show(at + 1)}</legend>
      <div class="fields">
        <Field name={`${path}.name`} label={t.form.showName} value={show.name} action={action} set={(name) => set({ ...show, name })} />
        <Field
          name={`${path}.starts_at_local`}
          label={t.form.startsAt}
          hint={timeZone ? t.form.timeAtVenue(timeZone) : t.form.timeHere(DRAFT.timeZone)}
          type="datetime-local"
          value={show.startsAt}
          action={action}
          set={(startsAt) => set({ ...show, startsAt })}
        />
      </div>
      {show.zones.map(({ name, capacity, price }, index) => {
        const field = (key: string, label: string, value: string, type: Kind, change: (value: string) => void) => (
          <Field name={`${path}.zones[${index}].${key}`} label={label} value={value} type={type} action={action} set={change} />
        );
        return (
          <div class="fields" role="group" aria-label={t.form.zone(index + 1)} key={index}>
            {field("name", t.form.zoneName, name, "text", (name) => zone(index, { name }))}
            {field("capacity", t.form.seats, capacity, "number", (capacity) => zone(index, { capacity }))}
            {field("unit_price", t.form.price, price, "number", (price) => zone(index, { price }))}
            {show.zones.length > 1 && (
              <button
                type="button"
                class="quiet"
                aria-label={t.form.removeZone(name || String(index + 1))}
                onClick={() => set({ ...show, zones: show.zones.toSpliced(index, 1) })}
              >
                ×
              </button>
            )}
          </div>
        );
      })}
      <div class="buttons">
        <button type="button" class="quiet" onClick={() => set({ ...show, zones: [...show.zones, ZONE] })}>
          {t.form.addZone}
        </button>
        {remove && (
          <button type="button" class="quiet" onClick={remove}>
            {t.form.removeShow(show.name || String(at + 1))}
          </button>
        )}
      </div>
    </fieldset>
  );
}

const attributes = {
  text: { type: "text" },
  number: { type: "number", step: "any", min: 0, inputMode: "decimal" },
  "datetime-local": { type: "datetime-local" },
} as const;
type Kind = keyof typeof attributes;

interface FieldProps {
  /** The field's name in the server's problem responses. */
  name: string;
  label: string;
  value: string;
  type?: Kind;
  hint?: string | undefined;
  /** The id of suggestions. */
  list?: string | undefined;
  action: Action;
  set: (value: string) => void;
}

function Suggestions({ id, values }: { id: string; values: string[] }) {
  return (
    <datalist id={id}>
      {values.map((value) => (
        <option value={value} key={value} />
      ))}
    </datalist>
  );
}

function Field({ name, label, value, type = "text", hint, list, action, set }: FieldProps) {
  const error = fieldError(action.problem, name);
  return (
    <label>
      {label}
      <input
        {...attributes[type]}
        value={value}
        list={list}
        data-testid={name}
        aria-invalid={error !== ""}
        aria-describedby={error ? `${name}-error` : undefined}
        onInput={({ currentTarget }) => set(currentTarget.value)}
      />
      {hint && <small>{hint}</small>}
      {error && (
        <span class="error" id={`${name}-error`}>
          {error}
        </span>
      )}
    </label>
  );
}
