import { CacheMissError } from "../base/errors.ts";
import type { NdArray, NumberArray } from "../value/array_shape.ts";
import { MissingPartError } from "../value/codec/decode_value.ts";
import type { Digest } from "../value/value.ts";
import { followPath, openValue } from "../value/tree/open_value.ts";
import { sliceArray, type SliceRange } from "../value/tree/slice_array.ts";
import { formatStep, joinPath, parseValuePath, type ValueNode } from "../value/tree/value_node.ts";
import { BagPlace } from "./bag_places.ts";
import type { BagView } from "./bag_view.ts";

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
 * @param view The bag.
 * @param path The path.
 * @returns The entries.
 * @throws {RangeError} If there is no such path.
 */
export function* listBag(view: BagView, path: string): Generator<BagEntry> {
  const steps = parseValuePath(path);
  const node = followPath(new BagPlace(view), steps, `the bag "${view.path}"`);
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
 * @param view The bag.
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
 * @param view The bag.
 * @param digest The digest of the value.
 * @param path Where in the value the array is.
 * @param ranges Which part.
 * @returns The part.
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
