import type { Hdf5Output } from "../../bag/hdf5/access.ts";
import { toArrayShape } from "../../bag/segment/format.ts";
import { isNumberArray, type NumberArray } from "../../value/array_shape.ts";
import { bytesOf, toObjectType } from "../../value/object_type.ts";
import { formatStep, type PathStep, type ValueNode } from "../../value/tree/value_node.ts";
import type { Digest } from "../../value/value.ts";

/** A value with more inside than this is not laid out: a tool would not show it well. */
const MAX_NODES = 10_000;

/** Deeper than this nobody looks. */
const MAX_DEPTH = 50;

/** An array of arrays of numbers has no more dimensions than this. */
const MAX_RANK = 8;

const INT64_LIMIT = 2n ** 63n;

/** How the parts of a value are written that are not simply there. */
export interface ExportLayout {
  /** Whether what is there twice is a link the second time; if not, it is written again. */
  readonly links: boolean;
  /**
   * Writes an array that is stored on its own.
   *
   * @returns Whether it could be written with the shape that it has there; `undefined` where it is no
   * array that becomes a dataset of its own.
   */
  readonly writeStored: (path: string, array: StoredArray) => boolean | undefined;
}

/** An array in a value that is stored on its own. */
export interface StoredArray {
  readonly digest: Digest;
  /** Its class. */
  readonly kind: string;
  /** The lengths of its dimensions, where the value says them. */
  readonly shape: readonly number[] | undefined;
}

/** Lays a value out as groups and datasets, for people to look at. */
export class ExportTree {
  readonly #output: Hdf5Output;
  readonly #layout: ExportLayout;
  readonly #paths = new Map<object, string>();
  #nodes = 0;

  /**
   * Creates the layout of one value.
   *
   * @param layout How large arrays and links are written.
   */
  constructor(output: Hdf5Output, layout: ExportLayout) {
    this.#output = output;
    this.#layout = layout;
  }

  /**
   * Writes a value.
   *
   * @param path Where in the file; nothing is there.
   * @param depth How deep in the value it is.
   */
  write(path: string, node: ValueNode, depth: number = 0): void {
    const known = node.identity && this.#paths.get(node.identity);
    if (known !== undefined && this.#layout.links) {
      return this.#output.createSoftLink(path, known);
    }
    if (known !== undefined && path.startsWith(`${known}/`)) {
      return this.#omit(path, node, "the object that it is in");
    }
    if (node.identity !== undefined) this.#paths.set(node.identity, path);
    if (++this.#nodes > MAX_NODES || depth > MAX_DEPTH) return this.#omit(path, node);
    if (this.#writeArray(path, node)) return;
    if (node.size === undefined) return this.#writeLeaf(path, node);
    if (node.kind === "Array" && this.#writeRow(path, node)) return;
    this.#writeGroup(path, node, depth);
  }

  #omit(path: string, node: ValueNode, why = "too large or too deep to be laid out"): void {
    this.#writeText(path, "…", node.kind);
    this.#output.setProperty(path, "omitted", why);
  }

  #writeGroup(path: string, node: ValueNode, depth: number): void {
    this.#output.createGroup(path);
    if (node.kind !== "Object") this.#output.setProperty(path, "kind", node.kind);
    const names = new Set<string>();
    for (const { step, node: child } of node.children()) {
      const name = toUniqueName(step, names);
      this.write(`${path}/${name}`, child, depth + 1);
      if (this.#nodes <= MAX_NODES) continue;
      this.#output.setProperty(path, "omitted", "too large to be laid out");
      return;
    }
  }

  /** Writes an array of numbers, or n-dimensional array, as a dataset. */
  #writeArray(path: string, node: ValueNode): boolean {
    if (node.bytes === undefined) return false;
    const data = node.size === undefined ? node : node.child({ type: "key", key: "data" });
    const digest = data?.digest;
    const written = digest === undefined ? undefined : this.#layout.writeStored(path, {
      digest,
      kind: node.kind,
      shape: node.size === undefined ? undefined : node.shape,
    });
    if (written !== undefined) return written;
    const array: unknown = data?.read();
    if (!isNumberArray(array)) return this.#writeBuffer(path, node, array);
    if (array.length === 0) return false;
    this.#writeNumbers(path, array, node.shape, node.kind);
    return true;
  }

  #writeBuffer(path: string, { kind }: ValueNode, buffer: unknown): boolean {
    if (!ArrayBuffer.isView(buffer) && !isBuffer(buffer)) return false;
    const bytes = bytesOf(buffer);
    if (bytes.length === 0) return false;
    this.#writeNumbers(path, bytes, [bytes.length], kind);
    return true;
  }

  #writeNumbers(
    path: string,
    array: NumberArray,
    dimensions: readonly number[] | undefined,
    kind: string,
  ): void {
    const type = array.constructor.name;
    const shape = toArrayShape(type, array.byteLength, dimensions);
    if (shape === undefined) return this.#writeText(path, "…", kind);
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    this.#output.createDataset(path, shape, [bytes]);
    if (UNLIKE_HDF5.has(kind)) this.#output.setProperty(path, "kind", kind);
  }

  /** Writes an Array of numbers, rows of numbers, booleans or texts as one dataset. */
  #writeRow(path: string, node: ValueNode): boolean {
    const shape = toRectangle(node);
    if (shape !== undefined) {
      const numbers = [node.read()].flat(MAX_RANK + 1).map(Number);
      this.#writeNumbers(path, Float64Array.from(numbers), shape, "Array");
      return true;
    }
    const kinds = new Set<string>();
    for (const { node: child } of node.children()) kinds.add(child.kind);
    const [kind, ...others] = kinds;
    if (others.length > 0 || (kind !== "string" && kind !== "boolean")) return false;
    const items: readonly unknown[] = [node.read()].flat();
    if (kind === "boolean") {
      this.#writeNumbers(path, Int8Array.from(items, Number), [items.length], "Array");
      this.#output.setProperty(path, "items", "boolean");
      return true;
    }
    const texts = items.map(String);
    if (texts.some((text) => text.includes("\0"))) return false;
    this.#output.createText(path, texts);
    this.#output.setProperty(path, "kind", "Array");
    return true;
  }

  #writeLeaf(path: string, node: ValueNode): void {
    const value = node.kind === "Boxed" ? Object(node.read()).valueOf() : node.read();
    if (typeof value === "number") {
      this.#writeNumbers(path, Float64Array.of(value), [], node.kind);
    } else if (typeof value === "boolean") {
      this.#writeNumbers(path, Int8Array.of(Number(value)), [], "boolean");
    } else if (typeof value === "bigint" && value >= -INT64_LIMIT && value < INT64_LIMIT) {
      this.#writeNumbers(path, BigInt64Array.of(value), [], "bigint");
    } else {
      this.#writeText(path, toText(value), typeof value === "string" ? "" : node.kind);
    }
  }

  #writeText(path: string, text: string, kind: string): void {
    // HDF5's texts end at the first NUL.
    if (text.includes("\0")) {
      const bytes = new TextEncoder().encode(text);
      return this.#writeNumbers(path, bytes, [bytes.length], "string");
    }
    this.#output.createText(path, text.toWellFormed());
    if (kind !== "") this.#output.setProperty(path, "kind", kind);
  }
}

