// Describes JSON by shape, so that one description gives both the TypeScript type and a check. The package itself uses only the
// types (docs/decisions/0016-the-sdk-believes-its-server.md): the tests hold the samples to the shapes, the operators' page its server.

/** Reads a value or throws `ShapeError`. */
export type Field<T> = (value: unknown, path: string) => T;

export interface Optional<T> {
  readonly optional: Field<T>;
}

export type Shape = Record<string, Field<unknown> | Optional<unknown>>;

type RequiredKeys<S> = { [K in keyof S]: S[K] extends Optional<unknown> ? never : K }[keyof S];
type OptionalKeys<S> = { [K in keyof S]: S[K] extends Optional<unknown> ? K : never }[keyof S];

/** The type that a shape reads. */
export type Read<S> = {
  [K in RequiredKeys<S>]: S[K] extends Field<infer T> ? T : never;
} & {
  [K in OptionalKeys<S>]?: (S[K] extends Optional<infer T> ? T : never) | undefined;
} extends infer R
  ? { [K in keyof R]: R[K] }
  : never;

export class ShapeError extends Error {
  override readonly name = "ShapeError";
}

const is =
  <T>(kind: string, test: (value: T) => boolean): Field<T> =>
  (value, path) => {
    if (!test(value as T)) throw new ShapeError(`${path} is not ${kind}`);
    return value as T;
  };

export const text = is<string>("a string", (value) => typeof value === "string");
/** A whole number, zero or above, that a double holds exactly. */
export const count = is<number>("a count", (value) => Number.isSafeInteger(value) && value >= 0);
/** Seconds may come with a fraction. */
export const duration = is<number>("a duration", (value) => typeof value === "number" && value >= 0);
export const flag = is<boolean>("true or false", (value) => typeof value === "boolean");
/** A point in time as RFC 3339; kept as text, because it is only ever compared after `Date.parse`. */
export const time = is<string>("a time", (value) => typeof value === "string" && !Number.isNaN(Date.parse(value)));
const array = is<unknown[]>("a list", Array.isArray);
const object = is<Record<string, unknown>>("an object", (value) => typeof value === "object" && !!value && !Array.isArray(value));

/** One of these, or one that a later server knows. */
export const word = <const T extends string>(..._known: readonly T[]): Field<T> => text as Field<T>;

export function list<T>(item: Field<T>): Field<T[]> {
  return (value, path) => array(value, path).map((element, index) => item(element, `${path}[${index}]`));
}

/** `null` counts as absent. */
export function optional<T>(field: Field<T>): Optional<T> {
  return { optional: field };
}

/** Fields that the shape does not name are dropped: the contract lets servers add some. */
export function record<S extends Shape>(shape: S): Field<Read<S>> {
  return (value, path) => {
    const source = object(value, path);
    const read: Record<string, unknown> = {};
    for (const [name, field] of Object.entries(shape)) {
      const given = source[name];
      if (typeof field === "function") read[name] = field(given, `${path}.${name}`);
      else if (given !== undefined && given !== null) read[name] = field.optional(given, `${path}.${name}`);
    }
    return read as Read<S>;
  };
}
