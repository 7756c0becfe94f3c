import { IndigestibleError } from "../base/errors.ts";
import { isOutOfBounds } from "./_array_bytes.ts";
import { type Child, childrenOf } from "./_children.ts";
import { findFirst, type Finding, isObject, type Search } from "./_find_first.ts";
import { isArrayValue, isProxy, toClassName, toObjectType } from "./_object_type.ts";
import { Refusal, SinkFullError, TooDeepError } from "./_walk_errors.ts";
import { DigestReference } from "./digest_reference.ts";
import { digestSymbol, isDigestible } from "./value_symbols.ts";

/** What is done with a value, for messages. */
export type Action = "digest" | "store";

/** Why an instance has no digest whose method gives nothing. */
export const NO_DIGEST = "it gives nothing; return what tells the instance from others";

/** Why an instance has no digest that would be made of itself. */
export const OWN_DIGEST = "the digest of an instance cannot be made of itself; return other data";

/** Methods that give ever new instances have no end: so many are asked for where the culprit is. */
const MOST_FORMS = 10_000;

const REMEDIES: readonly (readonly [Class: abstract new (...args: never[]) => object, string])[] = [
  [Promise, "a promise has no digest; await it first"],
  [WeakMap, "a WeakMap has no digest; pass a Map"],
  [WeakSet, "a WeakSet has no digest; pass a Set"],
  [WeakRef, "a WeakRef has no digest; pass what it refers to"],
  [Headers, "a Headers has no digest; pass [...headers]"],
  [Response, "a Response has no digest; pass what it holds, such as await response.bytes()"],
  [Request, "a Request has no digest; pass its .url, and what it holds"],
  [FormData, "a FormData has no digest; pass [...formData]"],
  [Blob, "a Blob has no digest; pass await blob.bytes()"],
  [ReadableStream, "a ReadableStream has no digest; pass what it gives"],
  [CryptoKey, "a CryptoKey has no digest; pass what crypto.subtle.exportKey() gives"],
  [AbortSignal, "an AbortSignal has no digest; leave it out, or ignore its parameter"],
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
  if (isRevoked(value)) return "a proxy has no digest; pass a copy";
  if (isDigestible(value) || value instanceof DigestReference) return undefined;
  if (typeof value === "function") return "a function has no digest; pass data, or a task";
  if (isProxy(value)) return "a proxy has no digest; pass a copy";
  const type = toObjectType(value);
  if (isArrayValue(value, type)) {
    return whyUnreadable(value);
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
  if (!object || isRevoked(value) || !(isDigestible(value) || value instanceof DigestReference)) {
    return refuseDigest(value);
  }
  return `an instance of ${toClassName(value)} has a digest but no stored form; use plain data`;
}

/** Whether an object is a proxy that was revoked, which throws whatever it is asked. */
function isRevoked(value: object): boolean {
  try {
    Array.isArray(value);
    return false;
  } catch {
    return true;
  }
}

/** Why the bytes of an array or buffer are not there, if they are not. */
function whyUnreadable(value: ArrayBufferView | ArrayBufferLike): string | undefined {
  const buffer = ArrayBuffer.isView(value) ? value.buffer : value;
  if (buffer instanceof ArrayBuffer && buffer.detached) {
    return "a detached buffer has no digest; pass a copy";
  }
  return isOutOfBounds(value)
    ? "a view that is out of the bounds of its buffer has no digest; pass a copy"
    : undefined;
}

/** Stands for what a method did not give, where `undefined` would be a value like others. */
const NOTHING = Symbol();

/** Looks for what has no digest, as it is written: instances by what they give for themselves. */
class DigestSearch implements Search {
  readonly #refuse: (value: unknown) => string | undefined;
  /** The instances that are looked into. */
  readonly #open = new Set<unknown>();
  #forms = 0;

  constructor(refuse: (value: unknown) => string | undefined) {
    this.#refuse = refuse;
  }

  enter(value: unknown): string | undefined {
    if (value === NOTHING) return NO_DIGEST;
    return this.#open.has(value) ? OWN_DIGEST : this.#refuse(value);
  }

  leave(value: object): undefined {
    this.#open.delete(value);
  }

  *children(value: object): Generator<Child> {
    if (!isDigestible(value)) return yield* childrenOf(value);
    if (++this.#forms > MOST_FORMS) return;
    this.#open.add(value);
    const form = value[digestSymbol]();
    yield ["[digestSymbol]()", form === undefined ? NOTHING : form];
  }
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
      const search = new DigestSearch(action === "digest" ? refuseDigest : refuseStorage);
      const finding = findFirst(value, root, search);
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
    const revoked = cause instanceof TypeError ? findRevoked(value, root) : undefined;
    if (revoked === undefined) throw cause;
    const { path, reason } = revoked;
    throw new IndigestibleError(`Cannot ${action} ${path}: ${reason}`, path, { cause });
  }
}

/** Finds a proxy that threw where it was only looked at; what getters throw is for who wrote them. */
function findRevoked(value: unknown, root: string): Finding | undefined {
  const enter = (value: unknown) =>
    isObject(value) && isRevoked(value) ? refuseDigest(value) : undefined;
  try {
    return findFirst(value, root, new DigestSearch(enter));
  } catch {
    return undefined;
  }
}

/** What a method that digests by recursion ends in. */
function isStackOverflow(error: unknown): boolean {
  return error instanceof RangeError && error.message === "Maximum call stack size exceeded";
}
