import { checkOptions, COUNT_OR_NONE, type OptionRules } from "../../base/check_options.ts";
import { CacheMissError } from "../../base/errors.ts";
import { isDigest } from "../../disk/disk_storage.ts";
import type { ArgumentRecord, CallRecord } from "../../call/call_record.ts";
import type { NdArray, NumberArray } from "../../value/array_shape.ts";
import { MissingPartError } from "../../value/codec/decode_value.ts";
import { followPath, openData, openValue } from "../../value/tree/open_value.ts";
import { sliceArray, type SliceRange } from "../../value/tree/slice_array.ts";
import {
  formatStep,
  joinPath,
  parseValuePath,
  type ValueChild,
  type ValueNode,
} from "../../value/tree/value_node.ts";
import type { Digest, PayloadSource } from "../../value/value.ts";
import type { BagView } from "./bag_view.ts";

export { createBagView } from "./bag_view.ts";
export { findSource } from "./cache_source.ts";

/** What lies at a path of a bag. */
export interface BagEntry {
  /** The last step of the path. */
  readonly name: string;
  /** The path, to be listed in turn. */
  readonly path: string;
  /**
   * What it is: `"task"`, `"call"`, `"arguments"`, or of a value its class or the type of a
   * primitive; `"digest"` for an argument of which only the `digest` was stored, see `storeArguments`
   * of tasks and scopes; `"missing"` for a value that is not there.
   */
  readonly kind: string;
  /** How many entries there are below; absent where there can be none. */
  readonly size?: number;
  /** The lengths of the dimensions of an array of numbers. */
  readonly shape?: readonly number[];
  /** How many bytes an array or buffer has. */
  readonly bytes?: number;
  /** The digest under which an array is stored on its own, or of an argument that was not stored. */
  readonly digest?: Digest;
  /** A number, text or other primitive, or a Date. */
  readonly value?: string | number | bigint | boolean | null | Date;
}

/** What lies at a path of a bag, and some of what lies below. */
export interface BagPlace extends BagEntry {
  /** Those entries that were asked for. */
  readonly entries: readonly BagEntry[];
}

/** Options of `Bag.describe`. */
export interface DescribeOptions {
  /**
   * How many of the entries below are described.
   *
   * @default {0}
   */
  entries?: number;
  /**
   * How many of the entries below are left out before.
   *
   * @default {0}
   */
  skip?: number;
}

const DESCRIBE_RULES: OptionRules<DescribeOptions> = {
  entries: COUNT_OR_NONE,
  skip: COUNT_OR_NONE,
};

/**
 * Goes over what lies at a path.
 *
 * @throws {RangeError} If there is no such path.
 */
export function* listBag(view: BagView, path: string): Generator<BagEntry> {
  const steps = parseValuePath(path);
  const node = followPath(toBagNode(view), steps, `the bag "${view.path}"`);
  // As it was given, a path may be written in another way.
  const parent = steps.reduce(joinPath, "");
  for (const child of node.children()) yield toEntry(parent, child);
}

/**
 * Tells what lies at a path.
 *
 * @throws {RangeError} If there is no such path.
 * @throws {TypeError} If an option is unknown.
 */
export function describePath(
  view: BagView,
  path: string,
  options: DescribeOptions,
): BagPlace {
  checkOptions("describe what is in a bag", options, DESCRIBE_RULES);
  const { entries = 0, skip = 0 } = options;
  const steps = parseValuePath(path);
  const node = followPath(toBagNode(view), steps, `the bag "${view.path}"`);
  const last = steps.pop();
  const parent = steps.reduce(joinPath, "");
  const step = last ?? { type: "key", key: "" };
  const entry = toEntry(parent, { step, node });
  const own = last === undefined ? "" : entry.path;
  const below = entries === 0 ? [] : node.children();
  return {
    ...entry,
    path: own,
    entries: Iterator.from(below).drop(skip).take(entries).map((child) => toEntry(own, child))
      .toArray(),
  };
}

function toEntry(parent: string, { step, node }: ValueChild): BagEntry {
  const { kind, size, shape, bytes, digest } = node;
  const value = PRIMITIVES.has(kind) ? node.read() : undefined;
  return {
    name: step.type === "key" ? step.key : formatStep(step),
    path: joinPath(parent, step),
    kind,
    ...(size !== undefined && { size }),
    ...(shape !== undefined && { shape }),
    ...(bytes !== undefined && { bytes }),
    ...(digest !== undefined && { digest }),
    ...(isPrimitive(value) && { value }),
  };
}

/** The kinds of values whose entries have them. */
const PRIMITIVES: ReadonlySet<string> = new Set(
  ["string", "number", "bigint", "boolean", "null", "Date"],
);

function isPrimitive(value: unknown): value is NonNullable<BagEntry["value"]> | null {
  return value === null || value instanceof Date ||
    ["string", "number", "bigint", "boolean"].includes(typeof value);
}

/**
 * Reads a value, or a part of it.
 *
 * @param source Where payloads lie.
 * @param digest The digest of the value.
 * @param path Where in the value.
 * @returns What is there.
 * @throws {CacheMissError} If the value, or an array that is needed, is missing or damaged.
 * @throws {RangeError} If there is no such path.
 */
export function readStored(source: PayloadSource, digest: Digest, path: string): unknown {
  return withValue(source, digest, path, (node) => node.read());
}

