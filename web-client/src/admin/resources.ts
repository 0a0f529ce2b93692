// What the operators' routes answer with.
import { type Field, ShapeError, count, duration, list, optional, record, text, time } from "../../sdk/shape";

type Of<F> = F extends Field<infer T> ? T : never;

const settings = record({
  state: text,
  rate_per_second: duration,
  burst: count,
  max_active: count,
  pass_ttl_seconds: count,
  claim_window_seconds: count,
  grace_seconds: count,
  max_in_line: count,
  message: optional(text),
});
export type Settings = Of<typeof settings>;
export type SettingsPatch = { [Name in keyof Settings]?: NonNullable<Settings[Name]> };

export const look = record({
  logo: optional(text),
  accent: optional(text),
  background: optional(text),
  message: optional(text),
});
export type Look = Of<typeof look>;
export type LookPatch = { [Name in keyof Look]?: string };

const zone = record({ zone_id: text, name: text, unit_price: count, capacity: count, available: count });
const show = record({ show_id: text, name: text, starts_at: optional(time), zones: list(zone) });

export const operated = record({
  event_id: text,
  name: text,
  currency: text,
  max_seats_per_user: count,
  hold_seconds: count,
  appearance: optional(look),
  queue: settings,
  shows: list(show),
});
export type Operated = Of<typeof operated>;
export const operatedEvents = record({ events: list(operated) });

export interface NewEvent {
  name: string;
  currency: string;
  max_seats_per_user: number;
  hold_seconds: number;
  queue: SettingsPatch;
  shows: { name: string; starts_at?: string; zones: { name: string; capacity: number; unit_price: number }[] }[];
}

export const figureNames = [
  "line",
  "absent",
  "arrivals_per_second",
  "departures_per_second",
  "rate_set",
  "rate_effective",
  "released_per_second",
  "active",
  "max_active",
  "no_shows_per_second",
  "expired_per_second",
  "sold",
  "held",
  "free",
  "reserves_per_second",
  "reserve_p95_ms",
  "error_share",
  "commit_waiting",
  "outbox_lag_seconds",
  "connections",
  "memory_bytes",
] as const;
export type FigureName = (typeof figureNames)[number];
/** `null` where the server does not know. */
export type Figures = Record<FigureName, number | null>;
export type History = { at_ms: number[] } & Record<FigureName, (number | null)[]>;

const known: Field<number | null> = (value) => (typeof value === "number" ? value : null);

function object(value: unknown, path: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null) throw new ShapeError(`${path} is not an object`);
  return value as Record<string, unknown>;
}

const figures: Field<Figures> = (value, path) => {
  const given = object(value, path);
  return Object.fromEntries(figureNames.map((name) => [name, known(given[name], name)])) as Figures;
};

const history: Field<History> = (value, path) => {
  const given = object(value, path);
  const columns = figureNames.map((name) => [name, list(known)(given[name], `${path}.${name}`)]);
  return { at_ms: list(count)(given.at_ms, `${path}.at_ms`), ...Object.fromEntries(columns) } as History;
};

const node = record({
  node: text,
  roles: list(text),
  version: text,
  started_at: time,
  connections: count,
  memory_bytes: optional(count),
  live_tasks: count,
  age_ms: count,
});
export type Node = Of<typeof node>;

const zoneFigures = record({
  show: text,
  zone_id: text,
  zone: text,
  capacity: count,
  sold: optional(count),
  held: optional(count),
  free: count,
});
export type ZoneFigures = Of<typeof zoneFigures>;

const momentShape = {
  event_id: text,
  at: time,
  settings,
  slowness: optional(text),
  figures,
  totals: record({ joined: count, released: count, taken_back: count, expired: count, dropped: count, left: count }),
  zones: list(zoneFigures),
  nodes: list(node),
};
export const moment = record(momentShape);
export type Moment = Of<typeof moment>;
export const live = record({ ...momentShape, history });

const change: Field<Record<string, unknown> | null> = (value, path) => (value === null || value === undefined ? null : object(value, path));
const entry = record({
  audit_id: count,
  at: time,
  operator: text,
  event_id: optional(text),
  action: text,
  before: change,
  after: change,
});
export type AuditEntry = Of<typeof entry>;
export const audit = record({ entries: list(entry), next: optional(count) });
export type AuditPage = Of<typeof audit>;

const signed: Field<number> = (value, path) => {
  if (!Number.isSafeInteger(value)) throw new ShapeError(`${path} is not a whole number`);
  return value as number;
};
export const inventory = record({ drift: count, zones: list(record({ zone_id: text, drift: signed })) });
export const synced = record({ events: count, zones: count, holds: count, corrected: count });
export const anything: Field<unknown> = (value) => value;
export const token = record({ token: text });
