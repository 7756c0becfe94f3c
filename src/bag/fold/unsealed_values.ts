import { toWriteTime } from "../../disk/file_clock.ts";
import { type FileHandles, readPieces } from "../../disk/file_system.ts";
import { type BagLayout, listJournals, toJournalPath } from "../../disk/layout.ts";
import type { Digest } from "../../value/value.ts";
import { readShape } from "../journal/journal_format.ts";
import { type JournalEntry, scanSteps, toEntryEnd } from "../journal/journal_scan.ts";
import type { Manifest } from "../manifest.ts";
import { FileSource, SourceReader, type StoredSource } from "../segment/sealed_payload.ts";
import { MOST_VALUES } from "./merge.ts";

/** A value in a journal that no segment has yet. */
export interface UnsealedEntry extends JournalEntry {
  /** The journal's name. */
  readonly journal: string;
}

/** What is in the journals of a bag, read as it is asked for: there may be millions of entries. */
export interface UnsealedValues {
  /** The entries in the order in which they are sealed; to be gone over once. */
  readonly entries: Iterable<UnsealedEntry>;
  /** Up to where each journal was scanned so far. */
  readonly ends: ReadonlyMap<string, number>;
  /** When the last of the entries up to here was put at the latest, in milliseconds since 1970. */
  readonly newest: number;
}

/**
 * Goes over all journals that are there when the first entry is asked for.
 *
 * @param handles Where open files are kept.
 * @param manifest What is sealed already.
 * @param readClock Tells the time by the clock of files.
 * @returns The entries that are not sealed.
 */
export function readUnsealed(
  layout: BagLayout,
  handles: FileHandles,
  manifest: Manifest,
  readClock: () => number,
): UnsealedValues {
  const seen = { ends: new Map<string, number>(), newest: 0 };
  function* scan(): Generator<UnsealedEntry> {
    for (const journal of listJournals(layout)) {
      const open = () => handles.open(toJournalPath(layout, journal));
      if (open() === undefined) continue;
      const from = manifest.sealed[journal] ?? 0;
      seen.ends.set(journal, from);
      for (const { entries, end } of scanSteps(open, from)) {
        seen.ends.set(journal, end);
        // After the scan: what it has seen was written before, and before now in any case.
        const file = open();
        const written = file === undefined ? Infinity : toWriteTime(file);
        seen.newest = Math.max(seen.newest, Math.min(written, readClock()));
        for (const entry of entries) yield { ...entry, journal };
      }
    }
  }
  return Object.assign(seen, { entries: scan() });
}

/** A part of the unsealed values that becomes one segment. */
export interface UnsealedBatch {
  /** What goes into the segment. */
  readonly sources: readonly FileSource[];
  /** Up to where journals are sealed with this segment. */
  readonly sealed: ReadonlyMap<string, number>;
}

/** What is to be known of a value of which there may be other copies. */
export interface OtherCopies {
  /** Whether a segment has the value of an entry, whole, and the same or right. */
  readonly isSealed: (entry: UnsealedEntry) => boolean;
  /** Whether a payload is what its digest is of: asked where copies differ. */
  readonly isRight: (source: StoredSource) => boolean;
}

/**
 * Divides unsealed values into batches that become segments. What is damaged is left out: it cannot
 * be had any more.
 *
 * @param handles Where open files are kept.
 * @param unsealed What is in the journals.
 * @param limit How many bytes of payload a batch has, one value more or less.
 * @param copies Tells of other copies.
 * @returns The batches; the last one has all ends. There is at least one.
 */
export function* toBatches(
  layout: BagLayout,
  handles: FileHandles,
  unsealed: UnsealedValues,
  limit: number,
  { isSealed, isRight }: OtherCopies,
): Generator<UnsealedBatch> {
  const reader = new SourceReader(handles);
  /** Where in the batch a value is. */
  let seen = new Map<Digest, number>();
  const sealed = new Map<string, number>();
  let sources: FileSource[] = [];
  let bytes = 0;
  for (const entry of unsealed.entries) {
    if (bytes >= limit || sources.length >= MOST_VALUES / 2) {
      yield { sources, sealed };
      sources = [];
      bytes = 0;
      // From here on they are sealed.
      seen = new Map();
    }
    sealed.set(entry.journal, toEntryEnd(entry));
    const place = seen.get(entry.digest);
    const known = place === undefined ? undefined : sources[place];
    if (known === undefined ? isSealed(entry) : isSame(known, entry) || isRight(known)) continue;
    const path = toJournalPath(layout, entry.journal);
    const shape = readShape(reader.from(path, entry.offset), entry);
    const source = new FileSource(reader, path, { ...entry, ...shape });
    if (!source.isWhole()) {
      refuseUnreadable(handles, path, entry);
      continue;
    }
    if (place !== undefined) sources[place] = source;
    else seen.set(entry.digest, sources.push(source) - 1);
    bytes += entry.length;
  }
  yield { sources, sealed: unsealed.ends };
}

/** What its disk does not give now it may give later: it is not dropped. */
function refuseUnreadable(
  handles: FileHandles,
  path: string,
  { offset, length }: UnsealedEntry,
): void {
  const file = handles.open(path);
  // An error names the place.
  if (file !== undefined) Array.from(readPieces(file, offset, offset + length), () => undefined);
}

function isSame(one: StoredSource, { kind, crc }: UnsealedEntry): boolean {
  return one.kind === kind && one.crc === crc;
}
