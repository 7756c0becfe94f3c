/**
 * The file that `Bag.exportHdf5()` writes, for HDF5 tools and for `Bag.importHdf5()`.
 *
 * ```text
 * /                      attribute "quiver", a JSON text: format "quiver-export", version 2
 * /calls/<task>/<key>    one group for each call; attributes task, module, version, key, started
 *                        (ISO 8601), duration (milliseconds), metadata (JSON) and record, the
 *                        record of the call log as JSON
 *   args/<name>          each argument that is stored
 *   result               the result
 * /values, /packed, …    the exact values, as in a segment (`format.ts`)
 * ```
 *
 * Below `args` and `result` values are laid out for people: objects, Maps and other containers are
 * groups; typed arrays and n-dimensional arrays datasets with their shape; Arrays of numbers, texts
 * or booleans one dataset; numbers, texts and booleans (int8) datasets without dimensions. Large
 * arrays are there once: in the groups are links to `/values`. An attribute `kind` says what HDF5
 * has no type for. In names `/` is written `~1`.
 *
 * @module
 */
import { resolve } from "node:path";
import { crc32 } from "node:zlib";
import type { Hdf5Environment, Hdf5Output } from "../../bag/hdf5/access.ts";
import { ATTRIBUTE, toArrayShape, toDatasetShape } from "../../bag/segment/format.ts";
import { HDF5_ENVIRONMENT, writeHdf5File } from "../../bag/segment/hdf5_file.ts";
import { type SegmentSource, writeSegment } from "../../bag/segment/segment_writer.ts";
import { CacheMissError } from "../../base/errors.ts";
import type { ArgumentRecord, CallRecord } from "../../call/call_record.ts";
import { isNumberArray, type NumberArray } from "../../value/array_shape.ts";
import { referencesOf } from "../../value/codec/references.ts";
import { bytesOf } from "../../value/object_type.ts";
import { openValue } from "../../value/tree/open_value.ts";
import { formatStep, type PathStep, type ValueNode } from "../../value/tree/value_node.ts";
import type { Digest, PayloadSource, StoredPayload } from "../../value/value.ts";
import type { BagView } from "../browse/bag_view.ts";
import { toPath } from "../open_stores.ts";

/** What `format` says in the file. */
export const EXPORT_FORMAT = "quiver-export";

/** The version of the format. */
export const EXPORT_VERSION = 2;

const PIECE_BYTES = 1024 * 1024;

/** What was exported. */
export interface ExportResult {
  /** How many calls were written. */
  readonly calls: number;
  /** How many values, large arrays counted on their own. */
  readonly values: number;
  /** How many calls were left out because their result is missing or damaged. */
  readonly skipped: number;
}

/**
 * Writes calls with their values into one HDF5 file.
 *
 * @param path The file; it is replaced when all is written.
 * @param matches Tells which calls are meant.
 * @param environment What the file stands on.
 * @returns What was written.
 */
export async function exportBag(
  view: BagView,
  path: string | URL,
  matches: (record: CallRecord) => boolean,
  environment: Hdf5Environment = HDF5_ENVIRONMENT,
): Promise<ExportResult> {
  const { source } = view;
  const found = new Map<Digest, SegmentSource>();
  const records: CallRecord[] = [];
  let skipped = 0;
  for (const record of view.calls.records()) {
    if (!matches(record)) continue;
    if (!collect(source, record.result, found)) {
      skipped++;
      continue;
    }
    records.push(withoutLost(record, (value) => collect(source, value, found)));
  }
  await writeHdf5File(resolve(toPath(path)), async (output) => {
    const sources = [...found.values()];
    await writeSegment(output, sources, pause);
    writeCalls(output, source, records, toShapes(sources));
  }, environment);
  return { calls: records.length, values: found.size, skipped };
}

/** Leaves out of a record the values that are lost; it is then not what somebody signed. */
function withoutLost(record: CallRecord, isThere: (digest: Digest) => boolean): CallRecord {
  const isLost = ({ value }: ArgumentRecord) => value !== undefined && !isThere(value);
  const lost = new Set(record.args.filter(isLost));
  if (lost.size === 0) return record;
  const args = record.args.map((argument) => {
    const { value: _, ...others } = argument;
    return lost.has(argument) ? others : argument;
  });
  const { signature: _, ...fields } = record;
  return { ...fields, args };
}

/** Takes a value with its parts, if all of it is there. */
function collect(
  source: PayloadSource,
  digest: Digest,
  found: Map<Digest, SegmentSource>,
): boolean {
  if (found.has(digest)) return true;
  const stored = source.open(digest);
  if (stored === undefined) return false;
  const isDataset = toDatasetShape(stored.kind, stored.length) !== undefined;
  const payload = isDataset ? undefined : source.load(digest);
  if (!isDataset && payload === undefined) return false;
  const parts = payload === undefined ? [] : referencesOf(payload);
  if (!parts.every((part) => collect(source, part, found))) return false;
  found.set(digest, toSource(source, stored));
  return true;
}

/** A payload of the bag on its way into the file. */
function toSource(
  source: PayloadSource,
  { digest, kind, length, shape }: StoredPayload,
): SegmentSource {
  let crc = 0;
  return {
    digest,
    kind,
    length,
    ...(shape !== undefined && { shape }),
    /** The CRC-32 of what was read: it is asked for when the payload is written. */
    get crc() {
      return crc;
    },
    *chunks() {
      crc = 0;
      // Opened anew, for it may have been moved since it was found.
      const payload = source.open(digest);
      const buffer = new Uint8Array(Math.min(PIECE_BYTES, length));
      for (let at = 0; at < length; at += buffer.length) {
        const piece = buffer.subarray(0, Math.min(buffer.length, length - at));
        if (payload?.read(at, piece) !== true) {
          throw new CacheMissError(
            `Cannot export the value ${digest}: it was lost meanwhile, or is damaged`,
            digest,
          );
        }
        crc = crc32(piece, crc);
        yield piece;
      }
    },
  };
}

