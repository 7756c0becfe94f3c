import { isOutOfBounds } from "./_array_bytes.ts";
import { type Child, childrenOf } from "./_children.ts";
import { findFirst, type Finding, isObject } from "./_find_first.ts";
import { isProxy, toClassName, toObjectType } from "./_object_type.ts";
import { isOfPlatform } from "./holds_special.ts";

/**
 * Finds the first thing in a value that cannot go to another isolate: what structured clone
 * refuses, or else what it silently makes an empty object of, such as an `AbortSignal`.
 *
 * @param value The value.
 * @param root What the path begins with, such as `args[0]`.
 * @returns Where it is and why it cannot go, or `undefined` if the whole value can.
 */
export function findUnclonable(value: unknown, root: string): Finding | undefined {
  // Refusals first: they are why a message was not sent, and losses are not.
  return findFirst(value, root, { enter: refuse, children }) ??
    findFirst(value, root, { enter: refuseObject, children });
}

function refuseObject(value: unknown): string | undefined {
  return isObject(value) ? refuseInstance(value) : undefined;
}

/**
 * Finds the first memory in a value that is shared with other threads, and so cannot go to another
 * process.
 *
 * @param value The value.
 * @param root What the path begins with, such as `args[0]`.
 * @returns Where it is, or `undefined` if there is none.
 */
export function findShared(value: unknown, root: string): Finding | undefined {
  return findFirst(value, root, { enter: refuseShared, children: childrenOf });
}

function refuseShared(value: unknown): string | undefined {
  const buffer = ArrayBuffer.isView(value) ? value.buffer : value;
  if (!(buffer instanceof SharedArrayBuffer)) return undefined;
  return "a SharedArrayBuffer cannot go to another process; a web worker takes it by reference";
}

/**
 * Says why structured clone refuses a value of a kind that it knows.
 *
 * @param value The value.
 * @returns The reason, or `undefined` when it does not.
 */
export function refuse(value: unknown): string | undefined {
  if (typeof value === "symbol") return "a symbol cannot be cloned";
  if (typeof value === "function") return "a function cannot be cloned";
  if (typeof value !== "object" || value === null) return undefined;
  if (isProxy(value)) return "a proxy cannot be cloned; pass a copy";
  const buffer = ArrayBuffer.isView(value) ? value.buffer : value;
  if (buffer instanceof ArrayBuffer && buffer.detached) return "a detached buffer cannot be cloned";
  return ArrayBuffer.isView(value) && isOutOfBounds(value)
    ? "a view that is out of the bounds of its buffer cannot be cloned; pass a copy"
    : undefined;
}

/** What to pass instead of what cannot go to another isolate. */
const CLONE_REMEDIES:
  readonly (readonly [Class: abstract new (...args: never[]) => object, string])[] = [
    [Headers, "pass [...headers]"],
    [Response, "pass what it holds, such as await response.bytes()"],
    [Request, "pass its .url, and what it holds"],
    [FormData, "pass [...formData]"],
    [AbortSignal, "a task has currentSignal()"],
    [ReadableStream, "pass what it gives"],
    [WeakRef, "pass what it refers to"],
  ];

/**
 * Says why an object of a class that has no form of its own cannot go to another isolate, apart from
 * what is inside it: structured clone refuses it, or silently makes an empty object of it.
 *
 * @param value The object.
 * @returns The reason and the remedy, or `undefined` when it can go.
 */
export function refuseInstance(value: object): string | undefined {
  const type = toObjectType(value);
  if (type !== "Instance") return undefined;
  const prototype: object | null = Object.getPrototypeOf(value);
  const fields = Object.keys(value).length > 0;
  // Of the user's own classes the fields arrive, whatever these extend.
  if (fields && (prototype === null || !isOfPlatform(prototype))) return undefined;
  // The fields of a future are private: it would arrive as an empty object.
  if ("then" in value && typeof value.then === "function") {
    return `${describe(value)} cannot be cloned`;
  }
  const remedy = CLONE_REMEDIES.find(([Class]) => value instanceof Class);
  const how = remedy === undefined ? "" : `; ${remedy[1]}`;
  let clone: unknown;
  try {
    // As structured clone sees it inside of something else, where it says less.
    [clone] = structuredClone([value]);
  } catch {
    return `${describe(value)} cannot be cloned${how}`;
  }
  if (toObjectType(Object(clone)) !== "Object" || isOfEmptyClass(value)) return undefined;
  return `${describe(value)} arrives as an empty object${how}`;
}

/** Whether a class of the user's has nothing that could be lost. */
function isOfEmptyClass(value: object): boolean {
  if (Reflect.ownKeys(value).length > 0) return false;
  for (
    let prototype: object | null = Object.getPrototypeOf(value);
    prototype !== null && prototype !== Object.prototype;
    prototype = Object.getPrototypeOf(prototype)
  ) {
    if (isOfPlatform(prototype)) return false;
  }
  return true;
}

/**
 * Tells whether structured clone carries an object as what it is, but within one process only, such
 * as a `Blob`.
 *
 * @param value An object of which {@linkcode refuseInstance} says nothing.
 * @returns Whether it does.
 */
export function isThreadOnly(value: object): boolean {
  if (toObjectType(value) !== "Instance" || Object.keys(value).length > 0) return false;
  const prototype: object | null = Object.getPrototypeOf(value);
  return prototype !== null && isOfPlatform(prototype) && !isOfEmptyClass(value);
}

/**
 * Finds the first object in a value that only threads of one process can pass to one another.
 *
 * @param value The value.
 * @param root What the path begins with, such as `args[0]`.
 * @returns Where it is, or `undefined` if there is none.
 */
export function findThreadOnly(value: unknown, root: string): Finding | undefined {
  const enter = (value: unknown) =>
    typeof value === "object" && value !== null && isThreadOnly(value)
      ? `${describe(value)} cannot go to another process; pass what it holds`
      : undefined;
  return findFirst(value, root, { enter, children: childrenOf });
}

function describe(value: object): string {
  const name = toClassName(value);
  return name === "" ? "an instance of a class" : `an instance of ${name}`;
}

/** What an error holds goes as a text where it cannot go as it is. */
function children(value: object): Iterator<Child> {
  return value instanceof Error ? [].values() : childrenOf(value);
}
