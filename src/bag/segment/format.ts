/**
 * What is in a segment, an HDF5 file that any HDF5 tool reads, as `FORMAT.md` specifies it
 * ("Segments").
 *
 * @module
 */
import { crc32 } from "node:zlib";
import { isShapeOf } from "../../value/array_shape.ts";
import { SPLIT_BYTES, toKindName, type ValueKindName } from "../../value/value.ts";
import { isDigest } from "../../disk/disk_storage.ts";
import type { DatasetShape } from "../hdf5/access.ts";
import {
  getLength,
  LOCATION,
  readRow,
  ROW_BYTES,
  type TableRow,
  toViewed,
  type ViewedBytes,
} from "../table/digest_table.ts";

/** The name of the one attribute. */
export const ATTRIBUTE = "quiver";

/** The version of the format of datasets. */
export const SEGMENT_VERSION = 1;

/** The version of the format of `/packed_table`. */
export const PACKED_VERSION = 2;

/**
 * The columns of `/packed_table`: a row is that of a table, with a checksum of its own at the end. The
 * library writes no columns of bytes, so that a digest is four.
 */
export const PACKED_COLUMNS = [
  ["digest0", "<Q"],
  ["digest1", "<Q"],
  ["digest2", "<Q"],
  ["digest3", "<Q"],
  ["offset", "<Q"],
  ["length", "<Q"],
  ["kind", "<I"],
  ["crc32", "<I"],
  ["place", "<I"],
  ["check", "<I"],
] as const;

/** The size of a row of version 1 in bytes: its digest was a text. */
export const OLD_PACKED_ROW_BYTES = 88;

const CHECK_AT = ROW_BYTES - 4;

/**
 * Gives each row of `/packed_table` its own checksum.
 *
 * @param rows The rows, which are changed.
 */
export function checkRows(rows: Uint8Array<ArrayBuffer>): void {
  const view = new DataView(rows.buffer, rows.byteOffset, rows.length);
  for (let at = 0; at < rows.length; at += ROW_BYTES) {
    view.setUint32(at + CHECK_AT, toRowCheck(rows, at), true);
  }
}

/**
 * Goes over the rows of `/packed_table`.
 *
 * @param version The version of its format.
 * @param rows The rows.
 * @returns The rows that are whole. Of version 1, that is not to be seen.
 */
export function* readPackedRows(
  version: number,
  rows: Uint8Array<ArrayBuffer>,
): Generator<TableRow> {
  const viewed = toViewed(rows);
  if (version === 1) return yield* readOldRows(viewed);
  for (let at = 0; at + ROW_BYTES <= rows.length; at += ROW_BYTES) {
    const isWhole = viewed.view.getUint32(at + CHECK_AT, true) === toRowCheck(rows, at);
    if (isWhole) yield { ...readRow(viewed, at), location: LOCATION.dataFile };
  }
}

function* readOldRows({ bytes, view }: ViewedBytes): Generator<TableRow> {
  const decoder = new TextDecoder();
  for (let at = 0; at + OLD_PACKED_ROW_BYTES <= bytes.length; at += OLD_PACKED_ROW_BYTES) {
    const digest = decoder.decode(bytes.subarray(at, at + 64));
    if (!isDigest(digest)) continue;
    yield {
      digest,
      offset: getLength(view, at + 64),
      length: getLength(view, at + 72),
      kind: view.getUint32(at + 80, true),
      crc: view.getUint32(at + 84, true),
      location: LOCATION.dataFile,
    };
  }
}

function toRowCheck(rows: Uint8Array, at: number): number {
  return crc32(rows.subarray(at, at + CHECK_AT));
}

/** The HDF5 type and the size of an element of each kind that becomes a dataset. */
const ELEMENTS: Partial<Record<ValueKindName, readonly [type: string, bytes: number]>> = {
  Int8Array: ["<b", 1],
  Uint8Array: ["<B", 1],
  Uint8ClampedArray: ["<B", 1],
  Int16Array: ["<h", 2],
  Uint16Array: ["<H", 2],
  Int32Array: ["<i", 4],
  Uint32Array: ["<I", 4],
  Float16Array: ["<H", 2],
  Float32Array: ["<f", 4],
  Float64Array: ["<d", 8],
  BigInt64Array: ["<q", 8],
  BigUint64Array: ["<Q", 8],
  ArrayBuffer: ["<B", 1],
  SharedArrayBuffer: ["<B", 1],
  DataView: ["<B", 1],
};

/**
 * Tells what dataset an array becomes that is not split out.
 *
 * @param kind The name of the kind of array.
 * @param length The length of the array in bytes.
 * @param dimensions The lengths of its dimensions; one dimension if not given.
 * @returns The dataset's shape, or `undefined` when the kind is no array.
 */
export function toArrayShape(
  kind: string,
  length: number,
  dimensions?: readonly number[],
): Required<DatasetShape> | undefined {
  const element = Object.entries(ELEMENTS).find(([name]) => name === kind)?.[1];
  if (element === undefined) return undefined;
  const count = length / element[1];
  return { type: element[0], count, length, dimensions: dimensions ?? [count] };
}

/**
 * Tells what dataset a payload becomes.
 *
 * @param kind How to read the payload.
 * @param length The length of the payload in bytes.
 * @param dimensions The lengths of its dimensions; one dimension if they are not given, or not those
 * of so many elements.
 * @returns The dataset's shape, or `undefined` when the payload is packed.
 */
export function toDatasetShape(
  kind: number,
  length: number,
  dimensions?: readonly number[],
): Required<DatasetShape> | undefined {
  const name = toKindName(kind);
  const element = name && ELEMENTS[name];
  if (element === undefined || length < SPLIT_BYTES || length % element[1] !== 0) return undefined;
  const count = length / element[1];
  const fits = dimensions !== undefined && isShapeOf(dimensions, count);
  return { type: element[0], count, length, dimensions: fits ? dimensions : [count] };
}
