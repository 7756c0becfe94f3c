import * as types from "node:util/types";
import {
  type ArrayKindName,
  type ArrayValue,
  isArrayKind,
  TYPED_ARRAY_NAMES,
} from "./_array_bytes.ts";

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
  | ArrayKindName
  | "Instance";

const BY_PROTOTYPE: ReadonlyMap<object, ObjectType> = new Map<object, ObjectType>([
  [Object.prototype, "Object"],
  [Array.prototype, "Array"],
  [Map.prototype, "Map"],
  [Set.prototype, "Set"],
  [Date.prototype, "Date"],
  [RegExp.prototype, "RegExp"],
  [Boolean.prototype, "Boxed"],
  [Number.prototype, "Boxed"],
  [String.prototype, "Boxed"],
  [BigInt.prototype, "Boxed"],
  [URL.prototype, "URL"],
  [URLSearchParams.prototype, "URLSearchParams"],
  [ArrayBuffer.prototype, "ArrayBuffer"],
  [SharedArrayBuffer.prototype, "SharedArrayBuffer"],
  [DataView.prototype, "DataView"],
  ...TYPED_ARRAY_NAMES.map((name) => [globalThis[name].prototype, name] as const),
]);

/**
 * Tells what an object is. Instances of the user's classes are `"Instance"`, and so is everything
 * that only poses as something else; subclasses of `Error` are errors. A proxy of a plain object or
 * an array is not told from these: {@linkcode isProxy} asks, which for each object of many would take
 * a fifteenth of the time of their digest.
 *
 * @param value An object or a function.
 * @returns Its type.
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
  const type = BY_PROTOTYPE.get(prototype) ?? (isOfBuffers(prototype) ? "Uint8Array" : undefined);
  return type !== undefined && isGenuine(value, type) ? type : "Instance";
}

/**
 * Tells whether an object is a proxy, of which nobody can say what it will be the next time.
 *
 * @param value The object.
 * @returns Whether it is one.
 */
export const isProxy: (value: object) => boolean = types.isProxy;

/**
 * Whether a prototype is that of Node's buffers, which are byte arrays by another name. They are
 * asked for only here: to import `node:buffer` takes a starting worker longer than 20 modules.
 */
function isOfBuffers(prototype: object): boolean {
  if (Object.getPrototypeOf(prototype) !== Uint8Array.prototype) return false;
  // Deno has the class among its globals, which its type library does not describe.
  const { Buffer } = globalThis as { readonly Buffer?: { readonly prototype: object } };
  return prototype === Buffer?.prototype;
}

/** Whether an object has the inner slots that its prototype promises. */
function isGenuine(value: object, type: ObjectType): boolean {
  switch (type) {
    case "Map":
      return types.isMap(value);
    case "Set":
      return types.isSet(value);
    case "Date":
      return types.isDate(value);
    case "RegExp":
      return types.isRegExp(value);
    case "Boxed":
      return types.isBoxedPrimitive(value) && !types.isSymbolObject(value);
    case "URL":
    case "URLSearchParams":
      return !types.isProxy(value) && isOfWeb(value);
    default:
      return isArrayKind(type) && (ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value));
  }
}

/** Whether an object is one that the platform has made: what only inherits has no text. */
function isOfWeb(value: object): boolean {
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
 *
 * @param value The instance.
 * @returns The type.
 */
export function toBaseType(value: object): ObjectType {
  if (Array.isArray(value)) return "Array";
  if (types.isMap(value)) return "Map";
  if (types.isSet(value)) return "Set";
  if (types.isDate(value)) return "Date";
  if (types.isRegExp(value)) return "RegExp";
  return types.isBoxedPrimitive(value) && !types.isSymbolObject(value) ? "Boxed" : "Object";
}

/**
 * Tells whether an object of a type is an array or a buffer.
 *
 * @param value The object.
 * @param type What {@linkcode toObjectType} says of it.
 * @returns Whether it has bytes.
 */
export function isArrayValue(value: object, type: ObjectType): value is ArrayValue & object {
  return isArrayKind(type) && (ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value));
}

/**
 * Gives the name of an object's class.
 *
 * @param value The object.
 * @returns The name, or `""`.
 */
export function toClassName(value: object): string {
  const name: unknown = value.constructor?.name;
  return typeof name === "string" ? name : "";
}
