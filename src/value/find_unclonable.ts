import * as types from "node:util/types";
import { type Child, childrenOf } from "./_children.ts";
import { findFirst, type Finding } from "./_find_first.ts";
import { toClassName, toObjectType } from "./_object_type.ts";

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
  return findFirst(value, root, { enter: refuse, leave: refuseWhole, children }) ??
    findFirst(value, root, { enter: findLoss, children });
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
  return findFirst(value, root, { enter: refuseShared, children });
}

function refuseShared(value: unknown): string | undefined {
  const buffer = ArrayBuffer.isView(value) ? value.buffer : value;
  if (!(buffer instanceof SharedArrayBuffer)) return undefined;
  return "a SharedArrayBuffer cannot go to another process; a web worker takes it by reference";
}

function refuse(value: unknown): string | undefined {
  if (typeof value === "symbol") return "a symbol cannot be cloned";
  if (typeof value === "function") return "a function cannot be cloned";
  if (types.isProxy(value)) return "a proxy cannot be cloned";
  const buffer = ArrayBuffer.isView(value) ? value.buffer : value;
  const detached = buffer instanceof ArrayBuffer && buffer.detached;
  return detached ? "a detached buffer cannot be cloned" : undefined;
}

/** Asks structured clone about an object of an unknown class, everything inside being fine. */
function refuseWhole(value: object): string | undefined {
  if (toObjectType(value) !== "Instance") return undefined;
  try {
    structuredClone(value);
    return undefined;
  } catch {
    return `${describe(value)} cannot be cloned`;
  }
}

function findLoss(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if (toObjectType(value) !== "Instance" || Object.keys(value).length > 0) return undefined;
  const clone: unknown = structuredClone(value);
  if (typeof clone !== "object" || clone === null || Object.keys(clone).length > 0) {
    return undefined;
  }
  if (toObjectType(clone) !== "Object") return undefined;
  return `${describe(value)} arrives as an empty object`;
}

function describe(value: object): string {
  const name = toClassName(value);
  return name === "" ? "an instance of a class" : `an instance of ${name}`;
}

function children(value: object): Iterator<Child> {
  if (!(value instanceof Error)) return childrenOf(value);
  // Of an error only the texts and the cause are cloned.
  const cause: Child[] = Object.hasOwn(value, "cause") ? [[".cause", value.cause]] : [];
  return cause.values();
}
