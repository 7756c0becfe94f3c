import { CacheMissError } from "../../base/errors.ts";
import type { ArgumentRecord, CallRecord } from "../../call/call_record.ts";
import type { NdArray, NumberArray } from "../../value/array_shape.ts";
import { MissingPartError } from "../../value/codec/decode_value.ts";
import { followPath, openData, openValue } from "../../value/tree/open_value.ts";
import { sliceArray, type SliceRange } from "../../value/tree/slice_array.ts";
import {
  formatStep,
  joinPath,
  parseValuePath,
  type PathStep,
  type ValueChild,
  type ValueNode,
} from "../../value/tree/value_node.ts";
import type { Digest } from "../../value/value.ts";
import type { BagView } from "./bag_view.ts";

export { createBagView } from "./bag_view.ts";

/** What lies at a path of a bag. */
export interface BagEntry {
  /** The last step of the path. */
  readonly name: string;
  /** The path, to be listed in turn. */
  readonly path: string;
  /**
   * What it is: `"task"`, `"call"`, `"arguments"`, or of a value its class or the type of a
   * primitive; `"missing"` for a value that is not there.
   */
  readonly kind: string;
  /** How many entries there are below; absent where there can be none. */
  readonly size?: number;
  /** The lengths of the dimensions of an array of numbers. */
  readonly shape?: readonly number[];
  /** How many bytes an array or buffer has. */
  readonly bytes?: number;
  /** The digest under which an array is stored on its own. */
  readonly digest?: Digest;
}

/**
 * Goes over what lies at a path.
 *
 * @throws {RangeError} If there is no such path.
 */
export function* listBag(view: BagView, path: string): Generator<BagEntry> {
  const steps = parseValuePath(path);
  const node = followPath(new BagNode(view), steps, `the bag "${view.path}"`);
  // As it was given, a path may be written in another way.
  const parent = steps.reduce(joinPath, "");
  for (const { step, node: child } of node.children()) {
    const { kind, size, shape, bytes, digest } = child;
    yield {
      name: step.type === "key" ? step.key : formatStep(step),
      path: joinPath(parent, step),
      kind,
      ...(size !== undefined && { size }),
      ...(shape !== undefined && { shape }),
      ...(bytes !== undefined && { bytes }),
      ...(digest !== undefined && { digest }),
    };
  }
}

/**
 * Reads a value, or a part of it.
 *
 * @param digest The digest of the value.
 * @param path Where in the value.
 * @returns What is there.
 * @throws {CacheMissError} If the value, or an array that is needed, is missing or damaged.
 * @throws {RangeError} If there is no such path.
 */
export function readBag(view: BagView, digest: Digest, path: string): unknown {
  return withValue(view, digest, path, (node) => node.read());
}

/**
 * Reads a part of an array.
 *
 * @param digest The digest of the value.
 * @param path Where in the value the array is.
 * @param ranges Which part.
 * @throws {CacheMissError} If the array is missing or damaged.
 * @throws {TypeError} If there is no array of numbers.
 * @throws {RangeError} If there is no such path, or a range is outside of the array.
 */
export function sliceBag(
  view: BagView,
  digest: Digest,
  path: string,
  ranges: readonly SliceRange[],
): NumberArray | NdArray {
  return withValue(view, digest, path, (node) => {
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
  view: BagView,
  digest: Digest,
  path: string,
  use: (node: ValueNode) => T,
): T {
  const steps = parseValuePath(path);
  let cause: MissingPartError | undefined;
  // Twice: between finding a payload and reading it another process may have moved it.
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      const root = openValue(digest, view.source);
      if (root !== undefined) return use(followPath(root, steps, `the value ${digest}`));
    } catch (error) {
      if (!(error instanceof MissingPartError)) throw error;
      cause = error;
    }
  }
  throw new CacheMissError(
    `Cannot read the value ${digest}: ${cause === undefined ? "it" : `its part ${cause.digest}`} ` +
      "is not in the bag, or is damaged",
    digest,
    { cause },
  );
}

const DIGEST_REGEXP = /^[0-9a-f]{64}$/;

/** A place above values; there is nothing to read there. */
abstract class VirtualNode implements ValueNode {
  abstract readonly kind: string;
  abstract children(): Iterable<ValueChild>;
  abstract childAt(key: string): ValueNode | undefined;

