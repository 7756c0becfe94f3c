import { crc32, inflateSync } from "node:zlib";
import type { FilePlace, ReadBytes } from "../disk/file_system.ts";
import type { StoredPayload } from "../value/value.ts";

/** What compressing may add to a chunk that is small and cannot be made smaller, in bytes. */
const SLACK_BYTES = 1024;

/** What a payload is, beside its bytes. */
type PayloadHead = Pick<StoredPayload, "digest" | "kind" | "length" | "shape">;

/** What reads the blocks of a payload. */
export interface BlockSource {
  /** How the payload is divided. */
  readonly grid: BlockGrid;
  /**
   * Reads a block.
   *
   * @param target A buffer as long as the block.
   * @returns Whether the block is there and not damaged.
   */
  readBlock(block: Block, target: Uint8Array<ArrayBuffer>): boolean;
}

/** A payload of which pieces are read, block by block: the last block is kept, for its neighbours. */
export class BlockPayload implements StoredPayload {
  readonly digest: string;
  readonly kind: number;
  readonly length: number;
  readonly shape?: readonly number[];
  readonly #blocks: BlockSource;
  #kept: { readonly index: number; readonly bytes: Uint8Array<ArrayBuffer> } | undefined;

  /**
   * Describes a payload; nothing is read.
   *
   * @param head What the payload is.
   * @param blocks What reads it.
   */
  constructor(head: PayloadHead, blocks: BlockSource) {
    this.digest = head.digest;
    this.kind = head.kind;
    this.length = head.length;
    if (head.shape !== undefined) this.shape = head.shape;
    this.#blocks = blocks;
  }

