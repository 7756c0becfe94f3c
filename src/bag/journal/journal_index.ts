import { crc32 } from "node:zlib";
import {
  type FileHandles,
  type FileIdentity,
  type FileSystem,
  isSameFile,
  lookAt,
  readAround,
  type ReadBytes,
  readIfWhole,
} from "../../disk/file_system.ts";
import { type BagLayout, listJournals, toJournalPath } from "../../disk/layout.ts";
import { toPayload } from "../../disk/payload.ts";
import type { Digest, Payload, StoredPayload } from "../../value/value.ts";
import type { Manifest } from "../manifest.ts";
import { BlockPayload, createBlocks, isWhole } from "../payload_blocks.ts";
import { DigestRows } from "../table/digest_rows.ts";
import { LOCATION, type TableRow } from "../table/digest_table.ts";
import { readShape } from "./journal_format.ts";
import { type JournalEntry, scanJournal } from "./journal_scan.ts";

/** Marks of entries that were read, and found whole or damaged. */
const WHOLE = 1;
const DAMAGED = 2;

/** In a row, the number of dimensions stands above the 16 bits of the kind. */
const RANK_UNIT = 0x1_0000;

/** What is known of one journal. */
interface JournalTail {
  readonly entries: DigestRows;
  /** Up to where it was brought to the disk itself, as far as this handle has seen to it. */
  synced: number;
  /** The file, as it was when it was first seen; absent when it was gone again. */
  readonly file: FileIdentity | undefined;
  /** Up to where the journal was scanned. */
  scanned: number;
}

/** Finds values in journals: the own ones as they are written, those of others by scanning them. */
export class JournalIndex {
  readonly #layout: BagLayout;
  readonly #handles: FileHandles;
  readonly #ownPrefix: string;
  readonly #tails = new Map<string, JournalTail>();

  /**
   * Creates an index that knows nothing yet.
   *
   * @param handles Where open files are kept.
   * @param ownPrefix How the names of the own journals begin.
   */
  constructor(layout: BagLayout, handles: FileHandles, ownPrefix: string) {
    this.#layout = layout;
    this.#handles = handles;
    this.#ownPrefix = ownPrefix;
  }

  /**
   * Takes note of a value that was appended to an own journal.
   *
   * @param entry Where the value lies.
   */
  add(journal: string, entry: JournalEntry): void {
    this.#tail(journal, 0).entries.set(toRow(entry));
  }

  /**
   * Tells where a value lies; looks at no file.
   *
   * @param digest The digest of the value.
   * @returns The entry, or `undefined` when no journal has it.
   */
  find(digest: Digest): JournalEntry | undefined {
    for (const { entries } of this.#tails.values()) {
      const index = entries.find(digest);
      if (index !== -1 && entries.markOf(index) !== DAMAGED) {
        return toEntry(entries.row(index, digest));
      }
    }
    return undefined;
  }

