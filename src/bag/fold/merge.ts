import { type FileHandles, lookAt } from "../../disk/file_system.ts";
import { type BagLayout, toSegmentPath, toSegmentPaths } from "../../disk/layout.ts";
import type { Digest } from "../../value/value.ts";
import type { SegmentEntry } from "../manifest.ts";
import type { PayloadDetails } from "../payload_blocks.ts";
import {
  createSegmentReader,
  FileSource,
  PayloadSource,
  SealedPayload,
  SourceReader,
  type StoredSource,
} from "../segment/sealed_payload.ts";
import { SegmentTable } from "../segment/segment_table.ts";
import type { SegmentSource } from "../segment/segment_writer.ts";
import { toWeight } from "./scheduler.ts";
import { LOCATION, type TableRow } from "../table/digest_table.ts";

/** Segments of less than this are always worth merging. */
const SMALL_BYTES = 64 * 1024;

/** A merge never makes a segment of more than this, so that it does not take long. */
const LARGEST_BYTES = 64 * 1024 * 1024;

/** Nor one of more values: each takes a few hundred bytes of memory while it is sealed. */
export const MOST_VALUES = 2 ** 18;

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
  let weight = toWeight({ bytes, values });
  let count = values;
  let kept = segments.length;
  for (const segment of segments.toReversed()) {
    const other = toWeight(segment);
    if (other > Math.max(weight, SMALL_BYTES) || weight + other > LARGEST_BYTES) break;
    if (count + segment.values > MOST_VALUES) break;
    weight += other;
    count += segment.values;
    kept--;
  }
  return kept;
}

/** A value that nobody wants. */
export interface DroppedValue {
  /** The length of its payload in bytes. */
  readonly length: number;
  /** Describes it, where it is to be kept all the same. */
  readonly toSource: () => StoredSource;
}

/** What a new segment takes in from older ones. */
interface MergedSegments {
  /** The values that are wanted. */
  readonly sources: readonly StoredSource[];
  /** Values that nobody wants. */
  readonly dropped: Map<Digest, DroppedValue>;
  /** Segments that stay as they are: without a usable table, or with damage that nothing heals. */
  readonly kept: readonly SegmentEntry[];
  /** When the last of the values was put at the latest, in milliseconds since 1970. */
  readonly newest: number;
}

/**
 * Reads the values of segments that a new one takes in. A newer copy stands for an older one, which
 * may be damaged. A segment with a damaged value that is wanted and has no newer copy stays as it is,
 * so that the damage stays to be seen, and perhaps to be repaired.
 *
 * @param handles Where open files are kept.
 * @param segments The segments, oldest first.
 * @param newer The values that the new segment has already.
 * @param isWanted Whether a value of a segment is wanted; all are if not given.
 * @returns What goes into it beside them.
 */
export function readMerged(
  layout: BagLayout,
  handles: FileHandles,
  segments: readonly SegmentEntry[],
  newer: readonly SegmentSource[],
  isWanted: (segment: SegmentEntry, digest: Digest) => boolean = () => true,
): MergedSegments {
  const known = new Set<Digest>(newer.map((source) => source.digest));
  const sources = new Map<Digest, StoredSource>();
  const dropped = new Map<Digest, DroppedValue>();
  const kept: SegmentEntry[] = [];
  let newest = 0;
  for (const segment of segments.toReversed()) {
    const table = SegmentTable.read(layout, segment.name, handles);
    const toSource = createToSource(layout, handles, segment.name);
    const wanted: TableRow[] = [];
    const unwanted: TableRow[] = [];
    for (const row of table?.rows() ?? []) {
      if (!isWanted(segment, row.digest)) unwanted.push(row);
      else if (!known.has(row.digest) && !sources.has(row.digest)) wanted.push(row);
    }
    // In the order of the file, which is read in large pieces; the table's order is that of digests.
    const found = wanted.sort((a, b) => a.offset - b.offset).map((row) => toSource(row));
    if (table === undefined || !found.every((source) => source.isWhole())) {
      kept.unshift(segment);
      continue;
    }
    newest = Math.max(newest, newestOf(layout, segment));
    for (const source of found) sources.set(source.digest, source);
    for (const row of unwanted) {
      dropped.set(row.digest, { length: row.length, toSource: () => toSource(row) });
    }
  }
  return { sources: [...sources.values()], dropped, kept, newest };
}

/**
 * Tells when the last value of a segment was put at the latest.
 *
 * @returns Milliseconds since 1970.
 */
export function newestOf(layout: BagLayout, { name, newest }: SegmentEntry): number {
  if (newest !== undefined) return newest;
  const there = lookAt(toSegmentPath(layout, name));
  // Of a segment that is lost, no value is young.
  return there === undefined ? 0 : there.mtime?.getTime() ?? Date.now();
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
  const [file, table] = toSegmentPaths(layout, segment);
  const toFileSource = (
    { location }: TableRow,
    entry: ConstructorParameters<typeof FileSource>[2],
  ) => new FileSource(reader, location === LOCATION.table ? table : file, entry);
  return (row, details) => {
    const isPlain = row.location !== LOCATION.chunks && row.details === undefined;
    if (isPlain && details === undefined) return toFileSource(row, row);
    const payload = new SealedPayload(payloads, row, details);
    const { shape } = payload.details;
    const entry = shape === undefined ? row : { ...row, shape };
    if (row.location === LOCATION.chunks) return new PayloadSource(payload, entry);
    return toFileSource(row, entry);
  };
}
