/**
 * Values as JSON that loses nothing. What JSON has is itself; whatever else there is, is an object with one
 * key that begins with `$`:
 *
 * | value                              | JSON                                                 |
 * | ---------------------------------- | ---------------------------------------------------- |
 * | `NaN`, `Infinity`, `-Infinity`, −0 | `{"$number": "NaN"}`                                 |
 * | `undefined`                        | `{"$undefined": true}`                               |
 * | a bigint                           | `{"$bigint": "12"}`                                  |
 * | a date                             | `{"$date": "2026-01-01T00:00:00.000Z"}`, or `null`   |
 * | a regular expression               | `{"$regexp": ["a+", "g"]}`                           |
 * | a Map, a Set                       | `{"$map": [[key, value], …]}`, `{"$set": [value, …]}` |
 * | a typed array                      | `{"$Float64Array": [0.5, …]}`                        |
 * | a buffer or DataView               | `{"$bytes": "<base64>"}`                             |
 * | an error                           | `{"$error": {"name": …, "message": …}}`              |
 * | an object of another class         | `{"$object": ["Name", {…}]}`                         |
 * | what contains this place           | `{"$cycle": 2}`: so many levels up                   |
 * | an object with a key like these    | `{"$plain": [[key, value], …]}`                      |
 *
 * What stands in two places is written twice.
 *
 * @module
 */

/**
 * Writes a value as JSON, in one line.
 *
 * @param value Any value that structured clone carries.
 */
export function toExactJson(value: unknown): string {
  return JSON.stringify(toJson(value, []));
}

/** What JSON.stringify writes as it is. */
type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

function toJson(value: unknown, around: readonly object[]): Json {
  switch (typeof value) {
    case "string":
    case "boolean":
      return value;
    case "number":
      return Number.isFinite(value) && !Object.is(value, -0)
        ? value
        : { $number: Object.is(value, -0) ? "-0" : String(value) };
    case "bigint":
      return { $bigint: String(value) };
    case "object":
      return value === null ? null : toJsonObject(value, around);
    default:
      return { $undefined: true };
  }
}

function toJsonObject(value: object, around: readonly object[]): Json {
  const level = around.lastIndexOf(value);
  if (level >= 0) return { $cycle: around.length - level };
  const inside = [...around, value];
  const nest = (item: unknown) => toJson(item, inside);
  if (Array.isArray(value)) return Array.from(value, nest);
  if (value instanceof Date) {
    return { $date: Number.isNaN(value.getTime()) ? null : value.toISOString() };
  }
  if (value instanceof RegExp) return { $regexp: [value.source, value.flags] };
  if (value instanceof Map) return { $map: Array.from(value, (entry) => entry.map(nest)) };
  if (value instanceof Set) return { $set: Array.from(value, nest) };
  if (value instanceof DataView) {
    return { $bytes: new Uint8Array(value.buffer, value.byteOffset, value.byteLength).toBase64() };
  }
  if (value instanceof ArrayBuffer) return { $bytes: new Uint8Array(value).toBase64() };
  if (ArrayBuffer.isView(value)) return { [`$${nameOf(value)}`]: itemsOf(value).map(nest) };
  if (value instanceof Error) return toJsonError(value, nest);
  const prototype: unknown = Object.getPrototypeOf(value);
  const isPlain = prototype === null || prototype === Object.prototype;
  const fields = toFields(value, nest);
  return isPlain ? fields : { $object: [nameOf(value), fields] };
}

function itemsOf(value: ArrayBufferView): unknown[] {
  return Symbol.iterator in value ? Array.from(value as Iterable<unknown>) : [];
}

function toJsonError(value: Error, nest: (item: unknown) => Json): Json {
  const { name, message, stack, cause, ...own } = value;
  return {
    $error: {
      name,
      message,
      ...(stack !== undefined && { stack }),
      ...(cause !== undefined && { cause: nest(cause) }),
      ...(value instanceof AggregateError && { errors: value.errors.map(nest) }),
      ...(Object.keys(own).length > 0 && { fields: toFields(own, nest) }),
    },
  };
}

function toFields(value: object, nest: (item: unknown) => Json): Json {
  const entries = Object.entries(value).map(([key, item]) => [key, nest(item)] as const);
  // Whoever reads it must be able to tell a key of a value from one of the table above.
  return entries.some(([key]) => key.startsWith("$"))
    ? { $plain: entries }
    : Object.fromEntries(entries);
}

function nameOf(value: object): string {
  const { name } = value.constructor ?? {};
  return typeof name === "string" ? name : "Object";
}
