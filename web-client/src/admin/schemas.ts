// Schemas of the operators' routes. Unlike the SDK, this page validates responses.
import { type Field, SchemaError, anyObject, array, duration, nonNegativeInt, object, optional, string, timestamp } from "../../sdk/schema";
import { type CounterName, counterNames, type QueueNumber, queueNumbers } from "./queue-fields";

type Of<F> = F extends Field<infer T> ? T : never;

const numbers = Object.fromEntries(
  Object.entries(queueNumbers).map(([name, { integer }]) => [name, integer ? nonNegativeInt : duration]),
) as Record<QueueNumber, Field<number>>;
const settings = object({ state: string, ...numbers, message: optional(string) });
export type Settings = Of<typeof settings>;
export type SettingsPatch = { [Name in keyof Settings]?: NonNullable<Settings[Name]> };

export const appearance = object({
  logo: optional(string),
  accent: optional(string),
  background: optional(string),
  message: optional(string),
});
export type Appearance = Of<typeof appearance>;
export type AppearancePatch = { [Name in keyof Appearance]?: string };

const zone = object({ zone_id: string, name: string, unit_price: nonNegativeInt, capacity: nonNegativeInt, available: nonNegativeInt });
const show = object({ show_id: string, name: string, starts_at: optional(timestamp), zones: array(zone) });

export const operatorEvent = object({
  event_id: string,
  name: string,
  currency: string,
  max_seats_per_user: nonNegativeInt,
  hold_seconds: nonNegativeInt,
  appearance: optional(appearance),
  queue: settings,
  shows: array(show),
});
export type OperatorEvent = Of<typeof operatorEvent>;
export const operatorEvents = object({ events: array(operatorEvent) });

export interface NewEvent {
  name: string;
  currency: string;
  max_seats_per_user: number;
  hold_seconds: number;
  queue: SettingsPatch;
  shows: { name: string; starts_at?: string; zones: { name: string; capacity: number; unit_price: number }[] }[];
}

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
] as const;
export type MetricName = (typeof metricNames)[number];
/** `null` if the server does not know the value. */
export type Metrics = Record<MetricName, number | null>;
export type History = { at_ms: number[] } & Record<MetricName, (number | null)[]>;

const nullableNumber: Field<number | null> = (value) => (typeof value === "number" ? value : null);

const metrics: Field<Metrics> = (value, path) => {
  const given = anyObject(value, path);
  return Object.fromEntries(metricNames.map((name) => [name, nullableNumber(given[name], name)])) as Metrics;
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
});
export type Node = Of<typeof node>;

const zoneCounts = object({
  show: string,
  zone_id: string,
  zone: string,
  capacity: nonNegativeInt,
  sold: optional(nonNegativeInt),
  held: optional(nonNegativeInt),
  free: nonNegativeInt,
});
export type ZoneCounts = Of<typeof zoneCounts>;

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
};
export const eventSnapshot = object(snapshotFields);
export type EventSnapshot = Of<typeof eventSnapshot>;
export const liveResponse = object({ ...snapshotFields, history });

const auditedState: Field<Record<string, unknown> | null> = (value, path) => (value === null || value === undefined ? null : anyObject(value, path));
const entry = object({
  audit_id: nonNegativeInt,
  at: timestamp,
  operator: string,
  event_id: optional(string),
  action: string,
  before: auditedState,
  after: auditedState,
});
export type AuditEntry = Of<typeof entry>;
export const auditPage = object({ entries: array(entry), next: optional(nonNegativeInt) });
export type AuditPage = Of<typeof auditPage>;

const integer: Field<number> = (value, path) => {
  if (!Number.isSafeInteger(value)) throw new SchemaError(`${path} is not a whole number`);
  return value as number;
};
export const inventoryStatus = object({ drift: nonNegativeInt, zones: array(object({ zone_id: string, drift: integer })) });
export const rebuildReport = object({ events: nonNegativeInt, zones: nonNegativeInt, holds: nonNegativeInt, corrected: nonNegativeInt });
export const ignored: Field<unknown> = (value) => value;
export const tokenResponse = object({ token: string });
