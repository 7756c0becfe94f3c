import type { SegmentEntry } from "./manifest.ts";

/** The payload that goes into one segment, in bytes, unless all is to go into one. */
const SEGMENT_BYTES = 64 * 1024 * 1024;

/** The same where all is to go into one; the HDF5 library's memory holds 2 GiB and never shrinks. */
const LARGEST_BYTES = 1024 * 1024 * 1024;

/** How many values go into one segment: each takes memory while the segment is written. */
const LARGEST_VALUES = 1_000_000;

/** What a value costs beside its payload. */
const VALUE_BYTES = 128;

/** So many segments of less than this, in bytes with what values cost, become one in passing. */
const SMALL_BYTES = 8 * 1024 * 1024;
const MOST_SMALL = 8;

/** What a compaction is to do. */
export interface CompactRequest {
  /** The digests of all values that are wanted, sorted, 32 bytes each; absent: all are. */
  readonly live?: Uint8Array<ArrayBuffer>;
  /** Values that were put later than this are kept, in milliseconds since 1970. */
  readonly horizon: number;
  /** A segment is rewritten when less than this share of it is kept, between 0 and 1. */
  readonly share: number;
  /** Whether all segments become one. */
  readonly full: boolean;
}

/** What is kept of a segment. */
export interface SegmentShare {
  /** The segment. */
  readonly segment: SegmentEntry;
  /** Whether its table can be read; if not, it stays as it is. */
  readonly readable: boolean;
  /** How many of its values are kept. */
  readonly values: number;
  /** Their payload in bytes. */
  readonly bytes: number;
}

/**
 * Decides which segments are rewritten, and which of them become one.
 *
 * @param shares What is kept of each live segment, oldest first.
 * @param request What the compaction is to do.
 * @returns Groups of segments, each of which becomes one.
 */
export function planCompaction(
  shares: readonly SegmentShare[],
  { share, full }: Pick<CompactRequest, "share" | "full">,
): SegmentEntry[][] {
  const limit = full ? LARGEST_BYTES : SEGMENT_BYTES;
  const groups: SegmentShare[][] = [];
  let group: SegmentShare[] = [];
  for (const one of shares) {
    if (!one.readable || !(full || isBelow(one, share))) continue;
    const next = [...group, one];
    if (group.length > 0 && (sum(next, "bytes") > limit || sum(next, "values") > LARGEST_VALUES)) {
      groups.push(group);
      group = [one];
    } else group = next;
  }
  groups.push(group);
  // One segment of which all is kept is as good as it gets.
  return groups.filter((group) => group.length > 1 || group.some((one) => isBelow(one, 1)))
    .map((group) => group.map(({ segment }) => segment));
}

/**
 * Selects small segments that become one in passing, wherever among the others they are: merging
 * the newest ones as they come leaves those that a sweep has made small.
 *
 * @param segments The live segments.
 * @returns The segments, of bounded size together; none when there are few.
 */
export function selectSmall(segments: readonly SegmentEntry[]): SegmentEntry[] {
  const small = segments.filter(({ bytes, values }) => bytes + values * VALUE_BYTES < SMALL_BYTES);
  return small.length < MOST_SMALL ? [] : small.slice(0, MOST_SMALL);
}

function isBelow({ segment, values, bytes }: SegmentShare, share: number): boolean {
  const weight = segment.bytes + segment.values * VALUE_BYTES;
  return bytes + values * VALUE_BYTES < share * weight;
}

function sum(shares: readonly SegmentShare[], field: "bytes" | "values"): number {
  return shares.reduce((total, one) => total + one[field], 0);
}
