import { isPlainObject } from "./call_columns.ts";
import { toExactJson } from "./exact_json.ts";

/** A place in which two values differ. */
export interface Difference {
  /** Where: the names of fields and the numbers of items, `""` for the values themselves. */
  readonly path: string;
  /** What the first has there, if it has something. */
  readonly was?: { readonly value: unknown };
  /** What the second has there, if it has something. */
  readonly is?: { readonly value: unknown };
}

/** Below so many levels, values are compared as a whole. */
const DEEPEST = 100;

/**
 * Goes over the places in which two values differ.
 *
 * @param was The first.
 * @param is The second.
 * @param path Where they are.
 */
export function* compareValues(
  was: unknown,
  is: unknown,
  path = "",
  depth = 0,
): Generator<Difference> {
  if (Object.is(was, is)) return;
  if (isList(was) && isList(is) && kindOf(was) === kindOf(is) && depth < DEEPEST) {
    yield* compareLists(was, is, path, depth);
    return;
  }
  const [before, after] = depth < DEEPEST ? [toItems(was), toItems(is)] : [];
  if (before === undefined || after === undefined || kindOf(was) !== kindOf(is)) {
    if (isScalar(was) || isScalar(is) || toExactJson(was) !== toExactJson(is)) {
      yield { path, was: { value: was }, is: { value: is } };
    }
    return;
  }
  for (const [key, value] of before) {
    const place = `${path}/${key}`;
    if (!after.has(key)) yield { path: place, was: { value } };
    else yield* compareValues(value, after.get(key), place, depth + 1);
  }
  for (const [key, value] of after) {
    if (!before.has(key)) yield { path: `${path}/${key}`, is: { value } };
  }
}

/** Lists may be long, and are gone through as they are. */
function* compareLists(
  was: ArrayLike<unknown>,
  is: ArrayLike<unknown>,
  path: string,
  depth: number,
): Generator<Difference> {
  for (let i = 0; i < Math.max(was.length, is.length); i++) {
    const place = `${path}/${i}`;
    if (i >= is.length) yield { path: place, was: { value: was[i] } };
    else if (i >= was.length) yield { path: place, is: { value: is[i] } };
    else yield* compareValues(was[i], is[i], place, depth + 1);
  }
}

function isList(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && "length" in value);
}

function isScalar(value: unknown): boolean {
  return typeof value !== "object" || value === null;
}

function kindOf(value: unknown): string {
  return Object.prototype.toString.call(value);
}

/** What a value consists of, by what it is found by; nothing where it is compared as a whole. */
function toItems(value: unknown): ReadonlyMap<string, unknown> | undefined {
  if (value instanceof Map) {
    const keys = [...value.keys()];
    // Two keys may look alike only where they are no texts.
    return keys.every((key) => typeof key === "string") ? value : undefined;
  }
  return isPlainObject(value) ? new Map(Object.entries(value)) : undefined;
}
