import { createHash } from "node:crypto";
import { Crate, Sealed } from "../value/arbitrary_value.ts";

/** A value laid out as JSON, as `format_reader.py` does it. */
export interface ValueDescription {
  readonly root: unknown;
  readonly nodes: readonly unknown[];
}

/**
 * Lays a value out as JSON: what the object is made of, in the order in which objects are met. It is
 * written without the code that it is compared with.
 */
export function describeValue(value: unknown): ValueDescription {
  const objects = new Map<object, number>();
  const slot = (value: unknown): unknown => {
    if (value === undefined) return ["undefined"];
    if (typeof value === "number") return ["number", toHex(value)];
    if (typeof value === "bigint") return ["bigint", value.toString(16)];
    if (typeof value !== "object" || value === null) return value;
    const index = objects.get(value) ?? objects.size;
    objects.set(value, index);
    return [index];
  };
  const root = slot(value);
  const nodes: unknown[] = [];
  // The map grows while it is gone over.
  for (const object of objects.keys()) nodes.push(layOut(object, slot));
  return { root, nodes };
}

type Slot = (value: unknown) => unknown;

function toHex(number: number): string {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, Number.isNaN(number) ? NaN : number, true);
  return bytes.toHex();
}

function layOut(object: object, slot: Slot): unknown[] {
  const keys = Object.keys(object);
  const pairs = (keys: readonly string[]) =>
    keys.map((key) => [key, slot(Reflect.get(object, key))]);
  if (object instanceof Error) return layOutError(object, slot);
  if (ArrayBuffer.isView(object)) {
    const bytes = new Uint8Array(object.buffer, object.byteOffset, object.byteLength);
    return [object.constructor.name, ...toSum(bytes)];
  }
  if (object instanceof ArrayBuffer || object instanceof SharedArrayBuffer) {
    return [object.constructor.name, ...toSum(new Uint8Array(object))];
  }
  if (object instanceof Map) return ["Map", [...object].map((entry) => entry.map(slot))];
  if (object instanceof Set) return ["Set", [...object].map(slot)];
  if (object instanceof Date) return ["Date", slot(object.getTime())];
  if (object instanceof Crate) {
    return ["Registered", "crate", slot(1), slot({ content: object.content })];
  }
  if (object instanceof Sealed) return ["Registered", "sealed", "b", slot([object.content])];
  if (object instanceof Temporal.ZonedDateTime) {
    const { epochNanoseconds, timeZoneId, calendarId } = object;
    return ["Temporal", "ZonedDateTime", `${epochNanoseconds} ${timeZoneId} ${calendarId}`];
  }
  if (object instanceof Temporal.Duration) {
    const { years, months, weeks, days, hours, minutes, seconds } = object;
    const { milliseconds, microseconds, nanoseconds } = object;
    const date = `${years},${months},${weeks},${days},${hours},${minutes},${seconds}`;
    return ["Temporal", "Duration", `${date},${milliseconds},${microseconds},${nanoseconds}`];
  }
  const tag = Object.prototype.toString.call(object);
  if (tag.startsWith("[object Temporal.")) {
    const write: unknown = Reflect.get(object, "toString");
    if (typeof write !== "function") throw new TypeError(`${tag} has no text`);
    const text: unknown = Reflect.apply(write, object, [{ calendarName: "always" }]);
    return ["Temporal", tag.slice("[object Temporal.".length, -1), text];
  }
  if (object instanceof URL) return ["URL", object.href];
  if (object instanceof URLSearchParams) return ["URLSearchParams", object.toString()];
  if (object instanceof RegExp) return ["RegExp", object.source, object.flags];
  if (Array.isArray(object)) {
    const items = keys.filter(isIndex).map((key) => [Number(key), slot(object[Number(key)])]);
    return ["Array", object.length, items, pairs(keys.filter((key) => !isIndex(key)))];
  }
  const prototype: unknown = Object.getPrototypeOf(object);
  if (prototype === null || prototype === Object.prototype) {
    return [prototype === null ? "NullObject" : "Object", pairs(keys)];
  }
  return ["Boxed", slot(object.valueOf())];
}

function isIndex(key: string): boolean {
  return /^(0|[1-9]\d*)$/.test(key) && Number(key) < 2 ** 32 - 1;
}

function toSum(bytes: Uint8Array): unknown[] {
  return [bytes.length, createHash("sha256").update(bytes).digest("hex")];
}

const HIDDEN = ["cause", "errors", "error", "suppressed"];

function layOutError(error: Error, slot: Slot): unknown[] {
  const pairs = (keys: readonly string[]) =>
    keys.map((key) => [key, slot(Reflect.get(error, key))]);
  const builtIn = toBuiltIn(error);
  const own = error.constructor.name;
  const name = own === builtIn || builtIn === `Deno.errors.${own}` || own === "" ? error.name : own;
  const hasMessage = Object.hasOwn(error, "message") || error.message !== "";
  const message = hasMessage ? error.message : undefined;
  const keys = Object.keys(error).filter((key) => !["name", "message", "stack"].includes(key));
  return [
    "Error",
    [builtIn, name, message, error.stack].map(slot),
    pairs(HIDDEN.filter((key) => Object.hasOwn(error, key))),
    pairs(keys.filter((key) => !HIDDEN.includes(key))),
  ];
}

/** The name of the nearest class that is there everywhere. */
function toBuiltIn(error: Error): string {
  let prototype: unknown = Object.getPrototypeOf(error);
  while (prototype instanceof Error || prototype === Error.prototype) {
    const { name } = prototype.constructor;
    if (Reflect.get(globalThis, name) === prototype.constructor) return name;
    if (Reflect.get(Deno.errors, name) === prototype.constructor) return `Deno.errors.${name}`;
    prototype = Object.getPrototypeOf(prototype);
  }
  return "Error";
}
