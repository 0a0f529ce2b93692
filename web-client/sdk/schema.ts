// Schemas of JSON values: each one gives both a TypeScript type and a runtime check. The package itself uses only the types
// (docs/decisions/0016-the-sdk-believes-its-server.md); the tests check the wire samples, the operators' page checks responses.

/** Parses a value or throws `SchemaError`. `path` names the value in the error. */
export type Field<T> = (value: unknown, path: string) => T;

export interface Optional<T> {
  readonly optional: Field<T>;
}

export type Schema = Record<string, Field<unknown> | Optional<unknown>>;

type RequiredKeys<S> = { [K in keyof S]: S[K] extends Optional<unknown> ? never : K }[keyof S];
type OptionalKeys<S> = { [K in keyof S]: S[K] extends Optional<unknown> ? K : never }[keyof S];

/** A schema of each field of a generated type, and of no other. */
export type FieldsOf<T> = Record<keyof T, Field<unknown> | Optional<unknown>>;

/** The type of an object that matches the schema. */
export type Infer<S> = {
  [K in RequiredKeys<S>]: S[K] extends Field<infer T> ? T : never;
} & {
  [K in OptionalKeys<S>]?: (S[K] extends Optional<infer T> ? T : never) | undefined;
} extends infer R
  ? { [K in keyof R]: R[K] }
  : never;

export class SchemaError extends Error {
  override readonly name = "SchemaError";
}

const is =
  <T>(kind: string, test: (value: T) => boolean): Field<T> =>
  (value, path) => {
    if (!test(value as T)) throw new SchemaError(`${path} is not ${kind}`);
    return value as T;
  };

export const string = is<string>("a string", (value) => typeof value === "string");
/** At most 2^53 - 1, so that a double holds it exactly. */
export const nonNegativeInt = is<number>("a non-negative integer", (value) => Number.isSafeInteger(value) && value >= 0);
/** In seconds; may have a fraction. */
export const duration = is<number>("a duration", (value) => typeof value === "number" && value >= 0);
export const boolean = is<boolean>("true or false", (value) => typeof value === "boolean");
/** RFC 3339. Stays a string, because callers only compare it after `Date.parse`. */
export const timestamp = is<string>("a time", (value) => typeof value === "string" && !Number.isNaN(Date.parse(value)));
const anyArray = is<unknown[]>("a list", Array.isArray);
export const anyObject = is<Record<string, unknown>>("an object", (value) => typeof value === "object" && !!value && !Array.isArray(value));

/** One of the known values, or one that a later server adds: a schema must not reject those. */
export const openEnum = <const T extends string>(..._known: readonly T[]): Field<T> => string as Field<T>;

export function array<T>(item: Field<T>): Field<T[]> {
  return (value, path) => anyArray(value, path).map((element, index) => item(element, `${path}[${index}]`));
}

/** `null` is treated as absent. */
export function optional<T>(field: Field<T>): Optional<T> {
  return { optional: field };
}

/** A field that is always there; `null` is one of its values. */
export function nullable<T>(field: Field<T>): Field<T | null> {
  return (value, path) => (value === null || value === undefined ? null : field(value, path));
}

/** Drops fields that the schema does not name: the contract lets servers add fields. */
export function object<S extends Schema>(schema: S): Field<Infer<S>> {
  return (value, path) => {
    const source = anyObject(value, path);
    const parsed: Record<string, unknown> = {};

    for (const [name, field] of Object.entries(schema)) {
      const given = source[name];
      if (typeof field === "function") parsed[name] = field(given, `${path}.${name}`);
      else if (given !== undefined && given !== null) parsed[name] = field.optional(given, `${path}.${name}`);
    }

    return parsed as Infer<S>;
  };
}
