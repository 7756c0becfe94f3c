import { type FileSystem, openIfThere, readAt, removeIfThere } from "../../disk/file_system.ts";
import { toViewed, type ViewedBytes } from "../table/digest_table.ts";
import {
  decodeHeader,
  findHeader,
  HEADER_BYTES,
  type JournalHeader,
  toShapeBytes,
} from "./journal_format.ts";

const CHUNK_BYTES = 256 * 1024;

/** Where a value lies in a journal. */
export interface JournalEntry extends JournalHeader {
  /** Where the payload begins, in bytes. */
  readonly offset: number;
}

/**
 * Tells where an entry of a journal ends.
 *
 * @returns Where the next entry may begin, in bytes.
 */
export function toEntryEnd(entry: JournalEntry): number {
  return entry.offset + entry.length + toShapeBytes(entry);
}

/**
 * Goes over the complete entries of a journal.
 *
 * A header is believed only if its checksum is right; damaged bytes are skipped up to the next
 * header. An entry whose payload is not all there ends the scan: it was never acknowledged, or is
 * being written. Payloads are not read.
 *
 * @param file The journal; other handles may append to it meanwhile.
 * @param from Where to begin: 0, or what an earlier scan returned.
 * @param visit Called for each entry, in order.
 * @param read Reads the journal.
 * @returns Where the last complete entry ends; a later scan goes on there.
 */
export function scanJournal(
  file: Deno.FsFile,
  from: number,
  visit: (entry: JournalEntry) => void,
  read: typeof readAt = readAt,
): number {
  let end = from;
  for (const step of scanSteps(() => file, from, read)) {
    end = step.end;
    for (const entry of step.entries) visit(entry);
  }
  return end;
}

/** A part of a journal that was scanned. */
interface ScanStep {
  /** The complete entries in it, in order. */
  readonly entries: readonly JournalEntry[];
  /** Where the last complete entry up to here ends, in bytes. */
  readonly end: number;
}

/**
 * The same as {@linkcode scanJournal}, in steps between which other things may be done.
 *
 * @param open Gives the open journal, or `undefined` when it is gone.
 * @param from Where to begin.
 * @param read Reads the journal.
 */
export function* scanSteps(
  open: () => Deno.FsFile | undefined,
  from: number,
  read: typeof readAt = readAt,
): Generator<ScanStep> {
  // The size comes first: what is below it is written, whatever is appended from now on.
  const size = open()?.seekSync(0, Deno.SeekMode.End) ?? 0;
  const buffer = toViewed(new Uint8Array(Math.min(CHUNK_BYTES, Math.max(size - from, 0))));
  let end = from;
  let position = from;
  while (position + HEADER_BYTES <= size) {
    const window = Math.min(buffer.bytes.length, size - position);
    const file = open();
    if (file === undefined || !read(file, position, buffer.bytes.subarray(0, window))) return;
    const { entries, next } = scanWindow(buffer, window, position, size);
    const last = entries.at(-1);
    if (last !== undefined) end = toEntryEnd(last);
    yield { entries, end };
    position = next;
  }
}

/** What was found in a window, and where the next one begins. */
interface Window {
  readonly entries: readonly JournalEntry[];
  readonly next: number;
}

function scanWindow(
  buffer: ViewedBytes,
  window: number,
  position: number,
  size: number,
): Window {
  const entries: JournalEntry[] = [];
  let at = 0;
  while (at + HEADER_BYTES <= window) {
    const header = decodeHeader(buffer, at);
    if (header === undefined) {
      at = findHeader(buffer, at + 1, window);
      continue;
    }
    const entry = { ...header, offset: position + at + HEADER_BYTES };
    const end = toEntryEnd(entry);
    // Not all there: the tail of a writer that was killed, or one that is writing now.
    if (end > size) return { entries, next: size };
    entries.push(entry);
    at = end - position;
  }
  return { entries, next: position + at };
}

/**
 * Removes a journal if its writer is gone, and nothing was appended behind what is sealed.
 *
 * @param end Up to where the journal is sealed, in bytes.
 * @returns Whether it was removed.
 */
export function removeJournal(fileSystem: FileSystem, path: string, end: number): boolean {
  using file = openIfThere(path);
  // A writer holds the lock of its journal for as long as it lives.
  if (file === undefined || !file.tryLockSync(true)) return false;
  try {
    const grown = scanJournal(file, end, () => {}) > end;
    // While the lock is held: a writer that has just made this journal sees that it is gone.
    if (!grown) removeIfThere(fileSystem, path);
    return !grown;
  } finally {
    file.unlockSync();
  }
}
