import { toErrorShape } from "./_error_shape.ts";
import { toObjectType } from "./_object_type.ts";

/** A value inside another, and how a path goes there, such as `.name` or `[3]`. */
export type Child = readonly [piece: string, value: unknown];

const NAME_REGEXP = /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u;

/**
 * Goes over the values directly inside an object, whatever its class.
 *
 * @param value The object.
 * @returns The values, each with its piece of a path.
 */
export function* childrenOf(value: object): Generator<Child> {
  switch (toObjectType(value)) {
    case "Map":
      if (value instanceof Map) yield* entriesOf(value);
      return;
    case "Set":
      if (value instanceof Set) {
        let i = 0;
        for (const item of value) yield [`.values()[${i++}]`, item];
      }
      return;
    case "Error":
      if (value instanceof Error) {
        const { hidden, fields } = toErrorShape(value);
        for (const [key, field] of [...hidden, ...fields]) yield [toNamePiece(key), field];
      }
      return;
    case "Array":
      for (const key of Object.keys(value)) {
        yield [isIndex(key) ? `[${key}]` : toNamePiece(key), Reflect.get(value, key)];
      }
      return;
    case "Object":
    case "NullObject":
    case "Instance":
      for (const key of Object.keys(value)) yield [toNamePiece(key), Reflect.get(value, key)];
  }
}

function* entriesOf(map: Map<unknown, unknown>): Generator<Child> {
  let i = 0;
  for (const [key, value] of map) {
    yield [`.keys()[${i}]`, key];
    yield [toGetPiece(key) ?? `.values()[${i}]`, value];
    i++;
  }
}

function toNamePiece(key: string): string {
  return NAME_REGEXP.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}

function toGetPiece(key: unknown): string | undefined {
  if (typeof key === "string") return `.get(${JSON.stringify(key)})`;
  if (typeof key === "bigint") return `.get(${key}n)`;
  const plain = typeof key === "number" || typeof key === "boolean" || key === null;
  return plain ? `.get(${Object.is(key, -0) ? "-0" : String(key)})` : undefined;
}

/**
 * Tells whether a key of an array is the index of an element.
 *
 * @param key The key, as `Object.keys()` gives it.
 * @returns Whether it counts as an element.
 */
export function isIndex(key: string): boolean {
  const index = Number(key);
  return index >= 0 && index < 2 ** 32 - 1 && String(index >>> 0) === key;
}

/**
 * Gives the keys of an array that are not elements.
 *
 * @param array The array.
 * @returns Its own enumerable keys but the indices.
 */
export function namedKeysOf(array: readonly unknown[]): string[] {
  const keys = Object.keys(array);
  const last = keys.at(-1);
  // Indices come first, so an array without names, however long, needs only one look.
  return last === undefined || isIndex(last) ? [] : keys.filter((key) => !isIndex(key));
}
