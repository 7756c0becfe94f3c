/** Tells which parts of a value are meant. */
export type IsPart = (value: unknown) => boolean;

/**
 * Tells whether a value is such a part, or has one in arrays, plain objects, Maps and Sets at any
 * depth.
 *
 * @param value The value.
 * @param isPart Tells which parts are meant.
 * @returns Whether there is one.
 */
export function hasPart(value: unknown, isPart: IsPart): boolean {
  if (typeof value === "object" && value !== null) return hasInside(value, isPart, new Set());
  return isPart(value);
}

function hasInside(value: object, isPart: IsPart, seen: Set<object>): boolean {
  if (isPart(value)) return true;
  const parts = partsOf(value);
  if (parts === undefined || seen.has(value)) return false;
  seen.add(value);
  for (const part of parts) {
    if (typeof part === "object" && part !== null) {
      if (hasInside(part, isPart, seen)) return true;
    } else if (isPart(part)) return true;
  }
  return false;
}

/**
 * Puts others in the places of parts of a value. What has none of them is not copied.
 *
 * @param value The value.
 * @param isPart Tells which parts are meant.
 * @param replace Gives what takes the place of one.
 * @returns The value, or a copy of what is around the parts.
 */
export function replaceParts(
  value: unknown,
  isPart: IsPart,
  replace: (part: unknown) => unknown,
): unknown {
  const copies = new Map<object, object>();
  const copyOf = (value: unknown): unknown => {
    if (isPart(value)) return replace(value);
    if (typeof value !== "object" || value === null || !hasPart(value, isPart)) return value;
    const known = copies.get(value);
    if (known !== undefined) return known;
    // Known before it is filled: it may be a part of itself.
    const copy = createLike(value);
    copies.set(value, copy);
    fill(copy, value, copyOf);
    return copy;
  };
  return copyOf(value);
}

function partsOf(value: object): Iterable<unknown> | undefined {
  if (Array.isArray(value) || value instanceof Set) return value;
  if (value instanceof Map) return [...value.keys(), ...value.values()];
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null ? Object.values(value) : undefined;
}

function createLike(value: object): object {
  if (Array.isArray(value)) return [];
  if (value instanceof Set) return new Set();
  return value instanceof Map ? new Map() : Object.create(Object.getPrototypeOf(value));
}

function fill(copy: object, value: object, copyOf: (part: unknown) => unknown): void {
  if (Array.isArray(copy) && Array.isArray(value)) copy.push(...value.map(copyOf));
  else if (copy instanceof Set && value instanceof Set) {
    for (const item of value) copy.add(copyOf(item));
  } else if (copy instanceof Map && value instanceof Map) {
    for (const [key, item] of value) copy.set(copyOf(key), copyOf(item));
  } else {
    for (const [field, item] of Object.entries(value)) {
      // Defined, not assigned: a field may be called `__proto__`.
      Object.defineProperty(copy, field, {
        value: copyOf(item),
        configurable: true,
        enumerable: true,
        writable: true,
      });
    }
  }
}
