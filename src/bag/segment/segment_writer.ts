import { setLength } from "../table/digest_table.ts";
import { crc32 } from "node:zlib";
import type { FilePlace } from "../../disk/file_system.ts";
import type { PayloadDescription } from "../../disk/payload.ts";
import { toKindName } from "../../value/value.ts";
import type { DatasetChunk, DatasetShape, Hdf5Output } from "../hdf5/access.ts";
import {
  type Block,
  type BlockGrid,
  type ChunkGrid,
  findBlock,
  toChunkBox,
  toChunkGrid,
} from "../payload_blocks.ts";
import {
  ATTRIBUTE,
  PACKED_COLUMNS,
  PACKED_ROW_BYTES,
  SEGMENT_VERSION,
  toDatasetShape,
} from "./format.ts";

/** A payload that goes into a segment. */
export interface SegmentSource extends PayloadDescription {
  /** The lengths of the dimensions of an array; absent for one dimension. */
  readonly shape?: readonly number[];
  /** Reads the payload in pieces, each good until the next is asked for. */
  chunks(): Iterable<Uint8Array>;
}

/** A payload in a segment, and where its bytes should lie; to be confirmed by their checksum. */
export interface WrittenSource {
  /** What was written. */
  readonly source: SegmentSource;
  /** The dataset that holds the bytes. */
  readonly path: string;
  /** Where in the dataset the bytes begin. */
  readonly start: number;
  /** Where the bytes should lie in the file. */
  readonly offset: number | undefined;
  /** The chunks, if the dataset is compressed. */
  readonly chunks?: WrittenChunks;
}

/** The chunks of a compressed dataset, and where they should lie. */
export interface WrittenChunks {
  /** How they divide the payload. */
  readonly grid: ChunkGrid;
  /** The CRC-32 of the bytes of each chunk. */
  readonly checks: Uint32Array;
  /** For each chunk, where it may lie. */
  readonly candidates: readonly (readonly FilePlace[])[];
}

/**
 * Writes all of a segment; see `format.ts`.
 *
 * @param output An empty HDF5 file; it is not closed.
 * @param sources What to write, each digest once.
 * @param pause Called between slices of work; others may run while it waits.
 * @param gzip The level at which arrays are compressed; 0 for not at all.
 * @returns The sources with their places.
 */
export async function writeSegment(
  output: Hdf5Output,
  sources: readonly SegmentSource[],
  pause: () => Promise<void>,
  gzip: number = 0,
): Promise<WrittenSource[]> {
  output.createGroup("/values");
  const written: WrittenSource[] = [];
  const packed: SegmentSource[] = [];
  for (const source of sources) {
    const shape = toDatasetShape(source.kind, source.length, source.shape);
    if (shape === undefined) {
      packed.push(source);
      continue;
    }
    const path = `/values/${source.digest}`;
    const location = gzip === 0
      ? { offset: output.createDataset(path, shape, source.chunks()) }
      : { offset: undefined, chunks: writeChunks(output, path, shape, source, gzip) };
    output.setAttribute(path, ATTRIBUTE, describe(source, shape.dimensions));
    written.push({ source, path, start: 0, ...location });
    await pause();
  }
  return written.concat(writePacked(output, packed));
}

function writeChunks(
  output: Hdf5Output,
  path: string,
  shape: Required<DatasetShape>,
  source: SegmentSource,
  level: number,
): WrittenChunks {
  const grid = toChunkGrid(shape.dimensions, shape.length / shape.count);
  const checks: number[] = [];
  function* boxes(): Generator<DatasetChunk> {
    for (const { block, bytes } of toBlocks(source.chunks(), grid)) {
      checks.push(crc32(bytes));
      yield { ...toChunkBox(grid, block), bytes };
    }
  }
  const options = { shape: grid.chunk, level };
  const candidates = output.createChunkedDataset(path, shape, options, boxes());
  return { grid, checks: Uint32Array.from(checks), candidates };
}

/** Divides a payload anew: into the blocks of a grid. */
function* toBlocks(
  pieces: Iterable<Uint8Array>,
  grid: BlockGrid,
): Generator<{ readonly block: Block; readonly bytes: Uint8Array }> {
  const buffer = new Uint8Array(grid.blockBytes);
  let block = findBlock(grid, 0);
  let filled = 0;
  for (let piece of pieces) {
    while (piece.length > 0) {
      const length = block.end - block.begin;
      const taken = piece.subarray(0, length - filled);
      buffer.set(taken, filled);
      filled += taken.length;
      piece = piece.subarray(taken.length);
      if (filled < length) continue;
      yield { block, bytes: buffer.subarray(0, length) };
      block = findBlock(grid, block.end);
      filled = 0;
    }
  }
}

function describe(source: SegmentSource, shape: readonly number[]): string {
  return JSON.stringify({
    kind: toKindName(source.kind),
    shape,
    crc32: source.crc,
    format: SEGMENT_VERSION,
  });
}

function writePacked(output: Hdf5Output, sources: readonly SegmentSource[]): WrittenSource[] {
  const length = sources.reduce((sum, source) => sum + source.length, 0);
  // The library does not write datasets without elements, and nobody misses them.
  if (sources.length === 0) return [];
  const path = "/packed";
  const begin = length === 0
    ? 0
    : output.createDataset(path, { type: "<B", count: length, length }, chunksOf(sources));
  writePackedTable(output, sources);
  let end = 0;
  return sources.map((source) => {
    const start = end;
    end += source.length;
    // What is empty lies anywhere: at 0, so that a table can be made again the same.
    const offset = source.length === 0 ? 0 : begin === undefined ? undefined : begin + start;
    return { source, path, start, offset };
  });
}

function* chunksOf(sources: readonly SegmentSource[]): Generator<Uint8Array> {
  for (const source of sources) yield* source.chunks();
}

function writePackedTable(output: Hdf5Output, sources: readonly SegmentSource[]): void {
  const table = new Uint8Array(sources.length * PACKED_ROW_BYTES);
  const view = new DataView(table.buffer);
  const encoder = new TextEncoder();
  let offset = 0;
  let at = 0;
  for (const { digest, length, kind, crc } of sources) {
    encoder.encodeInto(digest, table.subarray(at, at + 64));
    setLength(view, at + 64, offset);
    setLength(view, at + 72, length);
    view.setUint32(at + 80, kind, true);
    view.setUint32(at + 84, crc, true);
    offset += length;
    at += PACKED_ROW_BYTES;
  }
  const shape = { type: PACKED_COLUMNS, count: sources.length, length: table.length };
  output.createDataset("/packed_table", shape, [table]);
  const text = JSON.stringify({ crc32: crc32(table), format: SEGMENT_VERSION });
  output.setAttribute("/packed_table", ATTRIBUTE, text);
}
