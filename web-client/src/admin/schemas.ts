// Schemas of the operators' routes, held to the generated types. Unlike the SDK, this page validates responses.
import type {
  Appearance,
  AuditEntry as Audited,
  Conflict as FoundConflict,
  Figures,
  Forecast,
  LiveProcess,
  Moment,
  OperatedEvent,
  QueueOverview,
  QueueSettings,
  Show,
  Synced,
  Zone,
} from "../../sdk/openapi";
import { type Field, type FieldsOf, SchemaError, anyObject, array, boolean, duration, nonNegativeInt, nullable, object, optional, string, timestamp } from "../../sdk/schema";
import { type CounterName, counterNames, type QueueNumber, queueNumbers } from "./queue-fields";

export type { Appearance, AppearancePatch, NewEvent, QueuePatch as SettingsPatch, QueueSettings as Settings } from "../../sdk/openapi";
export type { AdmissionStatus, AuditEntry, Forecast, Moment as EventSnapshot, NoForecast, OperatedEvent as OperatorEvent, QueueOverview, SaleState } from "../../sdk/openapi";
export type ZoneCounts = Moment["zones"][number];
export type Node = Omit<LiveProcess, "booking" | "settings">;

const numbers = Object.fromEntries(
  Object.entries(queueNumbers).map(([name, { integer }]) => [name, integer ? nonNegativeInt : duration]),
) as Record<QueueNumber, Field<number>>;
const settings = object({
  state: string,
  ...numbers,
  message: nullable(string),
} satisfies FieldsOf<QueueSettings>) as Field<QueueSettings>;

export const appearance = object({
  logo: optional(string),
  picture: optional(string),
  accent: optional(string),
  background: optional(string),
  message: optional(string),
} satisfies FieldsOf<Appearance>) as Field<Appearance>;

const zone: Field<Zone> = object({
  zone_id: string,
  name: string,
  unit_price: nonNegativeInt,
  currency: string,
  currency_digits: nonNegativeInt,
  capacity: nonNegativeInt,
  available: nonNegativeInt,
} satisfies FieldsOf<Zone>);
const show = object({
  show_id: string,
  name: string,
  starts_at: nullable(timestamp),
  starts_at_local: optional(string),
  zones: array(zone),
} satisfies FieldsOf<Show>) as Field<Show>;

const overview = object({
  at: timestamp,
  line: nonNegativeInt,
  absent: nonNegativeInt,
  active: nonNegativeInt,
  released_per_second: nullable(duration),
  admission: string,
} satisfies FieldsOf<QueueOverview>) as Field<QueueOverview>;

export const operatorEvent = object({
  event_id: string,
  name: string,
  state: string,
  message: optional(string),
  sold_out: boolean,
  venue: optional(string),
  city: optional(string),
  time_zone: optional(string),
  starts_at: optional(timestamp),
  starts_at_local: optional(string),
  min_price: optional(nonNegativeInt),
  currency: string,
  currency_digits: nonNegativeInt,
  max_seats_per_user: nonNegativeInt,
  hold_seconds: nonNegativeInt,
  appearance: optional(appearance),
  queue: settings,
  queue_revision: string,
  appearance_revision: string,
  now: optional(overview),
  shows: array(show),
} satisfies FieldsOf<OperatedEvent>) as Field<OperatedEvent>;
export const operatorEvents = object({ events: array(operatorEvent) });

export const metricNames = [
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
] as const satisfies readonly (keyof Figures)[];
export type MetricName = keyof Figures;
export type History = { at_ms: number[] } & Record<MetricName, (number | null)[]>;

const nullableNumber: Field<number | null> = (value) => (typeof value === "number" ? value : null);

const metrics: Field<Figures> = (value, path) => {
  const given = anyObject(value, path);
  return Object.fromEntries(metricNames.map((name) => [name, nullableNumber(given[name], name)])) as Figures;
};

const history: Field<History> = (value, path) => {
  const given = anyObject(value, path);
  const columns = metricNames.map((name) => [name, array(nullableNumber)(given[name], `${path}.${name}`)]);
  return { at_ms: array(nonNegativeInt)(given.at_ms, `${path}.at_ms`), ...Object.fromEntries(columns) } as History;
};

const node = object({
  node: string,
  roles: array(string),
  version: string,
  started_at: timestamp,
  connections: nonNegativeInt,
  memory_bytes: optional(nonNegativeInt),
  live_tasks: nonNegativeInt,
  age_ms: nonNegativeInt,
  guest_majority: optional(object({ network: string, percent: nonNegativeInt })),
} satisfies FieldsOf<Node>) as Field<Node>;

const zoneCounts = object({
  show_id: string,
  show: string,
  zone_id: string,
  zone: string,
  capacity: nonNegativeInt,
  sold: optional(nonNegativeInt),
  held: optional(nonNegativeInt),
  free: nonNegativeInt,
} satisfies FieldsOf<ZoneCounts>) as Field<ZoneCounts>;

const counters = Object.fromEntries(counterNames.map((name) => [name, nonNegativeInt])) as Record<CounterName, Field<number>>;

const snapshotFields = {
  event_id: string,
  at: timestamp,
  settings,
  queue_revision: string,
  admission: string,
  forecast: object({
    queue_empty_at: optional(timestamp),
    no_queue_forecast: optional(string),
    seats_gone_at: optional(timestamp),
    no_seats_forecast: optional(string),
  } satisfies FieldsOf<Forecast>),
  slowness: optional(string),
  figures: metrics,
  totals: object(counters),
  zones: array(zoneCounts),
  nodes: array(node),
} satisfies FieldsOf<Moment>;
export const eventSnapshot = object(snapshotFields) as Field<Moment>;
export const liveResponse = object({ ...snapshotFields, history }) as Field<Moment & { history: History }>;
export const historyResponse = object({ history });

/** The settings after a change, and their revision. */
export type Changed = QueueSettings & { revision: string };
export const changedQueue = object({ state: string, ...numbers, message: nullable(string), revision: string }) as Field<Changed>;
export const changedAppearance = object({ appearance, revision: string });

export type Conflict = FoundConflict;
export const conflictResponse = object({
  conflict: object({
    revision: string,
    current: anyObject,
    changed_by: optional(string),
    changed_at: optional(timestamp),
  } satisfies FieldsOf<FoundConflict>) as Field<FoundConflict>,
});

const entry = object({
  audit_id: nonNegativeInt,
  at: timestamp,
  operator: string,
  event_id: nullable(string),
  action: string,
  before: nullable(anyObject),
  after: nullable(anyObject),
} satisfies FieldsOf<Audited>) as Field<Audited>;
export interface AuditPage {
  entries: Audited[];
  next?: number | undefined;
}
export const auditPage: Field<AuditPage> = object({ entries: array(entry), next: optional(nonNegativeInt) });

const integer: Field<number> = (value, path) => {
  if (!Number.isSafeInteger(value)) throw new SchemaError(`${path} is not a whole number`);
  return value as number;
};
export const inventoryStatus = object({ drift: nonNegativeInt, zones: array(object({ zone_id: string, drift: integer })) });
export const rebuildReport: Field<Synced> = object({
  events: nonNegativeInt,
  zones: nonNegativeInt,
  holds: nonNegativeInt,
  corrected: nonNegativeInt,
} satisfies FieldsOf<Synced>);
export const currencies = object({ currencies: array(object({ currency: string, currency_digits: nonNegativeInt })) });
export const tokenResponse = object({ token: string });
