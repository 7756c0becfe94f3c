import { readAt } from "./_file_system.ts";
import {
  createJournalBuffer,
  decodeHeader,
  findHeader,
  HEADER_BYTES,
  type JournalBuffer,
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
 * Goes over the complete entries of a journal.
 *
 * A header is believed only if its checksum is right; damaged bytes are skipped up to the next
 * header. An entry whose payload is not all there ends the scan: it was never acknowledged, or is
 * being written. Payloads are not read.
 *
 * @param file The journal; other handles may append to it meanwhile.
 * @param from Where to begin: 0, or what an earlier scan returned.
 * @param visit Called for each entry, in order.
 * @returns Where the last complete entry ends; a later scan goes on there.
 */
export function scanJournal(
  file: Deno.FsFile,
  from: number,
  visit: (entry: JournalEntry) => void,
): number {
  // The size comes first: what is below it is written, whatever is appended from now on.
  const size = file.seekSync(0, Deno.SeekMode.End);
  const buffer = createJournalBuffer(Math.min(CHUNK_BYTES, Math.max(size - from, 0)));
  let end = from;
  let position = from;
  while (position + HEADER_BYTES <= size) {
    const window = Math.min(buffer.bytes.length, size - position);
    if (!readAt(file, position, buffer.bytes.subarray(0, window))) return end;
    const step = scanWindow(buffer, window, position, size, visit);
    end = Math.max(end, step.end);
    if (step.done) return end;
    position = step.next;
  }
  return end;
}

interface Step {
  readonly end: number;
  readonly next: number;
  readonly done: boolean;
}

function scanWindow(
  buffer: JournalBuffer,
  window: number,
  position: number,
  size: number,
  visit: (entry: JournalEntry) => void,
): Step {
  let at = 0;
  let end = 0;
  while (at + HEADER_BYTES <= window) {
    const header = decodeHeader(buffer, at);
    if (header === undefined) {
      at = findHeader(buffer, at + 1, window);
      continue;
    }
    const offset = position + at + HEADER_BYTES;
    // Not all there: the tail of a writer that was killed, or one that is writing now.
    const length = header.length + toShapeBytes(header);
    if (offset + length > size) return { end, next: offset, done: true };
    visit({ ...header, offset });
    end = offset + length;
    at += HEADER_BYTES + length;
  }
  return { end, next: position + at, done: false };
}
