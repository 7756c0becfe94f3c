import type { Digest } from "../value/encoded_value.ts";
import type { FileHandles } from "./file_handles.ts";
import { type JournalEntry, scanJournal } from "./journal_scan.ts";
import { type BagLayout, listNames, toJournalPath } from "./layout.ts";
import type { Manifest } from "./manifest.ts";
import { toShapeBytes } from "./journal_format.ts";
import { readShape } from "./journal_shape.ts";
import type { ReadBytes } from "./read_bytes.ts";
import { FileSource, SourceReader } from "./segment_source.ts";

/** A value in a journal that no segment has yet. */
export interface UnsealedEntry extends JournalEntry {
  /** The journal's name. */
  readonly journal: string;
}

/** What is in the journals of a bag. */
export interface UnsealedValues {
  /** The entries in the order in which they are sealed. */
  readonly entries: readonly UnsealedEntry[];
  /** Up to where each journal that is there was scanned. */
  readonly ends: ReadonlyMap<string, number>;
}

/**
 * Goes over all journals.
 *
 * @param layout The bag's paths.
 * @param handles Where open files are kept.
 * @param manifest What is sealed already.
 * @returns The entries that are not sealed.
 */
export function readUnsealed(
  layout: BagLayout,
  handles: FileHandles,
  manifest: Manifest,
): UnsealedValues {
  const entries: UnsealedEntry[] = [];
  const ends = new Map<string, number>();
  for (const journal of listNames(layout.journals)) {
    const file = handles.open(toJournalPath(layout, journal));
    if (file === undefined) continue;
    const from = manifest.sealed[journal] ?? 0;
    const end = scanJournal(file, from, (entry) => entries.push({ ...entry, journal }));
    ends.set(journal, end);
  }
  return { entries, ends };
}

/** A part of the unsealed values that becomes one segment. */
export interface UnsealedBatch {
  /** What goes into the segment. */
  readonly sources: readonly FileSource[];
  /** Up to where journals are sealed with this segment. */
  readonly sealed: ReadonlyMap<string, number>;
}

/**
 * Divides unsealed values into batches that become segments. What is damaged is left out: it cannot
 * be had any more.
 *
 * @param layout The bag's paths.
 * @param handles Where open files are kept.
 * @param unsealed What is in the journals.
 * @param limit How many bytes of payload a batch has, one value more or less.
 * @param isSealed Whether a segment has a value, whole.
 * @returns The batches; the last one has all ends. There is at least one.
 */
export function* toBatches(
  layout: BagLayout,
  handles: FileHandles,
  unsealed: UnsealedValues,
  limit: number,
  isSealed: (digest: Digest) => boolean,
): Generator<UnsealedBatch> {
  const reader = new SourceReader(handles);
  const seen = new Set<Digest>();
  const sealed = new Map<string, number>();
  let sources: FileSource[] = [];
  let bytes = 0;
  for (const entry of unsealed.entries) {
    if (bytes >= limit) {
      yield { sources, sealed };
      sources = [];
      bytes = 0;
    }
    sealed.set(entry.journal, entry.offset + entry.length + toShapeBytes(entry));
    if (seen.has(entry.digest) || isSealed(entry.digest)) continue;
    const path = toJournalPath(layout, entry.journal);
    const read: ReadBytes = (offset, target) => {
      const bytes = reader.read(path, entry.offset + offset, target.length);
      if (bytes !== undefined) target.set(bytes);
      return bytes !== undefined;
    };
    const source = new FileSource(reader, path, { ...entry, ...readShape(read, entry) });
    if (!source.isWhole()) continue;
    seen.add(entry.digest);
    sources.push(source);
    bytes += entry.length;
  }
  yield { sources, sealed: unsealed.ends };
}
