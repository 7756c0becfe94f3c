import { IndigestibleError, InstanceError } from "../../base/errors.ts";
import { isRevoked } from "../capture.ts";
import { classOf, isOfPlatform, takeApart } from "../class_registry.ts";
import { prototypesOf } from "../error_shape.ts";
import {
  type Child,
  childrenOf,
  isArrayValue,
  isOutOfBounds,
  isProxy,
  toClassName,
  toObjectType,
} from "../object_type.ts";
import { FileHandle } from "../file/file_handle.ts";
import { DigestReference, digestSymbol, isCallback, isDigestible } from "../symbols.ts";
import { Refusal, SinkFullError, TooDeepError } from "./byte_sink.ts";

/** What is done with a value, for messages. */
type Action = "digest" | "store";

/** Why an instance has no digest whose method gives nothing. */
export const NO_DIGEST = "it gives nothing; return what tells the instance from others";

/** Why an instance has no digest that would be made of itself. */
export const OWN_DIGEST = "the digest of an instance cannot be made of itself; return other data";

/** Why a file has no digest that is no argument of a call. */
export const UNREAD_FILE =
  "a file has no digest but as an argument of a call; what a task has written is outputFile(path)";

/** Why a value cannot be stored whose instances do not come back as what they are. */
export const UNFAITHFUL =
  "what `fromData` makes of its data does not give the same data by `toData`; have both of its class " +
  "take all that counts";

/** Methods that give ever new instances have no end: so many are asked for where the culprit is. */
const MOST_FORMS = 10_000;

type Class = abstract new (...args: never[]) => object;