function toShapes(sources: readonly SegmentSource[]): Map<Digest, readonly number[]> {
  const shapes = new Map<Digest, readonly number[]>();
  for (const { digest, kind, length, shape } of sources) {
    const dataset = toDatasetShape(kind, length, shape);
    if (dataset !== undefined) shapes.set(digest, dataset.dimensions);
  }
  return shapes;
}

function writeCalls(
  output: Hdf5Output,
  source: PayloadSource,
  records: readonly CallRecord[],
  shapes: ReadonlyMap<Digest, readonly number[]>,
): void {
  const about = { format: EXPORT_FORMAT, version: EXPORT_VERSION };
  output.setAttribute("/", ATTRIBUTE, JSON.stringify(about));
  output.createGroup("/calls");
  const groups = new Map<string, string>();
  const names = new Set<string>();
  for (const record of records) {
    let group = groups.get(record.task);
    if (group === undefined) {
      group = `/calls/${toUniqueName({ type: "key", key: record.task }, names)}`;
      groups.set(record.task, group);
      output.createGroup(group);
    }
    writeCall(output, `${group}/${record.key}`, record, (path, digest) => {
      const node = openValue(digest, source);
      if (node !== undefined) new ExportTree(output, shapes).write(path, node);
    });
  }
}

function writeCall(
  output: Hdf5Output,
  path: string,
  record: CallRecord,
  writeValue: (path: string, digest: Digest) => void,
): void {
  output.createGroup(path);
  const { task, module, key, version, started, duration, metadata, args, result } = record;
  const properties = { task, module, key, version, started: toTime(started), duration };
  for (const [name, value] of Object.entries(properties)) {
    if (value !== undefined) output.setProperty(path, name, value);
  }
  output.setProperty(path, "metadata", JSON.stringify(metadata ?? {}));
  output.setAttribute(path, "record", JSON.stringify(record));
  output.createGroup(`${path}/args`);
  const names = new Set<string>();
  for (const { name, value } of args) {
    const step = { type: "key", key: name } as const;
    if (value !== undefined) writeValue(`${path}/args/${toUniqueName(step, names)}`, value);
  }
  writeValue(`${path}/result`, result);
}

function toTime(started: number): string | undefined {
  const time = new Date(started);
  return Number.isNaN(time.getTime()) ? undefined : time.toISOString();
}

/** Lets others run between two values. */
function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** A value with more inside than this is not laid out: a tool would not show it well. */
const MAX_NODES = 10_000;

/** Deeper than this nobody looks. */
const MAX_DEPTH = 50;

/** An array of arrays of numbers has no more dimensions than this. */
const MAX_RANK = 8;

const INT64_LIMIT = 2n ** 63n;

/** Lays a value out as groups and datasets, for people to look at. */
class ExportTree {
  readonly #output: Hdf5Output;
  readonly #shapes: ReadonlyMap<Digest, readonly number[]>;
  readonly #paths = new Map<object, string>();
  #nodes = 0;

  /**
   * Creates the layout of one value.
   *
   * @param shapes The arrays in `/values` and their shapes.
   */
  constructor(output: Hdf5Output, shapes: ReadonlyMap<Digest, readonly number[]>) {
    this.#output = output;
    this.#shapes = shapes;
  }

  /**
   * Writes a value.
   *
   * @param path Where in the file; nothing is there.
   * @param depth How deep in the value it is.
   */
  write(path: string, node: ValueNode, depth: number = 0): void {
    const known = node.identity && this.#paths.get(node.identity);
    if (known !== undefined) return this.#output.createSoftLink(path, known);
    if (node.identity !== undefined) this.#paths.set(node.identity, path);
    if (++this.#nodes > MAX_NODES || depth > MAX_DEPTH) return this.#omit(path, node);
    if (this.#writeArray(path, node)) return;
    if (node.size === undefined) return this.#writeLeaf(path, node);
    if (node.kind === "Array" && this.#writeRow(path, node)) return;
    this.#writeGroup(path, node, depth);
  }

  #omit(path: string, node: ValueNode): void {
    this.#writeText(path, "…", node.kind);
    this.#output.setProperty(path, "omitted", "too large or too deep to be laid out");
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
    const stored = digest === undefined ? undefined : this.#shapes.get(digest);
    if (stored !== undefined) {
      // The numbers of this array are in the file with another shape.
      if (node.size !== undefined && stored.join() !== node.shape?.join()) return false;
      this.#output.createHardLink(path, `/values/${digest}`);
      return true;
    }
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
const UNLIKE_HDF5: ReadonlySet<string> = new Set([
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
    value instanceof URL || value instanceof URLSearchParams;
  return isText ? String(value) : "";
}

/**
 * Makes a name that HDF5 takes of any step.
 *
 * @param names The names that there are; the new one is added.
 * @returns The name: `/` becomes `~1` as in paths, and what is there already gets a number.
 */
function toUniqueName(step: PathStep, names: Set<string>): string {
  const escaped = formatStep(step).replaceAll("\0", "␀").toWellFormed();
  const base = escaped === "." || escaped === ".." ? `~${escaped}` : escaped;
  let name = base;
  for (let n = 2; names.has(name); n++) name = `${base}~${n}`;
  names.add(name);
  return name;
}
