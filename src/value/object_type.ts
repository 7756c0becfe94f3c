import * as types from "node:util/types";
import { InstanceError } from "../base/errors.ts";
import { isOfBuffers, TYPED_ARRAYS } from "./capture.ts";
import { classOf, StoredInstance, takeApart, temporalNameOf } from "./class_registry.ts";
import { toErrorShape } from "./error_shape.ts";
import { FileHandle } from "./file/file_handle.ts";
import { VALUE_KIND, type ValueKindName } from "./value.ts";

/** The name of a kind of array or buffer. */
export type ArrayKindName = Exclude<ValueKindName, "cbor" | "graph">;

/** An array of numbers, a view or a buffer. */
export type ArrayValue = ArrayBufferView | ArrayBufferLike;

/** The names of the typed arrays. */
const TYPED_ARRAY_NAMES = Object.keys(TYPED_ARRAYS).filter(isTypedArrayName);

function isTypedArrayName(name: string): name is keyof typeof TYPED_ARRAYS {
  return Object.hasOwn(TYPED_ARRAYS, name);
}

/**
 * Gives the size of an element of a typed array.
 *
 * @returns The size in bytes, or `undefined` for a buffer or DataView, which has no elements.
 */
export function toElementBytes(name: string): number | undefined {
  return isTypedArrayName(name) ? TYPED_ARRAYS[name].BYTES_PER_ELEMENT : undefined;
}

/**
 * Tells whether a kind is an array or a buffer.
 *
 * @param name The name of the kind.
 * @returns Whether it is.
 */
export function isArrayKind(name: string): name is ArrayKindName {
  return name !== "cbor" && name !== "graph" && Object.hasOwn(VALUE_KIND, name);
}

/**
 * Gives the bytes of an array or buffer.
 *
 * @param value The array, view or buffer.
 * @returns A view on its bytes and no others; a copy where they may change or move meanwhile.
 */
export function bytesOf(value: ArrayValue): Uint8Array<ArrayBuffer> {
  const buffer = ArrayBuffer.isView(value) ? value.buffer : value;
  const offset = ArrayBuffer.isView(value) ? value.byteOffset : 0;
  if (buffer instanceof ArrayBuffer && !buffer.resizable) {
    return new Uint8Array(buffer, offset, value.byteLength);
  }
  return new Uint8Array(new Uint8Array(buffer, offset, value.byteLength));
}

/**
 * Tells whether a view shows nothing because its resizable buffer has become too short for it.
 *
 * @param value The array, view or buffer.
 * @returns Whether it is out of bounds, or its buffer is detached.
 */
export function isOutOfBounds(value: object): boolean {
  if (!ArrayBuffer.isView(value)) return false;
  try {
    // To ask for their length is allowed of arrays, and 0; to look for an element is not.
    if (value instanceof DataView) return value.byteLength < 0;
    Reflect.apply(Uint8Array.prototype.at, value, [0]);
    return false;
  } catch {
    return true;
  }
}

/**
 * Makes an array or buffer of bytes that it may keep.
 *
 * @param bytes The bytes, which the result may be a view on.
 * @returns The array, view or buffer.
 * @throws {SyntaxError} If the bytes are no whole number of elements.
 */
export function fromBytes(name: ArrayKindName, bytes: Uint8Array<ArrayBuffer>): ArrayValue {
  if (isTypedArrayName(name)) return toTypedArray(name, bytes);
  if (name === "DataView") return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (name === "ArrayBuffer") {
    return bytes.byteLength === bytes.buffer.byteLength ? bytes.buffer : bytes.slice().buffer;
  }
  const shared = new SharedArrayBuffer(bytes.byteLength);
  new Uint8Array(shared).set(bytes);
  return shared;
}

function toTypedArray(
  name: keyof typeof TYPED_ARRAYS,
  bytes: Uint8Array<ArrayBuffer>,
): ArrayBufferView {
  const Class = TYPED_ARRAYS[name];
  const length = bytes.byteLength / Class.BYTES_PER_ELEMENT;
  if (!Number.isInteger(length)) {
    throw new SyntaxError(`Cannot decode a ${name}: it has ${bytes.byteLength} bytes`);
  }
  const aligned = bytes.byteOffset % Class.BYTES_PER_ELEMENT === 0 ? bytes : bytes.slice();
  return new Class(aligned.buffer, aligned.byteOffset, length);
}

/** What an object is, as far as structured clone tells objects apart. */
export type ObjectType =
  | "Object"
  | "NullObject"
  | "Array"
  | "Map"
  | "Set"
  | "Date"
  | "RegExp"
  | "Boxed"
  | "Error"
  | "URL"
  | "URLSearchParams"
  | "File"
  | "Temporal"
  | "Registered"
  | ArrayKindName
  | "Instance";

/** How the objects of a class of `Temporal` are texts and back, down to the last detail. */
interface TemporalType {
  /** Throws of what only poses as one. */
  readonly toText: (value: object) => string;
  /** Throws of what is no such text. */
  readonly fromText: (text: string) => object;
}

