// Max five seat preferences, in order: the first that is available when the turn comes is held at once.
import type { SeatPreferences } from "@stanchion/client";
import type { EventDetail, Show, Zone } from "@stanchion/client/shop";
import { useState } from "preact/hooks";
import { useI18n } from "../i18n/visitor";
import { Changing } from "../shared/changing";
import { formatPrice } from "../shared/money";
import { type State, freeSeats } from "../visitor/state";

const MAX_CHOICES = 5;
const MAX_SEATS = 10;
const DEFAULT_SEATS = 2;

type Choice = SeatPreferences[number];
/** A choice whose zone is not chosen yet. It is the page's own: nothing is held that the user did not choose. */
type Draft = Omit<Choice, "zone_id"> & { zone_id?: string };

export function SeatPreferencePicker({ state, changed }: { state: State; changed: (preferences: SeatPreferences) => void }) {
  const { t } = useI18n();
  const event = state.event;
  const [draft, setDraft] = useState<Draft | undefined>();
  if (!event || zonesOf(event).length === 0) return null;

  const { preferences } = state;
  const rows: Draft[] = draft ? [...preferences, draft] : preferences;
  const add = () => setDraft({ quantity: Math.min(preferences.at(-1)?.quantity ?? DEFAULT_SEATS, event.max_seats_per_user) });
  const replace = (index: number, row?: Draft) => {
    const isDraft = index === preferences.length;
    if (isDraft && (!row || row.zone_id === undefined)) return setDraft(row);
    if (isDraft) setDraft(undefined);
    changed(preferences.toSpliced(index, 1, ...(row ? [plain(row as Choice)] : [])));
  };
  const moveUp = (index: number) => changed(preferences.toSpliced(index - 1, 2, preferences[index]!, preferences[index - 1]!));
  const saved = preferences.length === 0 ? undefined : state.stage.at === "waiting" ? t.seatPreferences.kept : t.seatPreferences.saved;

  return (
    <section class="card wish" aria-labelledby="wish" data-testid="wish">
      <h2 id="wish">{t.seatPreferences.title}</h2>
      <p class="hint">{t.seatPreferences.lead}</p>
      <ol>
        {rows.map((row, index) => (
          <ChoiceRow
            key={index}
            {...{ state, event, choice: row, number: index + 1 }}
            changed={(row) => replace(index, row)}
            removed={() => replace(index)}
            onMoveUp={index > 0 && index < preferences.length ? () => moveUp(index) : undefined}
          />
        ))}
      </ol>
      <div class="actions">
        {!draft && preferences.length < MAX_CHOICES && (
          <button type="button" class="soft" data-testid="wish-add" onClick={add}>
            + {t.seatPreferences.add}
          </button>
        )}
        <p class="hint" role="status" data-testid="wish-saved">
          <Changing>{saved}</Changing>
        </p>
      </div>
    </section>
  );
}

interface RowProps {
  state: State;
  event: EventDetail;
  choice: Draft;
  number: number;
  changed: (choice: Draft) => void;
  removed: () => void;
  onMoveUp: (() => void) | undefined;
}

function ChoiceRow({ state, event, choice, number, changed, removed, onMoveUp }: RowProps) {
  const { t, f } = useI18n();
  const maxSeats = Math.min(MAX_SEATS, event.max_seats_per_user);
  const many = event.shows.length > 1;
  const which = t.seatPreferences.choice(f.whole(number));
  const describe = (show: Show, zone: Zone) => {
    const gone = freeSeats(state, zone) === 0 ? ` (${t.turn.soldOut})` : "";
    return `${many ? `${show.name} · ` : ""}${zone.name}, ${formatPrice(f, t.free.price, { amount: zone.unit_price, currency: zone.currency, digits: zone.currency_digits })}${gone}`;
  };
  const zones = event.shows.flatMap((show) => show.zones.map((zone) => ({ value: zone.zone_id, text: describe(show, zone) })));
  const options = choice.zone_id === undefined ? [{ value: "", text: t.seatPreferences.unchosen }, ...zones] : zones;
  const counts = Array.from({ length: maxSeats }, (_, index) => ({ value: index + 1, text: t.seatPreferences.seats(index + 1) }));

  return (
    <li class="choice">
      <span class="numeral" aria-hidden="true">
        {f.whole(number)}
      </span>
      <Pick
        label={`${which}: ${t.seatPreferences.zone}`}
        testId="wish-zone"
        value={choice.zone_id ?? ""}
        options={options}
        changed={(zone) => zone && changed({ ...zoneOf(event, zone), quantity: choice.quantity })}
      />
      <Pick
        label={`${which}: ${t.seatPreferences.quantity}`}
        testId="wish-quantity"
        value={choice.quantity}
        options={counts}
        changed={(quantity) => changed({ ...choice, quantity: Number(quantity) })}
      />
      <span class="choice-actions">
        {onMoveUp && (
          <button type="button" class="quiet icon" aria-label={t.seatPreferences.up(f.whole(number))} onClick={onMoveUp}>
            ↑
          </button>
        )}
        <button type="button" class="quiet icon" aria-label={t.seatPreferences.remove(f.whole(number))} onClick={removed}>
          ✕
        </button>
      </span>
    </li>
  );
}

interface PickProps<Value> {
  label: string;
  testId: string;
  value: Value;
  options: { value: Value; text: string }[];
  changed: (value: string) => void;
}

/** A `select` truncates its value to one line, so an invisible one covers a text that wraps. */
function Pick<Value extends string | number>({ label, testId, value, options, changed }: PickProps<Value>) {
  return (
    <span class="pick">
      <span aria-hidden="true">
        <Changing>{options.find((one) => one.value === value)?.text}</Changing>
      </span>
      <select aria-label={label} data-testid={testId} value={value} onChange={({ currentTarget }) => changed(currentTarget.value)}>
        {options.map((one) => (
          <option key={`${one.value} ${one.text}`} value={one.value}>
            {one.text}
          </option>
        ))}
      </select>
    </span>
  );
}

function zonesOf(event: EventDetail) {
  return event.shows.flatMap(({ show_id, zones }) => zones.map(({ zone_id }) => ({ show_id, zone_id })));
}

function zoneOf(event: EventDetail, zoneId: string) {
  return zonesOf(event).find(({ zone_id }) => zone_id === zoneId)!;
}

const plain = ({ show_id, zone_id, quantity }: Choice): Choice => ({ ...(show_id && { show_id }), zone_id, quantity });
