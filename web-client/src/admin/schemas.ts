// Schemas of the operators' routes, held to the generated types. Unlike the SDK, this page validates responses.
import type {
  Appearance,
  AuditEntry as Audited,
  Figures,
  LiveProcess,
  Moment,
  OperatedEvent,
  QueueSettings,
  Show,
  Synced,
  Zone,
} from "../../sdk/openapi";
import { type Field, type FieldsOf, SchemaError, anyObject, array, duration, nonNegativeInt, nullable, object, optional, string, timestamp } from "../../sdk/schema";
import { type CounterName, counterNames, type QueueNumber, queueNumbers } from "./queue-fields";

export type { Appearance, AppearancePatch, NewEvent, QueuePatch as SettingsPatch, QueueSettings as Settings } from "../../sdk/openapi";
export type { AuditEntry, Moment as EventSnapshot, OperatedEvent as OperatorEvent, SaleState } from "../../sdk/openapi";
export type ZoneCounts = Moment["zones"][number];
export type Node = Omit<LiveProcess, "booking">;

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
  capacity: nonNegativeInt,
  available: nonNegativeInt,
} satisfies FieldsOf<Zone>);
const show: Field<Show> = object({
  show_id: string,
  name: string,
  starts_at: nullable(timestamp),
  zones: array(zone),
} satisfies FieldsOf<Show>);

export const operatorEvent = object({
  event_id: string,
  name: string,
  state: string,
  message: optional(string),
  min_price: optional(nonNegativeInt),
  currency: string,
  max_seats_per_user: nonNegativeInt,
  hold_seconds: nonNegativeInt,
  appearance: optional(appearance),
  queue: settings,
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
  slowness: optional(string),
  figures: metrics,
  totals: object(counters),
  zones: array(zoneCounts),
  nodes: array(node),
} satisfies FieldsOf<Moment>;
export const eventSnapshot = object(snapshotFields) as Field<Moment>;
export const liveResponse = object({ ...snapshotFields, history }) as Field<Moment & { history: History }>;

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
export const ignored: Field<unknown> = (value) => value;
export const tokenResponse = object({ token: string });
