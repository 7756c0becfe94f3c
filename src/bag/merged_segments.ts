import type { Digest } from "../value/encoded_value.ts";
import { type DigestTable, PLACE } from "./digest_table.ts";
import type { FileHandles } from "./file_handles.ts";
import { type BagLayout, toSegmentIndexPath, toSegmentPath } from "./layout.ts";
import type { SegmentEntry } from "./manifest.ts";
import { readSegmentIndex } from "./segment_index.ts";
import { SealedPayload } from "./sealed_payload.ts";
import { createSegmentReader } from "./segment_reader.ts";
import { FileSource, PayloadSource, SourceReader } from "./segment_source.ts";

/** What a new segment takes in from older ones. */
export interface MergedSegments {
  /** The values. */
  readonly sources: readonly (FileSource | PayloadSource)[];
  /** The names of the segments that the new one replaces. */
  readonly names: readonly string[];
  /** Segments without a usable table, which stay as they are. */
  readonly unreadable: readonly SegmentEntry[];
}

/**
 * Reads the values of segments that a new one takes in. A newer copy stands for an older one, and
 * what is damaged is left out.
 *
 * @param layout The bag's paths.
 * @param handles Where open files are kept.
 * @param segments The segments, oldest first.
 * @param newer The values that the new segment has already.
 * @returns What goes into it beside them.
 */
export function readMerged(
  layout: BagLayout,
  handles: FileHandles,
  segments: readonly SegmentEntry[],
  newer: readonly FileSource[],
): MergedSegments {
  const reader = new SourceReader(handles);
  const seen = new Set<Digest>(newer.map((source) => source.digest));
  const sources: (FileSource | PayloadSource)[] = [];
  const names: string[] = [];
  const unreadable: SegmentEntry[] = [];
  for (const segment of segments.toReversed()) {
    const table = readSegmentIndex(layout, segment.name);
    if (table === undefined) {
      unreadable.unshift(segment);
      continue;
    }
    names.push(segment.name);
    const payloads = createSegmentReader(layout, handles, segment.name);
    const toPayload = (row: number) => new SealedPayload(payloads, table, row);
    for (const source of sourcesOf(layout, reader, segment.name, table, toPayload)) {
      if (seen.has(source.digest) || !source.isWhole()) continue;
      seen.add(source.digest);
      sources.push(source);
    }
  }
  return { sources, names, unreadable };
}

function* sourcesOf(
  layout: BagLayout,
  reader: SourceReader,
  name: string,
  table: DigestTable,
  toPayload: (row: number) => SealedPayload,
): Generator<FileSource | PayloadSource> {
  for (let i = 0; i < table.size; i++) {
    const row = table.row(i);
    if (row.place === PLACE.chunks) {
      yield new PayloadSource(toPayload(i), row);
      continue;
    }
    const shape = row.details === undefined ? undefined : toPayload(i).shape;
    const toPath = row.place === PLACE.table ? toSegmentIndexPath : toSegmentPath;
    yield new FileSource(reader, toPath(layout, name), shape ? { ...row, shape } : row);
  }
}