/**
 * Reads a part of an array.
 *
 * @param source Where payloads lie.
 * @param digest The digest of the value.
 * @param path Where in the value the array is.
 * @param ranges Which part.
 * @throws {CacheMissError} If the array is missing or damaged.
 * @throws {TypeError} If there is no array of numbers.
 * @throws {RangeError} If there is no such path, or a range is outside of the array.
 */
export function sliceStored(
  source: PayloadSource,
  digest: Digest,
  path: string,
  ranges: readonly SliceRange[],
): NumberArray | NdArray {
  return withValue(source, digest, path, (node) => {
    const numbers = node.numbers();
    if (numbers !== undefined && node.shape !== undefined) {
      return sliceArray(numbers, node.shape, ranges);
    }
    const place = path === "" ? "it" : `"${path}"`;
    throw new TypeError(
      `Cannot slice the value ${digest}: ${place} is of the kind "${node.kind}", and only typed ` +
        "arrays and { data, shape } have slices",
    );
  });
}

function withValue<T>(
  source: PayloadSource,
  digest: Digest,
  path: string,
  use: (node: ValueNode) => T,
): T {
  const steps = parseValuePath(path);
  let cause: MissingPartError | undefined;
  // Twice: between finding a payload and reading it another process may have moved it.
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      const root = openValue(digest, source);
      if (root !== undefined) return use(followPath(root, steps, `the value ${digest}`));
    } catch (error) {
      if (!(error instanceof MissingPartError)) throw error;
      cause = error;
    }
  }
  throw new CacheMissError(
    `Cannot read the value ${digest}: ${cause === undefined ? "it" : `its part ${cause.digest}`} ` +
      "is not in the bag or cache, or is damaged",
    digest,
    { cause },
  );
}

/** A place above values; there is nothing to read there. */
interface Place {
  readonly kind: string;
  readonly size?: number | undefined;
  readonly digest?: Digest;
  /** Gives what is there under a key. */
  at(key: string): ValueNode | undefined;
  /** Goes over all that is there. */
  list(): Iterable<readonly [key: string, node: ValueNode]>;
}

function toNode({ kind, size, digest, at, list }: Place): ValueNode {
  return {
    kind,
    ...(size !== undefined && { size }),
    ...(digest !== undefined && { digest }),
    child: (step) => step.type === "key" ? at(step.key) : undefined,
    *children() {
      for (const [key, node] of list()) yield { step: { type: "key", key }, node };
    },
    read: () => undefined,
    numbers: () => undefined,
  };
}

/** The bag itself: the tasks, each with the number of its calls, and values by their digests. */
function toBagNode(view: BagView): ValueNode {
  const { calls, source } = view;
  return toNode({
    kind: "bag",
    at(key) {
      if (isDigest(key)) {
        const record = calls.get(key);
        return record === undefined ? openValue(key, source) : toCallNode(view, record);
      }
      const known = Iterator.from(calls.records()).some(({ task }) => task === key);
      return known ? toTaskNode(view, key) : undefined;
    },
    *list() {
      const sizes = new Map<string, number>();
      for (const { task } of calls.records()) sizes.set(task, (sizes.get(task) ?? 0) + 1);
      for (const [name, size] of sizes) yield [name, toTaskNode(view, name, size)];
    },
  });
}

/** The calls of the tasks of a name. */
function toTaskNode(view: BagView, name: string, size?: number): ValueNode {
  return toNode({
    kind: "task",
    size,
    at(key) {
      const record = isDigest(key) ? view.calls.get(key) : undefined;
      return record?.task === name ? toCallNode(view, record) : undefined;
    },
    *list() {
      for (const record of view.calls.records()) {
        if (record.task === name) yield [record.key, toCallNode(view, record)];
      }
    },
  });
}

/** One call: its arguments, its result and what else its record says. */
function toCallNode(view: BagView, { args, result, metadata }: CallRecord): ValueNode {
  const parts: ReadonlyMap<string, () => ValueNode> = new Map([
    ["args", () => toArgumentsNode(view, args)],
    ["result", () => openStored(view, result)],
    ["metadata", () => openData(metadata)],
  ]);
  return toNode({
    kind: "call",
    size: parts.size,
    at: (key) => parts.get(key)?.(),
    list: () => parts.entries().map(([key, open]) => [key, open()]),
  });
}

/** The arguments of a call. */
function toArgumentsNode(view: BagView, args: readonly ArgumentRecord[]): ValueNode {
  return toNode({
    kind: "arguments",
    size: args.length,
    at(key) {
      const argument = args.find(({ name }) => name === key);
      return argument && openArgument(view, argument);
    },
    list: () => args.values().map((argument) => [argument.name, openArgument(view, argument)]),
  });
}

/** An argument: of one that was never stored there is the digest. */
function openArgument(view: BagView, { digest, value, lost }: ArgumentRecord): ValueNode {
  if (value !== undefined || lost !== undefined) return openStored(view, value);
  return toNode({ kind: "digest", digest, at: () => undefined, list: () => [] });
}

/** A value that is not there, or not whole, can be listed, but not read. */
function openStored(view: BagView, digest: Digest | undefined): ValueNode {
  const node = digest === undefined ? undefined : openValue(digest, view.source);
  return node ?? toNode({ kind: "missing", at: () => undefined, list: () => [] });
}
