import { Sealed } from "./arbitrary_value.ts";

/**
 * Says whether two values are the same to the last detail, sharing and cycles included: an oracle
 * for the digest, written without it.
 *
 * @param one One value.
 * @param other The other.
 * @param options Whether the order of keys and entries counts, and stacks.
 * @returns Whether they are the same.
 */
export function sameValue(
  one: unknown,
  other: unknown,
  pairs: Map<object, object> = new Map(),
): boolean {
  if (!isObject(one) || !isObject(other)) return Object.is(one, other);
  if (pairs.has(one)) return pairs.get(one) === other;
  if ([...pairs.values()].includes(other)) return false;
  pairs.set(one, other);
  if (Object.getPrototypeOf(one) !== Object.getPrototypeOf(other)) return false;
  const all = (a: readonly unknown[], b: readonly unknown[]) =>
    a.length === b.length && a.every((item, i) => sameValue(item, b[i], pairs));
  return all(describe(one), describe(other));
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** What an object is made of, in order. */
function describe(value: object): unknown[] {
  if (ArrayBuffer.isView(value)) {
    return [value.byteLength, ...new Uint8Array(value.buffer, value.byteOffset, value.byteLength)];
  }
  if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) {
    return [...new Uint8Array(value)];
  }
  if (value instanceof Map) return [...value].flat(1);
  if (value instanceof Set) return [...value];
  if (value instanceof Date) return [value.getTime()];
  if (value instanceof Sealed) return [value.content];
  if (value instanceof Temporal.ZonedDateTime) {
    return [value.epochNanoseconds, value.timeZoneId, value.calendarId];
  }
  if (value instanceof Temporal.Duration) {
    const { years, months, weeks, days, hours, minutes, seconds } = value;
    const { milliseconds, microseconds, nanoseconds } = value;
    return [
      ...[years, months, weeks, days, hours, minutes, seconds],
      ...[milliseconds, microseconds, nanoseconds],
    ];
  }
  if (Object.prototype.toString.call(value).startsWith("[object Temporal.")) {
    return [Reflect.apply(Reflect.get(value, "toString"), value, [{ calendarName: "always" }])];
  }
  if (value instanceof URL) return [value.href];
  if (value instanceof URLSearchParams) return [...value].flat();
  if (value instanceof RegExp) return [value.source, value.flags];
  if (value instanceof Error) {
    return [
      value.name,
      value.message,
      value.stack,
      "cause" in value,
      value.cause,
      value instanceof AggregateError ? value.errors : undefined,
      ...entriesOf(value),
    ];
  }
  if (Array.isArray(value)) return [value.length, ...entriesOf(value)];
  if (/^(Boolean|Number|String|BigInt)$/.test(value.constructor?.name ?? "")) {
    return [value.valueOf()];
  }
  return entriesOf(value);
}

function entriesOf(value: object): unknown[] {
  const keys = Object.keys(value).filter((key) => !(value instanceof Error && key === "name"));
  return keys.flatMap((key) => [key, Reflect.get(value, key)]);
}
