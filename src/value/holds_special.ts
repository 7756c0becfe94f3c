import { classOf, isOfPlatform } from "./class_registry.ts";

/** How many objects are looked at before those are noted that were. */
const MAX_OBJECTS = 200;
/** How deep a value is followed on the stack. */
const MAX_STACK = 50;
/** Deeper than this, structured clone may run out of stack, on the one side or on the other. */
const MAX_DEPTH = 500;
/** Longer arrays may consist of holes, which are not looked at one by one. */
const MAX_LENGTH = 10_000_000;
/** So long an array may have properties that are no elements, such as a match of a RegExp has. */
const MAX_NAMED = 64;

/** What structured clone carries as it is, and has nothing inside. */
const LEAVES: ReadonlySet<object> = new Set<object>([
  Date.prototype,
  RegExp.prototype,
  Boolean.prototype,
  Number.prototype,
  String.prototype,
  BigInt.prototype,
]);

/**
 * Tells whether values are, or hold, something that structured clone refuses, changes, or silently
 * makes an empty object of: functions, errors, URLs, `Headers`… What it makes plain objects of has no
 * such thing by itself. Nearly every value ends here, so that this is made to cost next to nothing.
 *
 * @returns Whether they have to go by `toCarried()`.
 */
export function holdsSpecial(values: readonly unknown[]): boolean {
  for (let index = 0; index < values.length; index++) {
    const value = values[index];
    const type = typeof value;
    if (type !== "object" && type !== "function" && type !== "symbol") continue;
    const left = seek(value, MAX_STACK, MAX_OBJECTS);
    if (left === FOUND || left <= 0 && seekAll(value)) return true;
  }
  return false;
}

/** Less than any number of objects. */
const FOUND = -Infinity;

/** Looks on the stack; gives how many objects are left, `FOUND`, or 0 when that was too little. */
function seek(value: unknown, depth: number, left: number): number {
  if (typeof value !== "object") return isPrimitive(value) ? left : FOUND;
  if (value === null) return left;
  const inside = toInside(value);
  if (inside === "special") return FOUND;
  if (inside === "leaf") return left - 1;
  if (depth === 0) return 0;
  let rest = left - 1;
  for (let index = 0; index < inside.length && rest > 0; index++) {
    const part = inside[index];
    if (typeof part === "object" || !isPrimitive(part)) rest = seek(part, depth - 1, rest);
  }
  return rest;
}

/** Looks at each object once, however many there are and however deep they are nested. */
function seekAll(root: unknown): boolean {
  const seen = new Set<unknown>([root]);
  let level: unknown[] = [root];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) return true;
    const next: unknown[] = [];
    for (const value of level) {
      if (typeof value !== "object" || value === null) {
        if (!isPrimitive(value)) return true;
        continue;
      }
      const inside = toInside(value);
      if (inside === "special") return true;
      if (inside === "leaf") continue;
      for (let index = 0; index < inside.length; index++) {
        const part = inside[index];
        if (typeof part === "object" ? part === null || seen.has(part) : isPrimitive(part)) {
          continue;
        }
        seen.add(part);
        next.push(part);
      }
    }
    level = next;
  }
  return false;
}

function isPrimitive(value: unknown): boolean {
  return typeof value !== "function" && typeof value !== "symbol";
}

/** The values inside of an object; what throws when it is read is for who names the place. */
function toInside(value: object): "leaf" | "special" | readonly unknown[] {
  try {
    const prototype: object | null = Object.getPrototypeOf(value);
    if (prototype === Object.prototype) return Object.values(value);
    if (prototype === Array.prototype && Array.isArray(value)) return toItems(value);
    // Structured clone gives it one.
    if (prototype === null || classOf(prototype) !== undefined) return "special";
    if (Array.isArray(value)) return toItems(value);
    if (ArrayBuffer.isView(value) || LEAVES.has(prototype)) return "leaf";
    if (prototype === ArrayBuffer.prototype || prototype === SharedArrayBuffer.prototype) {
      return "leaf";
    }
    if (prototype === Map.prototype) {
      const inside: unknown[] = [];
      // Not what a proxy says: it is no Map.
      Map.prototype.forEach.call(value, (item, key) => void inside.push(key, item));
      return inside;
    }
    if (prototype === Set.prototype) {
      return [...Set.prototype.values.call(value as Set<unknown>)];
    }
    return isPlainClass(prototype) ? toFields(value) : "special";
  } catch {
    return "special";
  }
}

function toItems(array: readonly unknown[]): readonly unknown[] {
  const { length } = array;
  if (length > MAX_LENGTH) return Object.values(array);
  if (length > MAX_NAMED) return array;
  const values = Object.values(array);
  return values.length > length ? values : array;
}

/** An instance without fields may hold what no clone sees. */
function toFields(value: object): "special" | readonly unknown[] {
  const fields = Object.values(value);
  return fields.length === 0 ? "special" : fields;
}

/** Whether a class extends nothing, and is none of the platform's. */
function isPlainClass(prototype: object): boolean {
  return Object.getPrototypeOf(prototype) === Object.prototype && !isOfPlatform(prototype);
}
