import { InstanceError, UnclonableError } from "../base/errors.ts";
import { childrenOf, isArrayValue, isProxy, toObjectType } from "./object_type.ts";
import {
  findFirst,
  type Finding,
  findThreadOnly,
  isObject,
  isThreadOnly,
  refuse,
  refuseInstance,
  refuseTakingApart,
} from "./digest/refusal.ts";
import { fromGraph } from "./codec/graph_reader.ts";
import { type GraphOptions, toGraph } from "./codec/graph_writer.ts";
import {
  noteRegistered,
  read,
  refusePart,
  type RegisteredEntry,
  toRestoration,
  toText,
} from "./codec/thrown_value.ts";
import { Refusal, TooDeepError } from "./digest/byte_sink.ts";

/**
 * How a value travels that structured clone would refuse or change a part of: as a graph, in which
 * errors and URLs are whole, and beside it what only structured clone can carry: arrays and buffers,
 * whatever they share, blobs, keys.
 */
export interface Carried {
  /** What goes as it is; first, so that who looks for large buffers finds them soon. */
  readonly beside: readonly object[];
  /** All that is around it. */
  readonly graph: unknown;
  /** The errors of registered classes in the graph, if there are any. */
  readonly registered?: readonly RegisteredEntry[];
  /** What went wrong if this has gone to another process, where there is something that cannot. */
  readonly threadOnly?: { readonly path: string; readonly message: string };
}

/** Options of {@linkcode toCarried}. */
export interface CarryOptions {
  /** What the value is called in the path of an error. */
  readonly root: string;
  /**
   * Says what cannot be done with it, for the message of an error.
   *
   * @param path The path of what is at fault.
   */
  readonly fails: (path: string) => string;
  /** Gives the node of what only the caller knows, such as a task: an array that begins with a text. */
  readonly toNode?: (value: object) => readonly unknown[] | undefined;
}

/** Nested deeper than this, a value is an accident, such as a list linked by its items. */
const MAX_DEPTH = 10_000;

/**
 * Makes a value ready for structured clone, such that nothing is lost on the way. Errors come as
 * `fromThrown()` has them come; what they hold and nobody can clone becomes its text.
 *
 * @param options What it is called, and what else can travel.
 * @returns What goes in its place.
 * @throws {UnclonableError} When something in the value cannot travel; what a getter throws goes on.
 */
export function toCarried(value: unknown, options: CarryOptions): Carried {
  const { root, toNode } = options;
  const beside: object[] = [];
  const local: object[] = [];
  const toOwnNode = (object: object): readonly unknown[] | undefined => {
    const own = toNode?.(object);
    if (own !== undefined) return own;
    const type = toObjectType(object);
    if (type === "Instance" && isThreadOnly(object)) local.push(object);
    else if (type === "Registered") return undefined;
    else if (!isArrayValue(object, type) && !isArrayOfAnyClass(object)) return undefined;
    beside.push(object);
    return [BESIDE, beside.length - 1];
  };
  const refuseOrText: GraphOptions["toText"] = (part, inError) => {
    if (isObject(part) && toNode?.(part) !== undefined) return undefined;
    if (inError) return toText(part) ?? (refuse(part) && String(part));
    if (whyNot(part) !== undefined) throw new Refusal("it cannot travel");
    return undefined;
  };
  const { entries, visit } = noteRegistered();
  try {
    const graph = toGraph(value, {
      toText: refuseOrText,
      toNode: toOwnNode,
      maxDepth: MAX_DEPTH,
      read: readOf,
      visit,
    });
    const carried: Carried = {
      beside,
      graph,
      ...(entries.length > 0 && { registered: entries }),
      ...(local.length > 0 && { threadOnly: toFailure(findThreadOnly(value, root), options) }),
    };
    return Object.defineProperty(carried, ORIGINAL, { value });
  } catch (cause) {
    const { path, message } = toFailure(explain(value, root, cause, toNode), options);
    // Our own ways to say so tell nobody more.
    const own = cause instanceof Refusal || cause instanceof TooDeepError;
    const thrown = cause instanceof InstanceError ? cause.cause : cause;
    throw new UnclonableError(message, path, own ? {} : { cause: thrown });
  }
}

/**
 * Makes of what has travelled the value that it was.
 *
 * @param carried What {@linkcode toCarried} has made.
 * @param fromNode Makes what the caller's own nodes stand for.
 * @throws {UnclonableError} When it came from another process, and something in it could not.
 */