  /** As the interface says. */
  read(offset: number, target: Uint8Array<ArrayBuffer>): boolean {
    const end = offset + target.length;
    if (offset < 0 || end > this.length) return false;
    for (let at = offset; at < end;) {
      const block = findBlock(this.#blocks.grid, at);
      const wanted = target.subarray(at - offset, Math.min(block.end, end) - offset);
      // A block that is wanted whole goes where it is wanted.
      if (wanted.length === block.end - block.begin) {
        if (!this.#blocks.readBlock(block, wanted)) return false;
      } else {
        const bytes = this.#block(block);
        if (bytes === undefined) return false;
        wanted.set(bytes.subarray(at - block.begin, at - block.begin + wanted.length));
      }
      at += wanted.length;
    }
    return true;
  }

  #block(block: Block): Uint8Array<ArrayBuffer> | undefined {
    if (this.#kept?.index === block.index) return this.#kept.bytes;
    const length = block.end - block.begin;
    const bytes = this.#kept?.bytes.length === length ? this.#kept.bytes : new Uint8Array(length);
    this.#kept = undefined;
    if (!this.#blocks.readBlock(block, bytes)) return undefined;
    this.#kept = { index: block.index, bytes };
    return bytes;
  }
}

/**
 * Makes blocks of bytes that lie one behind the other in a file.
 *
 * @param length The length of the payload in bytes.
 * @param read Reads bytes of the payload.
 * @param checks The CRC-32 of each block; without them, the payload is known to be whole.
 */
export function createBlocks(
  length: number,
  read: ReadBytes,
  checks?: Uint32Array,
): BlockSource {
  return {
    grid: { length, period: length, blockBytes: BLOCK_BYTES },
    readBlock(block, target) {
      if (!read(block.begin, target)) return false;
      return checks === undefined || crc32(target) === checks[block.index];
    },
  };
}

/**
 * Makes blocks of the chunks of a compressed dataset.
 *
 * @param grid How the chunks divide the payload.
 * @param read Reads bytes of the file.
 * @param places Where each chunk lies in the file.
 * @param checks The CRC-32 of each chunk as it is when it is not compressed.
 */
export function createChunkBlocks(
  grid: BlockGrid,
  read: ReadBytes,
  places: readonly FilePlace[],
  checks: Uint32Array,
): BlockSource {
  return {
    grid,
    readBlock(block, target) {
      const place = places[block.index];
      const check = checks[block.index];
      if (place === undefined || check === undefined) return false;
      // No sound place is longer, and a damaged one must not ask for memory.
      if (!(place.length >= 0 && place.length <= 2 * grid.blockBytes + SLACK_BYTES)) return false;
      const bytes = new Uint8Array(place.length);
      return read(place.offset, bytes) && unpackChunk(bytes, grid.blockBytes, check, target);
    },
  };
}

/**
 * Gets a chunk's bytes out of what HDF5 has written.
 *
 * @param written What is in the file.
 * @param chunkBytes The size of a whole chunk in bytes; one at the edge is filled up to it.
 * @param check The CRC-32 of the bytes.
 * @param target As long as the bytes are.
 * @returns Whether they are there and not damaged.
 */
export function unpackChunk(
  written: Uint8Array<ArrayBuffer>,
  chunkBytes: number,
  check: number,
  target: Uint8Array<ArrayBuffer>,
): boolean {
  // The filter is optional in HDF5: a chunk may stand as it is.
  if (written.length === chunkBytes && crc32(written.subarray(0, target.length)) === check) {
    target.set(written.subarray(0, target.length));
    return true;
  }
  try {
    const bytes = inflateSync(written, { maxOutputLength: chunkBytes });
    if (bytes.length < target.length) return false;
    target.set(bytes.subarray(0, target.length));
  } catch {
    // Whatever zlib says, these are not the bytes.
    return false;
  }
  return crc32(target) === check;
}

/**
 * Reads a payload to the end, and tells whether it has its checksum.
 *
 * @param read Reads bytes of the payload.
 * @param length The length of the payload in bytes.
 * @param crc The CRC-32 of the payload.
 * @returns Whether it is whole.
 */
export function isWhole(read: ReadBytes, length: number, crc: number): boolean {
  const buffer = new Uint8Array(Math.min(16 * BLOCK_BYTES, length));
  let found = 0;
  for (let at = 0; at < length; at += buffer.length) {
    const piece = buffer.subarray(0, Math.min(buffer.length, length - at));
    if (!read(at, piece)) return false;
    found = crc32(piece, found);
  }
  return found === crc;
}

/** The size of the blocks of a payload that is not compressed, in bytes. */
export const BLOCK_BYTES = 64 * 1024;

/** About the size of a block that is compressed, before it is, in bytes. */
const CHUNK_BYTES = 256 * 1024;

/** One block of a payload. */
export interface Block {
  /** The number of the block. */
  readonly index: number;
  /** Where in the payload it begins, in bytes. */
  readonly begin: number;
  /** Where it ends. */
  readonly end: number;
}

/**
 * How a payload is divided into blocks: into periods of one length, each of which is divided into
 * blocks of one length, the last one of a period being shorter.
 */
export interface BlockGrid {
  /** The length of the payload in bytes. */
  readonly length: number;
  /** The length of a period in bytes. */
  readonly period: number;
  /** The length of a block in bytes. */
  readonly blockBytes: number;
}

/** How the payload of a dataset that is compressed is divided: each block is a chunk. */
export interface ChunkGrid extends BlockGrid {
  /** The lengths of the dataset's dimensions. */
  readonly shape: readonly number[];
  /** The size of an element in bytes. */
  readonly elementBytes: number;
  /** The lengths of a chunk's dimensions. */
  readonly chunk: readonly number[];
}

function toChunkShape(shape: readonly number[], elementBytes: number): number[] {
  const chunk = shape.map(() => 1);
  let room = Math.max(1, Math.floor(CHUNK_BYTES / elementBytes));
  for (let i = shape.length - 1; i >= 0; i--) {
    const length = shape[i] ?? 1;
    chunk[i] = Math.max(1, Math.min(length, room));
    room = Math.floor(room / length);
    if (room < 1 || chunk[i] !== length) break;
  }
  return chunk;
}

/**
 * Chooses the chunks of a dataset that is compressed, such that the bytes of each chunk lie one
 * behind the other in the payload.
 *
 * @param shape The lengths of the dimensions.
 * @param elementBytes The size of an element in bytes.
 */
export function toChunkGrid(shape: readonly number[], elementBytes: number): ChunkGrid {
  const chunk = toChunkShape(shape, elementBytes);
  const split = chunk.findIndex((length) => length !== 1);
  const at = split === -1 ? shape.length - 1 : split;
  const product = (lengths: readonly number[]) =>
    lengths.reduce((product, length) => product * length, elementBytes);
  return {
    shape,
    elementBytes,
    chunk,
    length: product(shape),
    period: product(shape.slice(at)),
    blockBytes: product(chunk),
  };
}

/**
 * Counts the blocks of a grid.
 *
 * @returns How many there are.
 */
export function countBlocks({ length, period, blockBytes }: BlockGrid): number {
  return length === 0 ? 0 : (length / period) * Math.ceil(period / blockBytes);
}

/**
 * Finds the block that a byte is in.
 *
 * @param offset Where in the payload the byte is.
 */
export function findBlock({ period, blockBytes }: BlockGrid, offset: number): Block {
  const outer = Math.floor(offset / period);
  const inner = Math.floor((offset - outer * period) / blockBytes);
  const begin = outer * period + inner * blockBytes;
  return {
    index: outer * Math.ceil(period / blockBytes) + inner,
    begin,
    end: Math.min(begin + blockBytes, (outer + 1) * period),
  };
}

/**
 * Tells where in a dataset a chunk is.
 *
 * @returns Where it begins, and how many elements it has, in each dimension.
 */
export function toChunkBox(
  { shape, elementBytes }: ChunkGrid,
  block: Block,
): { start: number[]; count: number[] } {
  let before = block.begin / elementBytes;
  let elements = (block.end - block.begin) / elementBytes;
  const start = shape.map(() => 0);
  const count = shape.map(() => 1);
  for (let i = shape.length - 1; i >= 0; i--) {
    const length = shape[i] ?? 1;
    start[i] = before % length;
    before = Math.floor(before / length);
    count[i] = Math.min(length, elements);
    elements = Math.floor(elements / length);
    if (elements < 1) elements = 1;
  }
  return { start, count };
}

/**
 * Goes over the blocks of a grid.
 *
 * @returns The blocks, in order.
 */
export function* blocksOf(grid: BlockGrid): Generator<Block> {
  for (let at = 0; at < grid.length;) {
    const block = findBlock(grid, at);
    yield block;
    at = block.end;
  }
}

// What a segment's table tells of an array beyond its row: the shape, the checksums of its blocks,
// and where the chunks of a compressed dataset lie. `FORMAT.md` specifies the bytes
// ("segments/<n>.index").

/** The chunks of a compressed dataset. */
export interface ChunkList {
  /** The lengths of a chunk's dimensions. */
  readonly shape: readonly number[];
  /** Where each chunk lies, in the order of their bytes. */
  readonly places: readonly FilePlace[];
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

function toPlaces(numbers: Float64Array): FilePlace[] {
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