/** What to do with what has no digest; asked for late, as Deno loads some classes when they are named. */
function remedies(): readonly (readonly [Class, remedy: string])[] {
  return [
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
}

/**
 * Says why a value, apart from what is inside it, has no digest.
 *
 * @returns The reason and the remedy, or `undefined` when it has a digest.
 */
export function refuseDigest(value: unknown): string | undefined {
  if (typeof value === "symbol") return "a symbol has no digest; pass a string";
  if (!isObject(value)) return undefined;
  if (isRevoked(value)) return "a proxy has no digest; pass a copy";
  if (isCallback(value)) {
    return "a callback has no digest; name its parameter in `ignore` of the task";
  }
  if (isDigestible(value) || value instanceof DigestReference) return undefined;
  if (typeof value === "function") return "a function has no digest; pass data, or a task";
  if (FileHandle.isGenuine(value)) {
    const { content, own } = FileHandle.stateOf(value);
    return content === undefined && !own ? UNREAD_FILE : undefined;
  }
  if (isProxy(value)) return "a proxy has no digest; pass a copy";
  const type = toObjectType(value);
  if (isArrayValue(value, type)) {
    const why = whyUnreadable(value);
    return why && `${why} has no digest; pass a copy`;
  }
  if (type !== "Instance") return refuseTakingApart(value);
  const known = remedies().find(([Class]) => value instanceof Class);
  if (known !== undefined) return known[1];
  const above = prototypesOf(value).map(classOf).find((one) => one !== undefined);
  if (above !== undefined) {
    return `${
      describe(value)
    } has no digest, as only the class "${above.name}", which it extends, is ` +
      "registered; register its own, too";
  }
  return `${describe(value)} has no digest; pass plain data, register the class by ` +
    "registerClass(), or give it a [digestSymbol]() method";
}

/**
 * Says why an instance of a registered class cannot be taken apart.
 *
 * @returns The reason, or `undefined` when it can, or is no such instance.
 */
export function refuseTakingApart(value: object): string | undefined {
  if (toObjectType(value) !== "Registered") return undefined;
  try {
    takeApart(value);
    return undefined;
  } catch (error) {
    if (!(error instanceof InstanceError)) throw error;
    return toReason(error);
  }
}

function toReason({ message }: InstanceError): string {
  return message.replace(/^Cannot/, "cannot");
}

/**
 * Finds the innermost instance in a value that does not come back as what it is.
 *
 * @param root What the path begins with.
 * @param check Throws where an instance does not.
 * @returns Where it is, or `undefined` if there is none.
 */
export function findUnfaithful(
  value: unknown,
  root: string,
  check: (instance: object) => void,
): Finding | undefined {
  const seen = new Set<unknown>();
  let culprit: object | undefined;
  const enter = (part: unknown) => {
    if (!isObject(part) || toObjectType(part) !== "Registered" || seen.has(part)) return undefined;
    seen.add(part);
    try {
      check(part);
      return undefined;
    } catch (error) {
      culprit = part;
      if (error instanceof InstanceError) return toReason(error);
      return error instanceof Refusal ? error.message : undefined;
    }
  };
  let finding = findFirst(value, root, { enter, children: childrenOf });
  for (let inside = finding; inside !== undefined && culprit !== undefined;) {
    const [child] = [...childrenOf(culprit)];
    culprit = undefined;
    inside = child && findFirst(child[1], inside.path + child[0], { enter, children: childrenOf });
    finding = inside ?? finding;
  }
  return finding;
}

/**
 * Says why a value, apart from what is inside it, cannot be stored.
 *
 * @returns The reason and the remedy, or `undefined` when it can be stored.
 */
function refuseStorage(value: unknown): string | undefined {
  const digestible = isObject(value) && !isRevoked(value) &&
    (isDigestible(value) || value instanceof DigestReference);
  if (!digestible) return refuseDigest(value);
  if (toObjectType(value) === "Registered") return refuseTakingApart(value);
  return `an instance of ${
    toClassName(value)
  } has a digest but no stored form; use plain data, or ` +
    "register the class by registerClass()";
}

const DETACHED = "a detached buffer";

/** What an array or buffer is whose bytes are not there. */
function whyUnreadable(value: object): string | undefined {
  const buffer = ArrayBuffer.isView(value) ? value.buffer : value;
  if (buffer instanceof ArrayBuffer && buffer.detached) return DETACHED;
  return isOutOfBounds(value) ? "a view that is out of the bounds of its buffer" : undefined;
}

/** Stands for what a method did not give, where `undefined` would be a value like others. */
const NOTHING = Symbol();

/** Looks for what has no digest, as it is written: instances by what they give for themselves. */
function searchDigest(
  refuse: (value: unknown) => string | undefined,
  countsForm: (value: object) => boolean,
): Search {
  /** The instances that are looked into. */
  const open = new Set<unknown>();
  let forms = 0;
  return {
    enter(value) {
      if (value === NOTHING) return NO_DIGEST;
      return open.has(value) ? OWN_DIGEST : refuse(value);
    },
    leave: (value) => void open.delete(value),
    *children(value) {
      if (!isDigestible(value) || !countsForm(value)) return yield* childrenOf(value);
      if (++forms > MOST_FORMS) return;
      open.add(value);
      const form = value[digestSymbol]();
      yield ["[digestSymbol]()", form === undefined ? NOTHING : form];
    },
  };
}

/**
 * Says of what was thrown while a value was read where the value is at fault, if it is.
 *
 * @param action What was done, for the message.
 * @param root What the path to the culprit begins with.
 * @param cause What was thrown.
 * @returns An {@linkcode IndigestibleError}, or the cause itself, which is somebody else's.
 */
export function explainRefusal(
  action: Action,
  value: unknown,
  root: string,
  cause: unknown,
): unknown {
  // What is stored is taken apart, whatever it says of its digest.
  const countsForm = (value: object) => action === "digest" || toObjectType(value) !== "Registered";
  if (cause instanceof Refusal || cause instanceof InstanceError) {
    const search = searchDigest(action === "digest" ? refuseDigest : refuseStorage, countsForm);
    const finding = findFirst(value, root, search);
    const { path, reason } = finding ?? { path: root, reason: cause.message };
    const options = cause instanceof InstanceError ? { cause: cause.cause } : {};
    return new IndigestibleError(`Cannot ${action} ${path}: ${reason}`, path, options);
  }
  if (cause instanceof SinkFullError) {
    const reason = "what it shares is too much when written out; pass it in fewer places";
    return new IndigestibleError(`Cannot ${action} ${root}: ${reason}`, root, { cause });
  }
  if (cause instanceof TooDeepError || isStackOverflow(cause)) {
    const reason = "it is nested too deeply; pass it flattened";
    return new IndigestibleError(`Cannot ${action} ${root}: ${reason}`, root);
  }
  const revoked = cause instanceof TypeError ? findRevoked(value, root, countsForm) : undefined;
  if (revoked === undefined) return cause;
  const { path, reason } = revoked;
  return new IndigestibleError(`Cannot ${action} ${path}: ${reason}`, path, { cause });
}

/** Finds a proxy that threw where it was only looked at; what getters throw is for who wrote them. */
function findRevoked(
  value: unknown,
  root: string,
  countsForm: (value: object) => boolean,
): Finding | undefined {
  const enter = (value: unknown) =>
    isObject(value) && isRevoked(value) ? refuseDigest(value) : undefined;
  try {
    return findFirst(value, root, searchDigest(enter, countsForm));
  } catch {
    return undefined;
  }
}

/** What a method that digests by recursion ends in. */
function isStackOverflow(error: unknown): boolean {
  return error instanceof RangeError && error.message === "Maximum call stack size exceeded";
}

/** Something found in a value. */
export interface Finding {
  /** Where it is, such as `args[0].solver.callback`. */
  readonly path: string;
  /** What is the matter with it. */
  readonly reason: string;
}

/** How {@linkcode findFirst} goes through a value. */
interface Search {
  /** Says what is the matter with a value, before what is inside it is looked at. */
  enter(value: unknown): string | undefined;
  /** Is told of an object in which nothing was found. */
  leave?(value: object): void;
  /** The values inside an object. */
  children(value: object): Iterator<Child>;
}

interface Frame {
  readonly piece: string;
  readonly value: object;
  readonly children: Iterator<Child>;
}

/** An object whose methods make ever new objects has no end; this is far beyond any other. */
const MAX_DEPTH = 100_000;

/**
 * Finds the first value in a value that something is the matter with; each object is looked at
 * once, however deep it is nested.
 *
 * @param root What the path begins with.
 * @param search What to look for.
 * @returns Where it is and what it is, or `undefined`.
 */
export function findFirst(value: unknown, root: string, search: Search): Finding | undefined {
  const seen = new Set<object>();
  const frames: Frame[] = [];
  const pathTo = (piece: string) => [...frames.map((frame) => frame.piece), piece].join("");
  let next: Child | undefined = [root, value];
  for (;;) {
    if (next !== undefined) {
      const [piece, current]: Child = next;
      const reason = search.enter(current);
      if (reason !== undefined) return { path: pathTo(piece), reason };
      if (isObject(current) && !seen.has(current) && frames.length < MAX_DEPTH) {
        seen.add(current);
        frames.push({ piece, value: current, children: search.children(current) });
      }
    }
    const frame = frames.at(-1);
    if (frame === undefined) return undefined;
    const step = frame.children.next();
    next = step.done ? undefined : step.value;
    if (next !== undefined) continue;
    frames.pop();
    search.leave?.(frame.value);
  }
}

/**
 * Tells whether a value may have others inside.
 *
 * @returns Whether it is an object or a function.
 */
export function isObject(value: unknown): value is object {
  return (typeof value === "object" && value !== null) || typeof value === "function";
}

/**
 * Finds the first thing in a value that cannot go to another isolate: what structured clone
 * refuses, or else what it silently makes an empty object of, such as an `AbortSignal`.
 *
 * @param root What the path begins with, such as `args[0]`.
 * @returns Where it is and why it cannot go, or `undefined` if the whole value can.
 */
export function findUnclonable(value: unknown, root: string): Finding | undefined {
  // Refusals first: they are why a message was not sent, and losses are not.
  const enter = (value: unknown) => isObject(value) ? refuseInstance(value) : undefined;
  return findFirst(value, root, { enter: refuse, children }) ??
    findFirst(value, root, { enter, children });
}

/**
 * Finds the first memory in a value that is shared with other threads, and so cannot go to another
 * process.
 *
 * @param root What the path begins with, such as `args[0]`.
 * @returns Where it is, or `undefined` if there is none.
 */
export function findShared(value: unknown, root: string): Finding | undefined {
  return findFirst(value, root, { enter: refuseShared, children: childrenOf });
}

/**
 * Finds the first callback in a value.
 *
 * @param root What the path begins with, such as `args[0]`.
 * @returns Where it is, or `undefined` if there is none.
 */
export function findCallback(value: unknown, root: string): Finding | undefined {
  const enter = (value: unknown) =>
    isObject(value) && isCallback(value) ? "it is a callback" : undefined;
  return findFirst(value, root, { enter, children: childrenOf });
}

/**
 * Finds something among arguments.
 *
 * @param wanted What to look for, by identity.
 * @returns The path to it, such as `args[0].samples`; `"args"` when it is not there.
 */
export function pathTo(args: readonly unknown[], wanted: unknown): string {
  const enter = (value: unknown) => value === wanted ? "wanted" : undefined;
  return findFirst(args, "args", { enter, children: childrenOf })?.path ?? "args";
}

function refuseShared(value: unknown): string | undefined {
  const buffer = ArrayBuffer.isView(value) ? value.buffer : value;
  if (!(buffer instanceof SharedArrayBuffer)) return undefined;
  return "a SharedArrayBuffer cannot go to another process; a web worker takes it by reference";
}

/**
 * Says why structured clone refuses a value of a kind that it knows.
 *
 * @returns The reason, or `undefined` when it does not.
 */
export function refuse(value: unknown): string | undefined {
  if (typeof value === "symbol") return "a symbol cannot be cloned";
  if (typeof value === "function") return "a function cannot be cloned";
  if (typeof value !== "object" || value === null) return undefined;
  if (isProxy(value)) return "a proxy cannot be cloned; pass a copy";
  const why = whyUnreadable(value);
  if (why === undefined) return undefined;
  return why === DETACHED ? `${why} cannot be cloned` : `${why} cannot be cloned; pass a copy`;
}

/** What to pass instead of what cannot go to another isolate. */
function cloneRemedies(): readonly (readonly [Class, remedy: string])[] {
  return [
    [Headers, "pass [...headers]"],
    [Response, "pass what it holds, such as await response.bytes()"],
    [Request, "pass its .url, and what it holds"],
    [FormData, "pass [...formData]"],
    [AbortSignal, "a task has currentSignal()"],
    [ReadableStream, "pass what it gives"],
    [WeakRef, "pass what it refers to"],
  ];
}

/** Classes whose instances hold what is in no field: one of a class that extends them would lose it. */
function holders(): readonly Class[] {
  return [
    Blob,
    CryptoKey,
    FormData,
    Headers,
    ReadableStream,
    Request,
    Response,
    URL,
    URLSearchParams,
    WeakRef,
  ];
}

/**
 * Says why an object of a class that has no form of its own cannot go to another isolate, apart from
 * what is inside it: structured clone refuses it, or silently makes an empty object of it.
 *
 * @returns The reason and the remedy, or `undefined` when it can go.
 */
export function refuseInstance(value: object): string | undefined {
  const type = toObjectType(value);
  if (type !== "Instance") return undefined;
  const prototype: object | null = Object.getPrototypeOf(value);
  const fields = Object.keys(value).length > 0;
  const own = prototype === null || !isOfPlatform(prototype);
  if (fields && own && holders().some((Class) => value instanceof Class)) {
    return `${describe(value)} loses what is not in its fields`;
  }
  // Of the user's own classes the fields arrive, whatever else these extend.
  if (fields && own) return undefined;
  // The fields of a future are private: it would arrive as an empty object.
  if ("then" in value && typeof value.then === "function") {
    return `${describe(value)} cannot be cloned`;
  }
  const remedy = cloneRemedies().find(([Class]) => value instanceof Class);
  const how = remedy === undefined ? "" : `; ${remedy[1]}`;
  let clone: unknown;
  try {
    // As structured clone sees it inside of something else, where it says less.
    [clone] = structuredClone([value]);
  } catch {
    return `${describe(value)} cannot be cloned${how}`;
  }
  if (toObjectType(Object(clone)) !== "Object") {
    return fields ? `${describe(value)} loses its own fields` : undefined;
  }
  if (isOfEmptyClass(value)) return undefined;
  return `${describe(value)} arrives as an empty object${how}`;
}

/** Whether a class of the user's has nothing that could be lost. */
function isOfEmptyClass(value: object): boolean {
  if (Reflect.ownKeys(value).length > 0) return false;
  return prototypesOf(value).every((prototype) =>
    prototype === Object.prototype || !isOfPlatform(prototype) && !isNative(prototype)
  );
}

/** Whether a class is made by the platform, though it has no name there, as those of `node:sqlite`. */
function isNative({ constructor }: object): boolean {
  return typeof constructor === "function" &&
    /\[native code\]\s*\}$/.test(Function.prototype.toString.call(constructor));
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
  if (prototype === null || typeof value === "function") return false;
  if (isOfPlatform(prototype)) return !isOfEmptyClass(value);
  // A class of Node's, such as `KeyObject`, is known by what becomes of it.
  return Object.getOwnPropertySymbols(value).length > 0 && isClonedAsInstance(value);
}

function isClonedAsInstance(value: object): boolean {
  try {
    return toObjectType(structuredClone(value)) === "Instance";
  } catch {
    return false;
  }
}

/**
 * Finds the first object in a value that only threads of one process can pass to one another.
 *
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

/**
 * Tells whether the bytes of a buffer or of a view cannot be read.
 *
 * Only what shows nothing can be one of these, but a DataView does not even say so.
 */
export function isUnreadable(value: ArrayBufferView | ArrayBufferLike): boolean {
  const { byteLength } = value instanceof DataView ? value.buffer : value;
  return (byteLength === 0 || value instanceof DataView) && refuseDigest(value) !== undefined;
}