export function fromCarried(
  { beside, graph, registered = [], threadOnly }: Carried,
  fromNode?: (node: readonly unknown[]) => object | undefined,
): unknown {
  // There such things arrive as empty objects.
  if (threadOnly !== undefined && !beside.some(isThreadOnly)) {
    throw new UnclonableError(threadOnly.message, threadOnly.path);
  }
  return fromGraph(graph, refusePart, {
    restoration: registered.length === 0 ? undefined : toRestoration(registered),
    fromNode: (node) => node[0] === BESIDE ? beside[Number(node[1])] : fromNode?.(node),
  });
}

/** Where what is carried says what it stands for, on this side only. */
const ORIGINAL = Symbol("original");

/**
 * Finds what something stands for, to name a place in it.
 *
 * @param value What may be carried.
 * @returns The value that it stands for, or the same value.
 */
export function originalOf(value: unknown): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, ORIGINAL)) return value;
  return Reflect.get(value, ORIGINAL);
}

/**
 * Gives the arguments that are sent, whatever goes in their place.
 *
 * @param args What goes.
 */
export function toOriginals(args: readonly unknown[]): readonly unknown[] {
  // All arguments of a call go in the place of its first.
  const [first] = args;
  const original = originalOf(first);
  return Array.isArray(original) && original !== first ? original : args;
}

/**
 * Lists what goes beside a graph and is inside of some values.
 *
 * @param values The values, which are part of what is carried.
 * @param carried What is carried.
 * @returns Arrays, buffers and the like.
 */
export function besideOf(values: readonly unknown[], { beside }: Carried): object[] {
  const all = new Set(beside);
  const found: object[] = [];
  const enter = (value: unknown) => {
    if (isObject(value) && all.has(value)) found.push(value);
    return undefined;
  };
  findFirst(values, "", { enter, children: childrenOf });
  return found;
}

/** The name of the nodes that stand for what goes beside the graph. */
const BESIDE = "beside";

function isArrayOfAnyClass(value: object): boolean {
  return ArrayBuffer.isView(value) || value instanceof ArrayBuffer ||
    value instanceof SharedArrayBuffer;
}

/** Why something cannot travel, apart from what is inside it. */
function whyNot(value: object | symbol): string | undefined {
  return refuse(value) ?? (typeof value === "object" ? refuseInstance(value) : undefined);
}

/** The same of what is looked at but once, as it takes instances apart. */
function whyRefused(value: object | symbol): string | undefined {
  return whyNot(value) ?? (typeof value === "object" ? refuseTakingApart(value) : undefined);
}

/** A getter of an error's must not hide the error; any other one speaks for itself. */
function readOf(object: object, key: string): unknown {
  return object instanceof Error ? read(object, key) : Reflect.get(object, key);
}

function toFailure(
  finding: Finding | undefined,
  { root, fails }: CarryOptions,
): { readonly path: string; readonly message: string } {
  const { path, reason } = finding ?? { path: root, reason: "it changes while it is read" };
  return { path, message: `${fails(path)}: ${reason}` };
}

function explain(
  value: unknown,
  root: string,
  cause: unknown,
  toNode: CarryOptions["toNode"],
): Finding | undefined {
  if (cause instanceof TooDeepError) {
    const parts = Array.isArray(value) ? childrenOf(value) : [].values();
    const [piece = ""] = parts.find(([, part]) => isTooDeep(part)) ?? [];
    return { path: root + piece, reason: "it is nested too deeply; pass it flattened" };
  }
  const enter = (part: unknown) => {
    if (isObject(part) && toNode?.(part) !== undefined) return undefined;
    return isObject(part) || typeof part === "symbol" ? whyRefused(part) : undefined;
  };
  const children = (part: object) =>
    isProxy(part) || part instanceof Error ? [].values() : childrenOf(part);
  const found = findFirst(value, root, { enter, children });
  // What a getter throws speaks for itself.
  if (found === undefined && !(cause instanceof Refusal)) throw cause;
  return found;
}

/** Whether a part of what is too deep is so by itself, as the one argument of many is. */
function isTooDeep(part: unknown): boolean {
  try {
    toGraph(part, { toText, maxDepth: MAX_DEPTH - 1 });
    return false;
  } catch (error) {
    return error instanceof TooDeepError;
  }
}
