import { LONGEST_LINE_BYTES } from "../../disk/checked_line.ts";
import { type FilePlace, readAround, readPiece } from "../../disk/file_system.ts";
import type { Digest } from "../../value/value.ts";
import {
  type CallHeader,
  decodeHeader,
  type EncodedRecord,
  encodeHeader,
  toHeaderKey,
} from "./call_line.ts";
import { type CallLine, scanCalls } from "./call_scan.ts";

const KIB = 1024;

/**
 * How much of a log may stand behind the newest copy of a header before there is another one, in
 * bytes, by how many copies there are. The second comes with the second record, so that no line is one
 * that many records need; those of one damaged block of a disk lie no further than in the next.
 */
const GAPS = [0, 4 * KIB, 16 * KIB, 64 * KIB] as const;

/** Where the newest copy of a header begins, and how many there are. */
export interface HeaderCopies {
  /** Where in the log, in bytes. */
  readonly offset: number;
  /** How many copies are known. */
  readonly count: number;
}

/** How many headers are remembered: to look for the copies of one again costs little. */
const MOST_HEADERS = 1000;

/** A header that is written before a record. */
export interface DueHeader {
  /** What it is found by among keys. */
  readonly key: Digest;
  /** How long its line is with its line feeds, in bytes. */
  readonly length: number;
}

/** Says when a header has to be written again into a log. */
export class HeaderSchedule {
  readonly #copies = new Map<Digest, HeaderCopies>();

  /**
   * Tells whether a header has to stand before the next record that refers to it.
   *
   * @param header What it is found by among keys.
   * @param end Where the log ends, as far as it is known.
   * @param find Finds copies that others have written.
   */
  isDue(header: Digest, end: number, find: () => HeaderCopies | undefined): boolean {
    const copies = this.#copies.get(header) ?? this.#note(header, find());
    if (copies === undefined) return true;
    return end - copies.offset >= (GAPS[copies.count - 1] ?? GAPS[GAPS.length - 1] ?? 0);
  }

  /**
   * Makes what is appended for a record.
   *
   * @param record The record.
   * @param end Where the log ends, as far as it is known.
   * @param find Finds copies of its header that others have written.
   * @returns The record, behind its header if that is due.
   */
  prepare(
    { line, header }: EncodedRecord,
    end: number,
    find: (header: Digest) => HeaderCopies | undefined,
  ): { readonly bytes: Uint8Array; readonly header?: DueHeader } {
    if (header === undefined) return { bytes: line };
    const { key } = header;
    if (!this.isDue(key, end, () => find(key))) return { bytes: line };
    const due = encodeHeader(header);
    const bytes = new Uint8Array(due.length + line.length);
    bytes.set(due);
    bytes.set(line, due.length);
    return { bytes, header: { key, length: due.length } };
  }

  /**
   * Takes note of a copy that was written.
   *
   * @param offset Where it begins.
   */
  written(header: Digest, offset: number): void {
    this.#note(header, { offset, count: (this.#copies.get(header)?.count ?? 0) + 1 });
  }

  #note(header: Digest, copies: HeaderCopies | undefined): HeaderCopies | undefined {
    if (copies === undefined) return undefined;
    if (this.#copies.size >= MOST_HEADERS) this.#copies.clear();
    this.#copies.set(header, copies);
    return copies;
  }
}

/** A log of which headers are read. */
export interface HeaderSource {
  /** The log. */
  readonly file: Deno.FsFile;
  /** Up to where it was scanned. */
  readonly scanned: number;
  /** Finds the newest copy of a header by its key, as far as somebody has taken note of it. */
  findHeader(key: Digest): FilePlace | undefined;
  /** The newest copy of each header that is sound, where the log was searched for them. */
  sound?: ReadonlyMap<string, FilePlace>;
}

/** Reads headers, and remembers them: a name stands for the same header in every log. */
export class HeaderReader {
  readonly #headers = new Map<string, CallHeader>();

  /**
   * Finds a header.
   *
   * @param name Its name.
   * @param log Where it is looked for.
   * @returns The header, or `undefined` when the log has no sound copy of it.
   */
  find(name: string, log: HeaderSource): CallHeader | undefined {
    const known = this.#headers.get(name);
    if (known !== undefined) return known;
    const key = toHeaderKey(name);
    const header = key && (readHeader(log, name, log.findHeader(key)) ?? searchHeader(log, name));
    if (!header) return undefined;
    if (this.#headers.size >= MOST_HEADERS) this.#headers.clear();
    this.#headers.set(name, header);
    return header;
  }
}

function readHeader(
  { file, scanned }: HeaderSource,
  name: string,
  place: FilePlace | undefined,
): CallHeader | undefined {
  // A table may say anything.
  if (place === undefined || place.offset + place.length > scanned) return undefined;
  const line = readPiece(file, place.offset, Math.min(place.length, LONGEST_LINE_BYTES));
  const found = line && decodeHeader(line);
  return found?.name === name ? found.header : undefined;
}

/** The copy that was noted is damaged: there may be others, all of which are found at once. */
function searchHeader(log: HeaderSource, name: string): CallHeader | undefined {
  log.sound ??= findHeaders(log.file, log.scanned);
  return readHeader(log, name, log.sound.get(name));
}

function findHeaders(file: Deno.FsFile, size: number): ReadonlyMap<string, FilePlace> {
  const places = new Map<string, FilePlace>();
  const visit = ({ type, offset, length }: CallLine, bytes: Uint8Array) => {
    const name = type === "header" ? decodeHeader(bytes)?.name : undefined;
    if (name !== undefined) places.set(name, { offset, length });
  };
  // Another copy will do for one that the disk does not give.
  scanCalls(file, 0, size, visit, () => {}, readAround);
  return places;
}