/** The fields of a duration: its standard text has milliseconds as a part of a second. */
const DURATION_FIELDS = [
  ...["years", "months", "weeks", "days", "hours", "minutes", "seconds"],
  ...["milliseconds", "microseconds", "nanoseconds"],
];

/** The standard text, with the calendar. */
function toStandardText(value: object): string {
  const prototype: object = Object.getPrototypeOf(value);
  const write: unknown = Reflect.get(prototype, "toString");
  if (typeof write !== "function") throw new TypeError("Cannot write it as a text");
  return String(Reflect.apply(write, value, [{ calendarName: "always" }]));
}

function toFields(value: object, fields: readonly string[]): readonly unknown[] {
  const prototype: object = Object.getPrototypeOf(value);
  return fields.map((field) => Reflect.get(prototype, field, value));
}

function standard(fromText: TemporalType["fromText"]): TemporalType {
  return { toText: toStandardText, fromText };
}

/** Year, month and day of ISO 8601, and the calendar: of a month one day counts that is not seen. */
const ISO_DATE_REGEXP = /^([+-]?\d+)-(\d\d)-(\d\d)\[u-ca=([^\]]+)\]$/;

function readIsoDate(text: string): readonly [number, number, number, string] {
  const [, year, month, day, calendar = ""] = ISO_DATE_REGEXP.exec(text) ?? [];
  return [Number(year), Number(month), Number(day), calendar];
}

const TEMPORAL_TYPES: { readonly [name: string]: TemporalType } = {
  Instant: standard((text) => Temporal.Instant.from(text)),
  PlainDate: standard((text) => Temporal.PlainDate.from(text)),
  PlainDateTime: standard((text) => Temporal.PlainDateTime.from(text)),
  PlainTime: standard((text) => Temporal.PlainTime.from(text)),
  PlainMonthDay: standard((text) => {
    const [year, month, day, calendar] = readIsoDate(text);
    return new Temporal.PlainMonthDay(month, day, calendar, year);
  }),
  PlainYearMonth: standard((text) => {
    const [year, month, day, calendar] = readIsoDate(text);
    return new Temporal.PlainYearMonth(year, month, calendar, day);
  }),
  Duration: {
    toText: (value) => toFields(value, DURATION_FIELDS).join(),
    fromText: (text) => new Temporal.Duration(...text.split(",").map(Number)),
  },
  // Its standard text rounds the distance from UTC, and what a zone is may change.
  ZonedDateTime: {
    toText: (value) => toFields(value, ["epochNanoseconds", "timeZoneId", "calendarId"]).join(" "),
    fromText(text) {
      const [nanoseconds = "", zone = "", calendar = ""] = text.split(" ");
      return new Temporal.ZonedDateTime(BigInt(nanoseconds), zone, calendar);
    },
  },
};

/**
 * Writes an object of `Temporal` as a text.
 *
 * @returns The name of its class, and the text.
 */
export function fromTemporal(value: object): readonly [name: string, text: string] {
  const name = temporalNameOf(Object.getPrototypeOf(value)) ?? "";
  const type = TEMPORAL_TYPES[name];
  if (type === undefined) throw new TypeError("Cannot write what is no Temporal object");
  return [name, type.toText(value)];
}

/**
 * Reads an object of `Temporal`.
 *
 * @param name The name of its class.
 * @param text What {@linkcode fromTemporal} has written.
 * @returns The object, or `undefined` if they say nothing.
 */
export function toTemporal(name: string, text: string): object | undefined {
  if (!Object.hasOwn(TEMPORAL_TYPES, name)) return undefined;
  try {
    return TEMPORAL_TYPES[name]?.fromText(text);
  } catch {
    return undefined;
  }
}

/** A type, and what tells whether an object has the inner slots that the prototype promises. */
type Promised = readonly [type: ObjectType, isGenuine: (value: object) => boolean];

const BY_PROTOTYPE: ReadonlyMap<object, Promised> = new Map<object, Promised>([
  [Map.prototype, ["Map", types.isMap]],
  [Set.prototype, ["Set", types.isSet]],
  [Date.prototype, ["Date", types.isDate]],
  [RegExp.prototype, ["RegExp", types.isRegExp]],
  [Boolean.prototype, ["Boxed", isBoxed]],
  [Number.prototype, ["Boxed", isBoxed]],
  [String.prototype, ["Boxed", isBoxed]],
  [BigInt.prototype, ["Boxed", isBoxed]],
  [URL.prototype, ["URL", isOfWeb]],
  [URLSearchParams.prototype, ["URLSearchParams", isOfWeb]],
  [FileHandle.prototype, ["File", isFile]],
  [StoredInstance.prototype, ["Registered", () => true]],
  [ArrayBuffer.prototype, ["ArrayBuffer", hasBytes]],
  [SharedArrayBuffer.prototype, ["SharedArrayBuffer", hasBytes]],
  [DataView.prototype, ["DataView", hasBytes]],
  ...TYPED_ARRAY_NAMES.map((name) => [TYPED_ARRAYS[name].prototype, [name, hasBytes]] as const),
]);

