import { IndigestibleError } from "../errors.ts";
import { type Child, childrenOf } from "./_children.ts";
import { findFirst } from "./_find_first.ts";
import { isArrayValue, toClassName, toObjectType } from "./_object_type.ts";
import { Refusal, SinkFullError, TooDeepError } from "./_walk_errors.ts";
import { DigestReference } from "./digest_reference.ts";
import { digestSymbol, isDigestible } from "./value_symbols.ts";

/** What is done with a value, for messages. */
export type Action = "digest" | "store";

const REMEDIES: readonly (readonly [Class: abstract new (...args: never[]) => object, string])[] = [
  [Promise, "a promise has no digest; await it first"],
  [URL, "a URL has no digest; pass its .href"],
  [WeakMap, "a WeakMap has no digest; pass a Map"],
  [WeakSet, "a WeakSet has no digest; pass a Set"],
  [WeakRef, "a WeakRef has no digest; pass what it refers to"],
];

/**
 * Says why a value, apart from what is inside it, has no digest.
 *
 * @param value The value.
 * @returns The reason and the remedy, or `undefined` when it has a digest.
 */
export function refuseDigest(value: unknown): string | undefined {
  if (typeof value === "symbol") return "a symbol has no digest; pass a string";
  if (typeof value !== "function" && (typeof value !== "object" || value === null)) {
    return undefined;
  }
  if (isDigestible(value) || value instanceof DigestReference) return undefined;
  if (typeof value === "function") return "a function has no digest; pass data, or a task";
  const type = toObjectType(value);
  if (isArrayValue(value, type)) {
    return isDetached(value) ? "a detached buffer has no digest; pass a copy" : undefined;
  }
  if (type !== "Instance") return undefined;
  const known = REMEDIES.find(([Class]) => value instanceof Class);
  if (known !== undefined) return known[1];
  const name = toClassName(value);
  const what = name === "" ? "an instance of a class" : `an instance of ${name}`;
  return `${what} has no digest; pass plain data, or give the class a [digestSymbol]() method`;
}

/**
 * Says why a value, apart from what is inside it, cannot be stored.
 *
 * @param value The value.
 * @returns The reason and the remedy, or `undefined` when it can be stored.
 */
export function refuseStorage(value: unknown): string | undefined {
  const object = (typeof value === "object" && value !== null) || typeof value === "function";
  if (!object || !(isDigestible(value) || value instanceof DigestReference)) {
    return refuseDigest(value);
  }
  return `an instance of ${toClassName(value)} has a digest but no stored form; use plain data`;
}

function isDetached(value: ArrayBufferView | ArrayBufferLike): boolean {
  const buffer = ArrayBuffer.isView(value) ? value.buffer : value;
  return buffer instanceof ArrayBuffer && buffer.detached;
}

function* digestedChildren(value: object): Generator<Child> {
  if (isDigestible(value)) yield ["[digestSymbol]()", value[digestSymbol]()];
  else yield* childrenOf(value);
}

/**
 * Runs something over a value, and turns what shows that the value is at fault into an
 * {@linkcode IndigestibleError} that says where.
 *
 * @param action What is done, for the message.
 * @param value The value.
 * @param root What the path to the culprit begins with.
 * @param run What to do.
 * @returns What it returns.
 * @throws {IndigestibleError} If the value cannot be taken.
 */
export function explainRefusal<T>(action: Action, value: unknown, root: string, run: () => T): T {
  try {
    return run();
  } catch (cause) {
    if (cause instanceof Refusal) {
      const enter = action === "digest" ? refuseDigest : refuseStorage;
      const finding = findFirst(value, root, { enter, children: digestedChildren });
      const { path, reason } = finding ?? { path: root, reason: cause.message };
      throw new IndigestibleError(`Cannot ${action} ${path}: ${reason}`, path);
    }
    if (cause instanceof SinkFullError) {
      const reason = "what it shares is too much when written out; pass it in fewer places";
      throw new IndigestibleError(`Cannot ${action} ${root}: ${reason}`, root, { cause });
    }
    if (cause instanceof TooDeepError || isStackOverflow(cause)) {
      const reason = "it is nested too deeply; pass it flattened";
      throw new IndigestibleError(`Cannot ${action} ${root}: ${reason}`, root);
    }
    throw cause;
  }
}

/** What a method that digests by recursion ends in. */
function isStackOverflow(error: unknown): boolean {
  return error instanceof RangeError && error.message === "Maximum call stack size exceeded";
}
