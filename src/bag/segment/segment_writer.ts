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
import { encodeRows, LOCATION, type OtherRows } from "../table/digest_table.ts";
import {
  ATTRIBUTE,
  checkRows,
  PACKED_COLUMNS,
  PACKED_VERSION,
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

/** All that was written into a segment. */
export interface WrittenSegment {
  /** The sources with their places. */
  readonly sources: readonly WrittenSource[];
  /** Where the rows of `/packed_table` should lie; absent without any, or where that could not be seen. */
  readonly packed?: OtherRows;
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
 * @returns What was written where.
 */
export async function writeSegment(
  output: Hdf5Output,
  sources: readonly SegmentSource[],
  pause: () => Promise<void>,
  gzip: number = 0,
): Promise<WrittenSegment> {
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
  const rest = writePacked(output, packed);
  return { ...rest, sources: written.concat(rest.sources) };
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

function writePacked(output: Hdf5Output, sources: readonly SegmentSource[]): WrittenSegment {
  const length = sources.reduce((sum, source) => sum + source.length, 0);
  // The library does not write datasets without elements, and nobody misses them.
  if (sources.length === 0) return { sources: [] };
  const path = "/packed";
  const begin = length === 0
    ? 0
    : output.createDataset(path, { type: "<B", count: length, length }, chunksOf(sources));
  const table = writePackedTable(output, sources);
  const packed = table === undefined || begin === undefined
    ? {}
    : { packed: { ...table, payloads: begin } };
  let end = 0;
  const written = sources.map((source) => {
    const start = end;
    end += source.length;
    // What is empty lies anywhere: at 0, so that a table can be made again the same.
    const offset = source.length === 0 ? 0 : begin === undefined ? undefined : begin + start;
    return { source, path, start, offset };
  });
  return { sources: written, ...packed };
}

function* chunksOf(sources: readonly SegmentSource[]): Generator<Uint8Array> {
  for (const source of sources) yield* source.chunks();
}

function writePackedTable(
  output: Hdf5Output,
  sources: readonly SegmentSource[],
): Omit<OtherRows, "payloads"> | undefined {
  let end = 0;
  const rows = sources.map(({ digest, length, kind, crc }) => {
    const offset = end;
    end += length;
    return { digest, offset, length, kind, crc, location: LOCATION.dataFile };
  });
  const table = encodeRows(rows);
  checkRows(table);
  const crc = crc32(table);
  const path = "/packed_table";
  const shape = { type: PACKED_COLUMNS, count: sources.length, length: table.length };
  const begin = output.createDataset(path, shape, [table]);
  output.setAttribute(path, ATTRIBUTE, JSON.stringify({ crc32: crc, format: PACKED_VERSION }));
  return begin === undefined ? undefined : { begin, size: sources.length, crc };
}
