// Up to five choices, the dearest first: the first that is free when the turn comes is held at once.
import type { Wish } from "@stanchion/client";
import type { EventDetail } from "@stanchion/client/shop";
import { useWords } from "../i18n/words";
import { type State, free } from "../visitor/state";

const MOST = 5;
const SEATS = 10;

type Choice = Wish[number];

export function WishPicker({ state, changed }: { state: State; changed: (wish: Wish) => void }) {
  const { t } = useWords();
  const event = state.event;
  const [first] = event ? zonesOf(event) : [];
  if (!event || !first) return null;
  const { wish } = state;
  const replace = (index: number, choice?: Choice) => changed(wish.toSpliced(index, 1, ...(choice ? [choice] : [])));
  const add = () => changed([...wish, next(event, wish) ?? { ...first, quantity: 2 }].map(plain));
  const rise = (index: number) => changed(wish.toSpliced(index - 1, 2, wish[index]!, wish[index - 1]!));
  return (
    <section class="card wish" aria-labelledby="wish" data-testid="wish">
      <h2 id="wish">{t.wish.title}</h2>
      <p class="hint">{t.wish.lead}</p>
      <ol>
        {wish.map((choice, index) => (
          <ChoiceRow
            key={index}
            {...{ state, event, choice, number: index + 1 }}
            changed={(choice) => replace(index, choice)}
            removed={() => replace(index)}
            risen={index > 0 ? () => rise(index) : undefined}
          />
        ))}
      </ol>
      <div class="actions">
        {wish.length < MOST && (
          <button type="button" class="soft" data-testid="wish-add" onClick={add}>
            + {t.wish.add}
          </button>
        )}
        <p class="hint" role="status">
          {wish.length === 0 ? "" : state.stage.at === "waiting" ? t.wish.kept : t.wish.saved}
        </p>
      </div>
    </section>
  );
}

interface RowProps {
  state: State;
  event: EventDetail;
  choice: Choice;
  number: number;
  changed: (choice: Choice) => void;
  removed: () => void;
  risen: (() => void) | undefined;
}

function ChoiceRow({ state, event, choice, number, changed, removed, risen }: RowProps) {
  const { t, f } = useWords();
  const most = Math.min(SEATS, event.max_seats_per_user);
  const many = event.shows.length > 1;
  return (
    <li class="choice">
      <span class="numeral" aria-hidden="true">
        {f.whole(number)}
      </span>
      <select
        aria-label={`${t.wish.choice(f.whole(number))}: ${t.wish.zone}`}
        data-testid="wish-zone"
        value={choice.zone_id}
        onChange={({ currentTarget }) => changed(plain({ ...zoneOf(event, currentTarget.value), quantity: choice.quantity }))}
      >
        {event.shows.map((show) =>
          show.zones.map((zone) => (
            <option key={zone.zone_id} value={zone.zone_id}>
              {many ? `${show.name} · ` : ""}
              {zone.name}, {f.money(zone.unit_price, zone.currency)}
              {free(state, zone) === 0 ? ` (${t.turn.soldOut})` : ""}
            </option>
          )),
        )}
      </select>
      <select
        class="count"
        aria-label={`${t.wish.choice(f.whole(number))}: ${t.wish.quantity}`}
        data-testid="wish-quantity"
        value={choice.quantity}
        onChange={({ currentTarget }) => changed({ ...choice, quantity: Number(currentTarget.value) })}
      >
        {Array.from({ length: most }, (_, index) => (
          <option key={index} value={index + 1}>
            {f.whole(index + 1)} ×
          </option>
        ))}
      </select>
      <span class="choice-actions">
        {risen && (
          <button type="button" class="quiet icon" aria-label={t.wish.up(f.whole(number))} onClick={risen}>
            ↑
          </button>
        )}
        <button type="button" class="quiet icon" aria-label={t.wish.remove(f.whole(number))} onClick={removed}>
          ✕
        </button>
      </span>
    </li>
  );
}

function zonesOf(event: EventDetail) {
  return event.shows.flatMap(({ show_id, zones }) => zones.map(({ zone_id }) => ({ show_id, zone_id })));
}

function zoneOf(event: EventDetail, zoneId: string) {
  return zonesOf(event).find(({ zone_id }) => zone_id === zoneId)!;
}

/** A zone that is not wished for yet. */
function next(event: EventDetail, wish: Wish): Choice | undefined {
  const zone = zonesOf(event).find(({ zone_id }) => !wish.some((choice) => choice.zone_id === zone_id));
  return zone && { ...zone, quantity: Math.min(wish.at(-1)?.quantity ?? 2, event.max_seats_per_user) };
}

const plain = ({ show_id, zone_id, quantity }: Choice): Choice => ({ ...(show_id && { show_id }), zone_id, quantity });
