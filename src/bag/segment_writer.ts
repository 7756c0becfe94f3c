import { crc32 } from "node:zlib";
import type { Digest } from "../value/encoded_value.ts";
import { toKindName } from "../value/value_kind.ts";
import type { Hdf5Output } from "./hdf5_library.ts";
import { setLength } from "./journal_format.ts";
import {
  ATTRIBUTE,
  PACKED_COLUMNS,
  PACKED_ROW_BYTES,
  SEGMENT_VERSION,
  toDatasetShape,
} from "./segment_format.ts";

/** A payload that goes into a segment. */
export interface SegmentSource {
  /** The digest of the value. */
  readonly digest: Digest;
  /** How to read the payload. */
  readonly kind: number;
  /** The length of the payload in bytes. */
  readonly length: number;
  /** The CRC-32 of the payload. */
  readonly crc: number;
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
}

/**
 * Writes all of a segment; see `segment_format.ts`.
 *
 * @param output An empty HDF5 file; it is not closed.
 * @param sources What to write, each digest once.
 * @param pause Called between slices of work; others may run while it waits.
 * @returns The sources with their places.
 */
export async function writeSegment(
  output: Hdf5Output,
  sources: readonly SegmentSource[],
  pause: () => Promise<void>,
): Promise<WrittenSource[]> {
  output.createGroup("/values");
  const written: WrittenSource[] = [];
  const packed: SegmentSource[] = [];
  for (const source of sources) {
    const shape = toDatasetShape(source.kind, source.length);
    if (shape === undefined) {
      packed.push(source);
      continue;
    }
    const path = `/values/${source.digest}`;
    const offset = output.createDataset(path, shape, source.chunks());
    output.setAttribute(path, ATTRIBUTE, describe(source, shape.count));
    written.push({ source, path, start: 0, offset });
    await pause();
  }
  return written.concat(writePacked(output, packed));
}

function describe(source: SegmentSource, count: number): string {
  return JSON.stringify({
    kind: toKindName(source.kind),
    shape: [count],
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
