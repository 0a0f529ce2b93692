// Describes JSON by shape, so that one description gives both the TypeScript type and the check at the edge.

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
  [K in OptionalKeys<S>]?: S[K] extends Optional<infer T> ? T : never;
} extends infer R
  ? { [K in keyof R]: R[K] }
  : never;

export class ShapeError extends Error {
  override readonly name = "ShapeError";
}

export const text: Field<string> = (value, path) => {
  if (typeof value !== "string") throw new ShapeError(`${path} is not a string`);
  return value;
};

/** A whole number, zero or above, that a double holds exactly. */
export const count: Field<number> = (value, path) => {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw new ShapeError(`${path} is not a count`);
  return value as number;
};

/** Seconds may come with a fraction. */
export const duration: Field<number> = (value, path) => {
  if (typeof value !== "number" || !(value >= 0)) throw new ShapeError(`${path} is not a duration`);
  return value;
};

export const flag: Field<boolean> = (value, path) => {
  if (typeof value !== "boolean") throw new ShapeError(`${path} is not true or false`);
  return value;
};

/** A point in time as RFC 3339; kept as text, because it is only ever compared after `Date.parse`. */
export const time: Field<string> = (value, path) => {
  if (typeof value !== "string" || Number.isNaN(Date.parse(value))) throw new ShapeError(`${path} is not a time`);
  return value;
};

export function oneOf<const T extends string>(...allowed: readonly T[]): Field<T> {
  return (value, path) => {
    const found = allowed.find((candidate) => candidate === value);
    if (found === undefined) throw new ShapeError(`${path} is none of ${allowed.join(", ")}`);
    return found;
  };
}

export function list<T>(item: Field<T>): Field<T[]> {
  return (value, path) => {
    if (!Array.isArray(value)) throw new ShapeError(`${path} is not a list`);
    return value.map((element, index) => item(element, `${path}[${index}]`));
  };
}

/** `null` counts as absent. */
export function optional<T>(field: Field<T>): Optional<T> {
  return { optional: field };
}

/** Fields that the shape does not name are dropped: the contract lets servers add some. */
export function record<S extends Shape>(shape: S): Field<Read<S>> {
  return (value, path) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new ShapeError(`${path} is not an object`);
    }
    const source = value as Record<string, unknown>;
    const read: Record<string, unknown> = {};
    for (const [name, field] of Object.entries(shape)) {
      const given = source[name];
      if (typeof field === "function") read[name] = field(given, `${path}.${name}`);
      else if (given !== undefined && given !== null) read[name] = field.optional(given, `${path}.${name}`);
    }
    return read as Read<S>;
  };
}
