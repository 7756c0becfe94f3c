import { crc32, inflateSync } from "node:zlib";
import type { StoredPayload } from "../value/value.ts";
import { type Block, BLOCK_BYTES, type BlockGrid, findBlock, toPlainGrid } from "./block_grid.ts";
import type { ChunkPlace } from "./payload_details.ts";
import type { ReadBytes } from "../disk/file_system.ts";

/** What compressing may add to a chunk that is small and cannot be made smaller, in bytes. */
const SLACK_BYTES = 1024;

/** What a payload is, beside its bytes. */
export type PayloadHead = Pick<StoredPayload, "digest" | "kind" | "length" | "shape">;

/** What reads the blocks of a payload. */
export interface BlockSource {
  /** How the payload is divided. */
  readonly grid: BlockGrid;
  /**
   * Reads a block.
   *
   * @param block The block.
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
 * @returns The blocks.
 */
export function createBlocks(
  length: number,
  read: ReadBytes,
  checks?: Uint32Array,
): BlockSource {
  return {
    grid: toPlainGrid(length),
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
 * @returns The blocks.
 */
export function createChunkBlocks(
  grid: BlockGrid,
  read: ReadBytes,
  places: readonly ChunkPlace[],
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
