// A bar with the visitor's places in the queues of other events than the page shows: the number, or the turn and the time left.
import { useEffect } from "preact/hooks";
import { useI18n } from "../i18n/visitor";
import { Changing } from "../shared/changing";
import { SmallCountdown } from "../shared/countdown";
import type { OtherPlace } from "../visitor/other-places";
import { eventPath } from "../visitor/route";
import { notify, ring } from "./alerts";

interface Props {
  places: OtherPlace[];
  now: () => number;
}

export function PlaceBar({ places, now }: Props) {
  const { t } = useI18n();
  const turn = places.find(({ passUntil }) => passUntil !== undefined);
  useEffect(() => {
    if (!turn) return;
    ring();
    notify(turn.name, t.turn.notification, turn.eventId);
  }, [turn?.eventId]);

  if (places.length === 0) return null;
  return (
    <section class="bar elsewhere" aria-label={t.elsewhere.label} data-testid="place-bar">
      {places.map((place) => (
        <OnePlace key={place.eventId} place={place} now={now} />
      ))}
    </section>
  );
}

function OnePlace({ place, now }: { place: OtherPlace; now: () => number }) {
  const { t, f } = useI18n();
  const { eventId, name, position, passUntil } = place;
  const text = passUntil ? t.elsewhere.turn : position <= 1 ? t.elsewhere.next : t.elsewhere.inLine(f.whole(position));

  return (
    <p class={passUntil ? "bar-row is-turn" : "bar-row"} data-testid={passUntil ? "place-bar-turn" : "place-bar-line"}>
      <span class="bar-text" role="status">
        <strong>
          <Changing>{text}</Changing>
        </strong>
        <small>{name}</small>
      </span>
      {passUntil && <SmallCountdown until={passUntil} now={now} label={t.elsewhere.left} />}
      <a class="button" href={eventPath(eventId, passUntil !== undefined)}>
        <Changing>{passUntil ? t.elsewhere.choose : t.elsewhere.see}</Changing>
      </a>
    </p>
  );
}
