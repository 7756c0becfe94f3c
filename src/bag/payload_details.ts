/**
 * What a segment's table tells of an array beyond its row: the shape, the checksums of its blocks,
 * and where the chunks of a compressed dataset lie. `FORMAT.md` specifies the bytes
 * ("segments/<n>.index").
 *
 * @module
 */
import { crc32 } from "node:zlib";
import type { ReadBytes } from "../disk/file_system.ts";

/** Where the bytes of a chunk lie in the segment. */
export interface ChunkPlace {
  /** Where they begin, in bytes. */
  readonly offset: number;
  /** How many there are. */
  readonly length: number;
}

/** The chunks of a compressed dataset. */
export interface ChunkList {
  /** The lengths of a chunk's dimensions. */
  readonly shape: readonly number[];
  /** Where each chunk lies, in the order of their bytes. */
  readonly places: readonly ChunkPlace[];
}

/** The details of a payload. */
export interface PayloadDetails {
  /** The lengths of the dimensions; absent for one dimension. */
  readonly shape?: readonly number[];
  /** The CRC-32 of each block. */
  readonly checks?: Uint32Array;
  /** The chunks, if the dataset is compressed. */
  readonly chunks?: ChunkList;
}

const HEADER_BYTES = 8;

/** Details begin at a multiple of this. */
export const UNIT_BYTES = 8;

/** Details are a few bytes for each 64 KiB of a payload of less than 2 GiB. */
const LARGEST_BYTES = 2 ** 22;

/**
 * Makes the bytes of details.
 *
 * @param details The details.
 * @returns The bytes, a whole number of units.
 */
export function encodeDetails({ shape, checks, chunks }: PayloadDetails): Uint8Array<ArrayBuffer> {
  const places = chunks && Float64Array.from(
    chunks.places.flatMap(({ offset, length }) => [offset, length]),
  );
  const text = JSON.stringify({
    shape,
    checks: checks && toBytes(checks).toBase64(),
    chunk: chunks?.shape,
    places: places && toBytes(places).toBase64(),
  });
  const content = new TextEncoder().encode(text);
  const units = Math.ceil((HEADER_BYTES + content.length) / UNIT_BYTES);
  const bytes = new Uint8Array(units * UNIT_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, content.length, true);
  view.setUint32(4, crc32(content), true);
  bytes.set(content, HEADER_BYTES);
  return bytes;
}

/**
 * Reads details.
 *
 * @param read Reads bytes of the table's file.
 * @param unit What stands in the row.
 * @returns The details; none when they are damaged.
 */
export function readDetails(read: ReadBytes, unit: number): PayloadDetails {
  if (unit === 0) return {};
  const header = new Uint8Array(HEADER_BYTES);
  if (!read(unit * UNIT_BYTES, header)) return {};
  const view = new DataView(header.buffer);
  const length = view.getUint32(0, true);
  if (length > LARGEST_BYTES) return {};
  const content = new Uint8Array(length);
  if (!read(unit * UNIT_BYTES + HEADER_BYTES, content)) return {};
  if (crc32(content) !== view.getUint32(4, true)) return {};
  try {
    return decode(content);
  } catch (error) {
    // What has its checksum was written by us, or by somebody who wants to be believed.
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}

function decode(content: Uint8Array): PayloadDetails {
  const text: unknown = JSON.parse(new TextDecoder().decode(content));
  if (typeof text !== "object" || text === null) return {};
  const { shape, checks, chunk, places }: Record<string, unknown> = { ...text };
  return {
    ...(isShape(shape) && { shape }),
    ...(typeof checks === "string" && { checks: new Uint32Array(fromBase64(checks, 4)) }),
    ...(isShape(chunk) && typeof places === "string" && {
      chunks: { shape: chunk, places: toPlaces(new Float64Array(fromBase64(places, 16))) },
    }),
  };
}

function toPlaces(numbers: Float64Array): ChunkPlace[] {
  return Array.from({ length: numbers.length / 2 }, (_, i) => ({
    offset: numbers[2 * i] ?? 0,
    length: numbers[2 * i + 1] ?? 0,
  }));
}

function isShape(shape: unknown): shape is number[] {
  return Array.isArray(shape) &&
    shape.every((length) => Number.isSafeInteger(length) && length > 0);
}

function toBytes(numbers: Uint32Array | Float64Array): Uint8Array {
  return new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
}

function fromBase64(text: string, unit: number): ArrayBuffer {
  const bytes = Uint8Array.fromBase64(text);
  return bytes.slice(0, bytes.length - bytes.length % unit).buffer;
}
