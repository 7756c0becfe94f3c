import { crc32 } from "node:zlib";
import { BLOCK_BYTES, blocksOf } from "./block_grid.ts";
import type { FileWindow } from "../disk/file_system.ts";
import { unpackChunk } from "./payload_blocks.ts";
import type { ChunkPlace, PayloadDetails } from "./payload_details.ts";
import type { WrittenChunks } from "./segment_writer.ts";

/** How much of a payload is read back at once: a whole number of blocks. */
const PIECE_BYTES = 16 * BLOCK_BYTES;

/**
 * Reads back a payload whose bytes lie together.
 *
 * @param window The segment.
 * @param offset Where the payload should begin, in bytes.
 * @param expected How long the payload is, and its checksum.
 * @returns The checksums of its blocks, none for a single one; or `undefined` if it lies not there.
 */
export function confirmPayload(
  window: FileWindow,
  offset: number,
  expected: { readonly length: number; readonly crc: number },
): PayloadDetails | undefined {
  let crc = 0;
  const { length } = expected;
  const checks = new Uint32Array(length > BLOCK_BYTES ? Math.ceil(length / BLOCK_BYTES) : 0);
  for (let at = 0; at < length; at += PIECE_BYTES) {
    const piece = window.read(offset + at, Math.min(PIECE_BYTES, length - at));
    if (piece === undefined) return undefined;
    crc = crc32(piece, crc);
    for (let begin = 0; checks.length > 0 && begin < piece.length; begin += BLOCK_BYTES) {
      const block = piece.subarray(begin, begin + BLOCK_BYTES);
      checks[(at + begin) / BLOCK_BYTES] = crc32(block);
    }
  }
  if (crc !== expected.crc) return undefined;
  return checks.length > 0 ? { checks } : {};
}

/**
 * Reads back the chunks of a compressed dataset.
 *
 * @param window The segment.
 * @param written The chunks, and where they may lie.
 * @returns Where they lie, or `undefined` if one of them lies nowhere.
 */
export function confirmChunks(
  window: FileWindow,
  { shape, grid, checks, candidates }: WrittenChunks,
): PayloadDetails | undefined {
  const places: ChunkPlace[] = [];
  const buffer = new Uint8Array(grid.blockBytes);
  for (const { index, begin, end } of blocksOf(grid)) {
    const target = buffer.subarray(0, end - begin);
    const place = candidates[index]?.find(({ offset, length }) => {
      const bytes = window.read(offset, length);
      return bytes !== undefined &&
        unpackChunk(new Uint8Array(bytes), grid.blockBytes, checks[index] ?? 0, target);
    });
    if (place === undefined) return undefined;
    places.push(place);
  }
  return { checks, chunks: { shape, places } };
}
