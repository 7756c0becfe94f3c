import type { FileHandles } from "../../disk/file_system.ts";
import { type BagLayout, toSegmentIndexPath, toSegmentPath } from "../../disk/layout.ts";
import type { Digest } from "../../value/value.ts";
import type { SegmentEntry } from "../manifest.ts";
import type { PayloadDetails } from "../payload_blocks.ts";
import {
  createSegmentReader,
  FileSource,
  PayloadSource,
  readSegmentIndex,
  SealedPayload,
  SourceReader,
  type StoredSource,
} from "../segment/sealed_payload.ts";
import type { SegmentSource } from "../segment/segment_writer.ts";
import { type DigestTable, LOCATION, type TableRow } from "../table/digest_table.ts";

/** Segments of less than this are always worth merging. */
const SMALL_BYTES = 64 * 1024;

/** A merge never makes a segment of more than this, so that it does not take long. */
const LARGEST_BYTES = 64 * 1024 * 1024;

/** Nor one of more values: each takes a few hundred bytes of memory while it is sealed. */
export const MOST_VALUES = 2 ** 18;

/** What a value costs beside its payload. */
const VALUE_BYTES = 128;

/**
 * Tells which segments a new one takes in, so that a bag of many small folds has few segments: the
 * newest ones, as long as each is no larger than all that is newer. A value is then written again
 * only as often as the bag doubles.
 *
 * @param segments The live segments, oldest first.
 * @param bytes The payload of the new segment in bytes.
 * @param values How many values it has.
 * @returns How many segments to keep; those behind them are taken in.
 */
export function countKept(
  segments: readonly SegmentEntry[],
  bytes: number,
  values: number,
): number {
  let weight = toWeight(bytes, values);
  let count = values;
  let kept = segments.length;
  for (const { bytes, values } of segments.toReversed()) {
    const other = toWeight(bytes, values);
    if (other > Math.max(weight, SMALL_BYTES) || weight + other > LARGEST_BYTES) break;
    if (count + values > MOST_VALUES) break;
    weight += other;
    count += values;
    kept--;
  }
  return kept;
}

function toWeight(bytes: number, values: number): number {
  return bytes + values * VALUE_BYTES;
}

/** What a new segment takes in from older ones. */
interface MergedSegments {
  /** The values. */
  readonly sources: readonly StoredSource[];
  /** The names of the segments that the new one replaces. */
  readonly names: readonly string[];
  /** Segments that stay as they are: without a usable table, or with damage that nothing heals. */
  readonly kept: readonly SegmentEntry[];
  /** When the last of the values was put at the latest, in milliseconds since 1970. */
  readonly newest: number;
}

/**
 * Reads the values of segments that a new one takes in. A newer copy stands for an older one. A
 * segment with a damaged value that has no newer copy stays as it is, so that the damage stays to
 * be seen, and perhaps to be repaired.
 *
 * @param handles Where open files are kept.
 * @param segments The segments, oldest first.
 * @param newer The values that the new segment has already.
 * @returns What goes into it beside them.
 */
export function readMerged(
  layout: BagLayout,
  handles: FileHandles,
  segments: readonly SegmentEntry[],
  newer: readonly SegmentSource[],
): MergedSegments {
  const seen = new Set<Digest>(newer.map((source) => source.digest));
  const sources: StoredSource[] = [];
  const names: string[] = [];
  const kept: SegmentEntry[] = [];
  let newest = 0;
  for (const segment of segments.toReversed()) {
    const found = readSegment(layout, handles, segment, ({ digest }) => !seen.has(digest));
    if (found === undefined) {
      kept.unshift(segment);
      continue;
    }
    names.push(segment.name);
    newest = Math.max(newest, newestOf(layout, segment));
    for (const source of found) {
      seen.add(source.digest);
      sources.push(source);
    }
  }
  return { sources, names, kept, newest };
}

/**
 * Reads those values of a segment that are wanted elsewhere.
 *
 * @param handles Where open files are kept.
 * @param isWanted Whether a value is wanted.
 * @returns The values, or `undefined` when one of them is damaged or the segment has no usable table.
 */
export function readSegment(
  layout: BagLayout,
  handles: FileHandles,
  segment: SegmentEntry,
  isWanted: (source: StoredSource) => boolean,
): StoredSource[] | undefined {
  const table = readSegmentIndex(layout, segment.name, handles);
  if (table === undefined) return undefined;
  const sources: StoredSource[] = [];
  for (const source of sourcesOf(createToSource(layout, handles, segment.name), table)) {
    if (!isWanted(source)) continue;
    if (!source.isWhole()) return undefined;
    sources.push(source);
  }
  return sources;
}

/**
 * Tells when the last value of a segment was put at the latest.
 *
 * @returns Milliseconds since 1970.
 */
export function newestOf(layout: BagLayout, { name, newest }: SegmentEntry): number {
  return newest ?? Deno.statSync(toSegmentPath(layout, name)).mtime?.getTime() ?? Date.now();
}

/**
 * Makes what describes the payloads of a segment.
 *
 * @param handles Where open files are kept.
 * @returns Describes a payload by its row, and by its details if they are known already; nothing but
 * details is read before it is asked for.
 */
export function createToSource(
  layout: BagLayout,
  handles: FileHandles,
  segment: string,
): (row: TableRow, details?: PayloadDetails) => StoredSource {
  const reader = new SourceReader(handles);
  const payloads = createSegmentReader(layout, handles, segment);
  return (row, details) => {
    const path = (row.location === LOCATION.table ? toSegmentIndexPath : toSegmentPath)(
      layout,
      segment,
    );
    if (row.details === undefined && details === undefined) {
      return new FileSource(reader, path, row);
    }
    const payload = new SealedPayload(payloads, row, details);
    if (row.location === LOCATION.chunks) return new PayloadSource(payload, row);
    const { shape } = payload;
    return new FileSource(reader, path, shape ? { ...row, shape } : row);
  };
}

function* sourcesOf(
  toSource: (row: TableRow) => StoredSource,
  table: DigestTable,
): Generator<StoredSource> {
  const rows = Array.from({ length: table.size }, (_, i) => table.row(i));
  // In the order of the file, which is read in large pieces; the table's order is that of digests.
  for (const row of rows.sort((a, b) => a.offset - b.offset)) yield toSource(row);
}
