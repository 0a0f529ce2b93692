// What the queue does at this moment, in one sentence; when it will be empty and the seats gone; and whether that is still true.
import { useI18n } from "../../i18n/admin";
import type { AdmissionStatus, EventSnapshot, NoForecast } from "../schemas";
import { metricFormat } from "./format-metric";

export type Tone = "good" | "notice" | "alarm" | "calm";

const TONES: Record<AdmissionStatus, Tone> = {
  scheduled: "calm",
  closed: "calm",
  paused: "notice",
  sold_out: "calm",
  handed_over: "notice",
  rebuilding: "notice",
  counting_seats: "notice",
  no_worker: "alarm",
  booking_unavailable: "alarm",
  rate_zero: "alarm",
  seats_held: "notice",
  empty: "calm",
  all_absent: "alarm",
  cap_reached: "notice",
  throttled: "notice",
  releasing: "good",
};

/** A status that a later server adds is neither good nor bad. */
export const toneOf = (status: string): Tone => TONES[status as AdmissionStatus] ?? "calm";

interface StatusBannerProps {
  now: EventSnapshot;
  stale: boolean;
}

export function StatusBanner({ now, stale }: StatusBannerProps) {
  const { t, f } = useI18n();
  const q = metricFormat(f, t.unknown);
  const { figures } = now;
  const sentence = t.admission[now.admission]?.(q.whole(figures.active), q.rate((figures.rate_effective ?? 0) * 60)) ?? now.admission;

  return (
    <section class={`status ${toneOf(now.admission)}`} aria-label={t.admissionTitle}>
      <p class="sentence" role="status" data-testid="admission" data-admission={now.admission}>
        {sentence}
      </p>
      <Forecast now={now} />
      <p class="stale-note" role="alert" data-testid="stale">
        {stale && t.stale(q.clock(now.at))}
      </p>
    </section>
  );
}

function Forecast({ now }: { now: EventSnapshot }) {
  const { t, f } = useI18n();
  const { queue_empty_at, no_queue_forecast, seats_gone_at, no_seats_forecast } = now.forecast;
  const at = (time: string) => f.timeOfDay(new Date(time));
  const reason = (why: NoForecast | undefined) => (why && t.forecast.reasons[why]) ?? t.unknown;

  const queue = queue_empty_at ? t.forecast.queueEmpty(at(queue_empty_at)) : no_queue_forecast === "done" ? "" : t.forecast.noQueue(reason(no_queue_forecast));
  const seats = seats_gone_at ? t.forecast.seatsGone(at(seats_gone_at)) : no_seats_forecast === "done" ? "" : t.forecast.noSeats(reason(no_seats_forecast));
  const isSame = no_queue_forecast === "stands_still" && no_seats_forecast === "stands_still";
  return (
    <p class="forecast" data-testid="forecast">
      {isSame ? t.forecast.none(reason("stands_still")) : [queue, seats].filter((text) => text !== "").join(" · ")}
    </p>
  );
}
