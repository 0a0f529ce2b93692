// Where and when: the venue, and times in its zone with the zone's name. Without the event's zone, the visitor's.
import { useI18n } from "../i18n/visitor";

interface Place {
  venue?: string | undefined;
  city?: string | undefined;
}

/** Venue and city in one line; empty if neither is known. */
export function placeLine({ venue, city }: Place): string {
  return [venue, city].filter(Boolean).join(", ");
}

export function EventPlace({ event }: { event: Place }) {
  const place = placeLine(event);
  return place ? <small data-testid="place">{place}</small> : null;
}

interface EventTimeProps {
  event: { time_zone?: string | undefined } | undefined;
  /** Null if it is not known. */
  at: string | null | undefined;
}

export function EventTime({ event, at }: EventTimeProps) {
  const { f } = useI18n();
  if (!at) return null;
  return (
    <time dateTime={at} data-testid="event-time">
      {f.eventTime(at, event?.time_zone)}
    </time>
  );
}