/** What is not what the dataset's own type says. */
export const UNLIKE_HDF5: ReadonlySet<string> = new Set([
  "Array",
  "ArrayBuffer",
  "Boxed",
  "DataView",
  "Float16Array",
  "SharedArrayBuffer",
  "Uint8ClampedArray",
  "bigint",
  "boolean",
  "string",
]);

function isBuffer(value: unknown): value is ArrayBufferLike {
  return value instanceof ArrayBuffer || value instanceof SharedArrayBuffer;
}

/** The lengths of the dimensions of numbers in Arrays in Arrays; no array in it is large. */
function toRectangle(node: ValueNode, rank = 1): readonly number[] | undefined {
  const { kind, size = 0 } = node;
  if (kind !== "Array" || size === 0 || rank > MAX_RANK) return undefined;
  let inner: readonly number[] | undefined;
  let count = 0;
  for (const { step, node: child } of node.children()) {
    // An index that is left out makes a hole.
    if (step.type !== "key" || step.key !== String(count)) return undefined;
    const shape = child.kind === "number" ? [] : toRectangle(child, rank + 1);
    if (shape === undefined || (inner !== undefined && shape.join() !== inner.join())) {
      return undefined;
    }
    inner = shape;
    count++;
  }
  return [count, ...(inner ?? [])];
}

function toText(value: unknown): string {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "invalid" : value.toISOString();
  const isText = typeof value !== "object" || value === null || value instanceof RegExp ||
    value instanceof URL || value instanceof URLSearchParams || toObjectType(value) === "Temporal";
  return isText ? String(value) : "";
}

/**
 * Makes a name that HDF5 takes of any step.
 *
 * @param names The names that there are; the new one is added.
 * @returns The name: `/` becomes `~1` as in paths, and what is there already gets a number.
 */
export function toUniqueName(step: PathStep, names: Set<string>): string {
  const escaped = formatStep(step).replaceAll("\0", "␀").toWellFormed();
  const base = escaped === "." || escaped === ".." ? `~${escaped}` : escaped;
  let name = base;
  for (let n = 2; names.has(name); n++) name = `${base}~${n}`;
  names.add(name);
  return name;
}