/**
 * Tells what an object is. Instances of the user's classes are `"Instance"`, if these are not
 * registered, and so is everything that only poses as something else; subclasses of `Error` are errors. A proxy of a plain object or
 * an array is not told from these: {@linkcode isProxy} asks, which for each object of many would take
 * a fifteenth of the time of their digest.
 *
 * @param value An object or a function.
 */
export function toObjectType(value: object): ObjectType {
  if (typeof value === "function") return "Instance";
  const prototype: object | null = Object.getPrototypeOf(value);
  if (prototype === Object.prototype) return "Object";
  if (prototype === Array.prototype && Array.isArray(value)) return "Array";
  if (prototype === null || value instanceof Error) {
    if (types.isProxy(value)) return "Instance";
    return prototype === null ? "NullObject" : "Error";
  }
  const known = BY_PROTOTYPE.get(prototype) ??
    (isOfBuffers(prototype) ? BY_PROTOTYPE.get(Uint8Array.prototype) : undefined);
  if (known?.[1](value)) return known[0];
  if (known !== undefined) return "Instance";
  if (classOf(prototype) !== undefined) return types.isProxy(value) ? "Instance" : "Registered";
  return isTemporal(value, prototype) ? "Temporal" : "Instance";
}

/**
 * Tells whether what inherits from a prototype is a value by itself, and not an instance of a class that
 * somebody could register.
 *
 * @returns Whether it is.
 */
export function hasTypeOfItsOwn(prototype: object): boolean {
  return prototype === Object.prototype || prototype === Array.prototype ||
    prototype === Promise.prototype || BY_PROTOTYPE.has(prototype) || isOfBuffers(prototype) ||
    temporalNameOf(prototype) !== undefined;
}

/**
 * Tells whether an object is a proxy, of which nobody can say what it will be the next time.
 *
 * @returns Whether it is one.
 */
export const isProxy: (value: object) => boolean = types.isProxy;

function hasBytes(value: object): boolean {
  return ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value);
}

function isTemporal(value: object, prototype: object): boolean {
  try {
    return temporalNameOf(prototype) !== undefined && fromTemporal(value)[1] !== "";
  } catch {
    return false;
  }
}

/** Whether an object is a handle, and does not only inherit from one. */
function isFile(value: object): boolean {
  return FileHandle.isGenuine(value);
}

function isBoxed(value: object): boolean {
  return types.isBoxedPrimitive(value) && !types.isSymbolObject(value);
}

/** Whether an object is one that the platform has made: what only inherits has no text. */
function isOfWeb(value: object): boolean {
  if (types.isProxy(value)) return false;
  try {
    String(value);
    return true;
  } catch {
    return false;
  }
}

/**
 * Tells what structured clone makes of an instance: a Map of what extends Map, a plain object of what
 * extends nothing.
 */
export function toBaseType(value: object): ObjectType {
  if (Array.isArray(value)) return "Array";
  if (types.isMap(value)) return "Map";
  if (types.isSet(value)) return "Set";
  if (types.isDate(value)) return "Date";
  if (types.isRegExp(value)) return "RegExp";
  return isBoxed(value) ? "Boxed" : "Object";
}

/**
 * Tells whether an object of a type is an array or a buffer.
 *
 * @param type What {@linkcode toObjectType} says of it.
 * @returns Whether it has bytes.
 */
export function isArrayValue(value: object, type: ObjectType): value is ArrayValue & object {
  return isArrayKind(type) && hasBytes(value);
}

/**
 * Gives the name of an object's class.
 *
 * @returns The name, or `""`.
 */
export function toClassName(value: object): string {
  const name: unknown = value.constructor?.name;
  return typeof name === "string" ? name : "";
}

/** A value inside another, and how a path goes there, such as `.name` or `[3]`. */
export type Child = readonly [piece: string, value: unknown];

const NAME_REGEXP = /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u;

/**
 * Goes over the values directly inside an object, whatever its class.
 *
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
    case "Registered":
      yield* dataOf(value);
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

/** An instance whose `toData` fails has nothing inside: who needs what it gives says so. */
function* dataOf(value: object): Generator<Child> {
  let data: unknown;
  try {
    ({ data } = takeApart(value));
  } catch (error) {
    if (error instanceof InstanceError) return;
    throw error;
  }
  yield [".toData()", data];
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
 * @returns Its own enumerable keys but the indices.
 */
export function namedKeysOf(array: readonly unknown[]): string[] {
  const keys = Object.keys(array);
  const last = keys.at(-1);
  // Indices come first, so an array without names, however long, needs only one look.
  return last === undefined || isIndex(last) ? [] : keys.filter((key) => !isIndex(key));
}