  /**
   * Tells whether a value is known to be whole.
   *
   * @param digest The digest of the value.
   * @param gone Told that a journal with the value is there no more.
   * @returns Whether this handle has written the value, or has read it and found it whole.
   */
  isWhole(digest: Digest, gone: () => void): boolean {
    for (const [journal, { entries, file }] of this.#tails) {
      const index = entries.find(digest);
      if (index === -1 || entries.markOf(index) === DAMAGED) continue;
      if (entries.markOf(index) !== WHOLE && !journal.startsWith(this.#ownPrefix)) continue;
      const path = toJournalPath(this.#layout, journal);
      if (file !== undefined && isSameFile(path, file)) return true;
      this.#tails.delete(journal);
      this.#handles.close(path);
      gone();
    }
    return false;
  }

  /**
   * Brings a value to the disk itself that only a journal of somebody else has, who may not have done so.
   *
   * @param digest The digest of a value that is known.
   */
  sync(digest: Digest, fileSystem: FileSystem): void {
    for (const [journal, tail] of this.#tails) {
      const index = tail.entries.find(digest);
      if (index === -1 || tail.entries.markOf(index) === DAMAGED) continue;
      // What is written into the own ones is synced as it is.
      if (journal.startsWith(this.#ownPrefix)) return;
      const { offset, length } = tail.entries.row(index, digest);
      if (offset + length <= tail.synced) return;
      const file = this.#handles.open(toJournalPath(this.#layout, journal));
      if (file === undefined) continue;
      const end = file.seekSync(0, Deno.SeekMode.End);
      fileSystem.sync(file);
      fileSystem.syncDirectory(this.#layout.journals);
      tail.synced = end;
      return;
    }
  }

  /**
   * Reads a value that is known. What is found damaged is no longer known afterwards.
   *
   * @param digest The digest of the value.
   * @returns The payload, or `undefined` when no journal has it whole.
   */
  read(digest: Digest): Payload | undefined {
    for (const [journal, { entries }] of this.#tails) {
      const index = entries.find(digest);
      const payload = index === -1 ? undefined : this.#readCopy(journal, entries, index, digest);
      if (payload !== undefined) return payload;
    }
    return undefined;
  }

  /**
   * Reads all copies of a value, which differ where somebody has made one up.
   *
   * @param digest The digest of the value.
   * @param isWanted Whether copies of a kind are to be read.
   */
  *copies(digest: Digest, isWanted: (kind: number) => boolean): Generator<Payload> {
    for (const [journal, { entries }] of this.#tails) {
      const index = entries.find(digest);
      if (index === -1 || !isWanted(toEntry(entries.row(index, digest)).kind)) continue;
      const payload = this.#readCopy(journal, entries, index, digest);
      if (payload !== undefined) yield payload;
    }
  }

  #readCopy(
    journal: string,
    entries: DigestRows,
    index: number,
    digest: Digest,
  ): Payload | undefined {
    if (entries.markOf(index) === DAMAGED) return undefined;
    const entry = toEntry(entries.row(index, digest));
    const bytes = new Uint8Array(entry.length);
    const whole = this.#readAt(journal, entry.offset, bytes) &&
      (entries.markOf(index) === WHOLE || crc32(bytes) === entry.crc);
    // Of a kind that is not known, it is as good as damaged.
    const payload = whole ? toPayload(entry.kind, bytes) : undefined;
    entries.mark(index, payload === undefined ? DAMAGED : WHOLE);
    return payload;
  }

  /**
   * Opens a value that is known for reading pieces of it; the first time it is read to the end, as a
   * journal has no checksums of pieces.
   *
   * @param digest The digest of the value.
   * @returns The payload, or `undefined` when no journal has it whole.
   */
  open(digest: Digest): StoredPayload | undefined {
    for (const [journal, { entries }] of this.#tails) {
      const index = entries.find(digest);
      if (index === -1 || entries.markOf(index) === DAMAGED) continue;
      const entry = toEntry(entries.row(index, digest));
      const read: ReadBytes = (offset, target) =>
        this.#readAt(journal, entry.offset + offset, target);
      const whole = entries.markOf(index) === WHOLE || isWhole(read, entry.length, entry.crc);
      entries.mark(index, whole ? WHOLE : DAMAGED);
      if (!whole) continue;
      const shape = readShape(read, entry);
      return new BlockPayload({ ...entry, ...shape }, createBlocks(entry.length, read));
    }
    return undefined;
  }

  /** Lists what begins with some characters. */
  *matching(prefix: string): Generator<Digest> {
    for (const { entries } of this.#tails.values()) {
      for (let index = 0; index < entries.size; index++) {
        const { digest } = entries.row(index);
        if (digest.startsWith(prefix)) yield digest;
      }
    }
  }

  /**
   * Forgets the copy that would be read.
   *
   * @param digest The digest of the value.
   * @returns Whether there was one.
   */
  reject(digest: Digest): boolean {
    for (const { entries } of this.#tails.values()) {
      const index = entries.find(digest);
      if (index === -1 || entries.markOf(index) === DAMAGED) continue;
      entries.mark(index, DAMAGED);
      return true;
    }
    return false;
  }

  #readAt(journal: string, offset: number, target: Uint8Array<ArrayBuffer>): boolean {
    const file = this.#handles.open(toJournalPath(this.#layout, journal));
    return file !== undefined && readIfWhole(file, offset, target);
  }

  /**
   * Looks at the journals of other writers, and learns what was appended since the last look.
   *
   * @param manifest What is live: sealed parts of journals are not scanned.
   * @param known Whether it is enough to look at those that were there at the last look.
   */
  rescan(manifest: Manifest, known = false): void {
    for (const name of known ? this.#tails.keys() : listJournals(this.#layout)) {
      if (name.startsWith(this.#ownPrefix)) continue;
      const file = this.#handles.open(toJournalPath(this.#layout, name));
      // Sealed and removed since it was listed.
      if (file === undefined) continue;
      const tail = this.#tail(name, manifest.sealed[name] ?? 0);
      const take = (entry: JournalEntry) => tail.entries.set(toRow(entry));
      // What its disk does not give is as good as damaged.
      tail.scanned = scanJournal(file, tail.scanned, take, readAround);
    }
  }

  /** Forgets journals that are gone: all they had is in segments. */
  forgetRemoved(): void {
    const names = new Set(listJournals(this.#layout));
    for (const name of this.#tails.keys()) {
      if (names.has(name)) continue;
      this.#tails.delete(name);
      this.#handles.close(toJournalPath(this.#layout, name));
    }
  }

  #tail(name: string, scanned: number): JournalTail {
    let tail = this.#tails.get(name);
    if (tail === undefined) {
      const file = lookAt(toJournalPath(this.#layout, name));
      tail = { entries: new DigestRows(), synced: 0, file, scanned };
      this.#tails.set(name, tail);
    }
    return tail;
  }
}

function toRow({ digest, offset, length, kind, crc, rank = 0 }: JournalEntry): TableRow {
  return {
    digest,
    offset,
    length,
    kind: kind + rank * RANK_UNIT,
    crc,
    location: LOCATION.dataFile,
  };
}

function toEntry({ digest, offset, length, kind, crc }: TableRow): JournalEntry {
  const entry = { digest, offset, length, kind: kind % RANK_UNIT, crc };
  return kind < RANK_UNIT ? entry : { ...entry, rank: Math.floor(kind / RANK_UNIT) };
}