  child(step: PathStep): ValueNode | undefined {
    return step.type === "key" ? this.childAt(step.key) : undefined;
  }

  read(): undefined {}

  numbers(): undefined {}
}

/** The bag itself: the tasks, and values by their digests. */
class BagNode extends VirtualNode {
  readonly kind = "bag";
  readonly #view: BagView;

  /** Looks at a bag. */
  constructor(view: BagView) {
    super();
    this.#view = view;
  }

  /** A task by its name, or a value or call by its digest. */
  childAt(key: string): ValueNode | undefined {
    if (!DIGEST_REGEXP.test(key)) return this.#task(key);
    const record = this.#view.calls.get(key);
    return record === undefined
      ? openValue(key, this.#view.source)
      : new CallNode(this.#view, record);
  }

  #task(name: string): ValueNode | undefined {
    for (const { task } of this.#view.calls.records()) {
      if (task === name) return new TaskNode(this.#view, name);
    }
    return undefined;
  }

  /** The tasks, each with the number of its calls. */
  *children(): Generator<ValueChild> {
    const sizes = new Map<string, number>();
    for (const { task: name } of this.#view.calls.records()) {
      sizes.set(name, (sizes.get(name) ?? 0) + 1);
    }
    for (const [name, size] of sizes) {
      yield { step: { type: "key", key: name }, node: new TaskNode(this.#view, name, size) };
    }
  }
}

/** The calls of the tasks of a name. */
class TaskNode extends VirtualNode {
  readonly kind = "task";
  readonly size?: number;
  readonly #view: BagView;
  readonly #name: string;

  constructor(view: BagView, name: string, size?: number) {
    super();
    if (size !== undefined) this.size = size;
    this.#view = view;
    this.#name = name;
  }

  childAt(key: string): ValueNode | undefined {
    const record = DIGEST_REGEXP.test(key) ? this.#view.calls.get(key) : undefined;
    return record?.task === this.#name ? new CallNode(this.#view, record) : undefined;
  }

  *children(): Generator<ValueChild> {
    for (const record of this.#view.calls.records()) {
      if (record.task !== this.#name) continue;
      yield { step: { type: "key", key: record.key }, node: new CallNode(this.#view, record) };
    }
  }
}

/** One call: its arguments, its result and what else its record says. */
class CallNode extends VirtualNode {
  readonly kind = "call";
  readonly size = 3;
  readonly #view: BagView;
  readonly #record: CallRecord;

  constructor(view: BagView, record: CallRecord) {
    super();
    this.#view = view;
    this.#record = record;
  }

  childAt(key: string): ValueNode | undefined {
    const { args, result, metadata } = this.#record;
    if (key === "args") return new ArgumentsNode(this.#view, args);
    if (key === "result") return openStored(this.#view, result);
    return key === "metadata" ? openData(metadata) : undefined;
  }

  *children(): Generator<ValueChild> {
    for (const key of ["args", "result", "metadata"]) {
      const node = this.childAt(key);
      if (node !== undefined) yield { step: { type: "key", key }, node };
    }
  }
}

/** The arguments of a call. */
class ArgumentsNode extends VirtualNode {
  readonly kind = "arguments";
  readonly size: number;
  readonly #view: BagView;
  readonly #args: readonly ArgumentRecord[];

  constructor(view: BagView, args: readonly ArgumentRecord[]) {
    super();
    this.#view = view;
    this.#args = args;
    this.size = args.length;
  }

  childAt(key: string): ValueNode | undefined {
    const argument = this.#args.find(({ name }) => name === key);
    return argument && openStored(this.#view, argument.value);
  }

  *children(): Generator<ValueChild> {
    for (const { name, value } of this.#args) {
      yield { step: { type: "key", key: name }, node: openStored(this.#view, value) };
    }
  }
}

/** A value that is not there, or not whole: it can be listed, but not read. */
class MissingNode extends VirtualNode {
  readonly kind = "missing";

  childAt(): undefined {}

  *children(): Generator<ValueChild> {}
}

function openStored(view: BagView, digest: Digest | undefined): ValueNode {
  const node = digest === undefined ? undefined : openValue(digest, view.source);
  return node ?? new MissingNode();
}
