import { crc32 } from "node:zlib";
import {
  type FileIdentity,
  type FileSystem,
  ifThere,
  isSameFile,
  removeIfThere,
  writeAll,
} from "../../disk/file_system.ts";
import type { CacheGuard } from "../../disk/disk_storage.ts";
import { type BagLayout, toJournalPath } from "../../disk/layout.ts";
import type { PayloadDescription } from "../../disk/payload.ts";
import type { EncodedPart } from "../../value/value.ts";
import { toViewed } from "../table/digest_table.ts";
import { encodeHeader, encodeShape, HEADER_BYTES, toShapeBytes } from "./journal_format.ts";
import type { JournalEntry } from "./journal_scan.ts";

/** For so long values in a row go to a journal that had its name, in milliseconds: to look takes 2 µs. */
const TRUSTED = 1;

/** Up to here header and payload are copied into one buffer and written at once. */
const SMALL_BYTES = 16 * 1024;

/** What a writer needs to know. */
export interface JournalWriterOptions {
  /** The seam. */
  readonly fileSystem: FileSystem;
  /** The bag's paths. */
  readonly layout: BagLayout;
  /** Says whether the bag is still there. */
  readonly guard: Pick<CacheGuard, "checkThere">;
  /** The size at which a journal is full. */
  readonly journalBytes: number;
  /** Whether each entry is brought to the disk itself before it counts as written. */
  readonly sync: boolean;
}

/** A value that comes in pieces. */
export interface PieceSource extends PayloadDescription {
  /** The lengths of the dimensions of an array; absent for one dimension. */
  readonly shape?: readonly number[];
  /** Reads the payload in pieces, each good until the next is asked for. */
  readonly chunks: () => Iterable<Uint8Array>;
}

/** A journal that is being written, up to where it is. */
interface Journal extends FileIdentity {
  readonly name: string;
  readonly path: string;
  readonly file: Deno.FsFile;
  end: number;
}

/**
 * Appends values to journals of its own, one after another.
 *
 * A journal is locked exclusively for as long as its writer uses it: whoever gets the lock knows
 * that nobody writes there any more.
 */
export class JournalWriter implements Disposable {
  /** The begin of the names of all journals of this writer. */
  readonly prefix: string = `${crypto.randomUUID().replaceAll("-", "").slice(0, 16)}-`;
  readonly #options: JournalWriterOptions;
  readonly #buffer = toViewed(new Uint8Array(HEADER_BYTES + SMALL_BYTES));
  #journal: Journal | undefined;
  #count = 0;
  /** When the journal was last seen under its name. */
  #looked = -Infinity;

  /**
   * Creates a writer; no file is made before the first value.
   *
   * @param options What the writer needs to know.
   */
  constructor(options: JournalWriterOptions) {
    this.#options = options;
  }

  /**
   * Appends a value.
   *
   * @returns The journal's name, and where in it the value lies.
   * @throws The disk's own error; the journal then ends where it ended before.
   */
  append(part: EncodedPart): { journal: string; entry: JournalEntry } {
    const journal = this.#open();
    const plain = {
      digest: part.digest,
      kind: part.kind,
      length: part.bytes.length,
      crc: crc32(part.bytes),
    };
    const header = part.shape === undefined ? plain : { ...plain, rank: part.shape.length };
    encodeHeader(this.#buffer, header);
    try {
      this.#write(journal.file, part.bytes);
      if (part.shape !== undefined) {
        writeAll(this.#options.fileSystem, journal.file, encodeShape(part.shape));
      }
    } catch (error) {
      this.#cutBack(journal.file, journal.end);
      throw error;
    }
    this.#sync(journal.file);
    const offset = journal.end + HEADER_BYTES;
    journal.end = offset + part.bytes.length + toShapeBytes(header);
    return { journal: journal.name, entry: { ...header, offset } };
  }

  /**
   * Appends a value that comes in pieces. Nothing else may be appended meanwhile.
   *
   * @param source What it is, known by its digest and checksum.
   * @param pause Called between pieces; others may run while it waits.
   * @throws {RangeError} If the pieces are not what the source says; the journal then ends where it
   * ended before, as with any error.
   */
  async appendPieces(source: PieceSource, pause: () => Promise<void>): Promise<void> {
    const { digest, kind, length, crc, shape, chunks } = source;
    const journal = this.#open();
    const { fileSystem } = this.#options;
    const plain = { digest, kind, length, crc };
    const header = shape === undefined ? plain : { ...plain, rank: shape.length };
    encodeHeader(this.#buffer, header);
    try {
      writeAll(fileSystem, journal.file, this.#buffer.bytes.subarray(0, HEADER_BYTES));
      let [written, check] = [0, 0];
      for (const chunk of chunks()) {
        writeAll(fileSystem, journal.file, chunk);
        written += chunk.length;
        check = crc32(chunk, check);
        await pause();
      }
      if (written !== length || check !== crc) {
        throw new RangeError(`Cannot put the value ${digest}: it has changed while it was read`);
      }
      if (shape !== undefined) writeAll(fileSystem, journal.file, encodeShape(shape));
    } catch (error) {
      this.#cutBack(journal.file, journal.end);
      throw error;
    }
    this.#sync(journal.file);
    journal.end += HEADER_BYTES + length + toShapeBytes(header);
  }

  /** Whether the journal has reached its size. */
  get full(): boolean {
    return this.#journal !== undefined && this.#journal.end >= this.#options.journalBytes;
  }

  /** A call was recorded: whether the journal still has its name is asked with the next one's values. */
  doubt(): void {
    this.#looked = -Infinity;
  }

  /** Lets go of the journal; the next value begins a new one. */
  rotate(): void {
    const file = this.#journal?.file;
    this.#journal = undefined;
    file?.unlockSync();
    file?.close();
  }

  /** Lets go of the journal. */
  [Symbol.dispose](): void {
    this.rotate();
  }

  #write(file: Deno.FsFile, payload: Uint8Array): void {
    const { fileSystem } = this.#options;
    const { bytes } = this.#buffer;
    if (payload.length <= SMALL_BYTES) {
      bytes.set(payload, HEADER_BYTES);
      writeAll(fileSystem, file, bytes.subarray(0, HEADER_BYTES + payload.length));
    } else {
      writeAll(fileSystem, file, bytes.subarray(0, HEADER_BYTES));
      writeAll(fileSystem, file, payload);
    }
  }

  #sync(file: Deno.FsFile): void {
    if (!this.#options.sync) return;
    try {
      this.#options.fileSystem.sync(file);
    } catch (error) {
      // The entry is complete, so others may know it: its place must not be written again.
      this.rotate();
      throw error;
    }
  }

  #cutBack(file: Deno.FsFile, end: number): void {
    try {
      this.#options.fileSystem.truncate(file, end);
    } catch {
      // Readers stop at the torn entry, so nothing may follow it: go on in a new journal. The
      // caller learns of the error that came first.
      this.rotate();
    }
  }

  #open(): Journal {
    if (this.#journal !== undefined) {
      const now = performance.now();
      if (now - this.#looked < TRUSTED) return this.#journal;
      this.#looked = now;
      if (isSameFile(this.#journal.path, this.#journal)) return this.#journal;
      // Whoever removed it took what it held; nothing more goes there.
      this.rotate();
      this.#options.guard.checkThere();
    }
    const { fileSystem, layout, sync } = this.#options;
    const name = `${this.prefix}${++this.#count}`;
    const path = toJournalPath(layout, name);
    const file = this.#create(path);
    try {
      file.lockSync(true);
      if (sync) fileSystem.syncDirectory(layout.journals);
    } catch (error) {
      file.close();
      removeIfThere(fileSystem, path);
      throw error;
    }
    const { dev, ino } = file.statSync();
    // Between the two calls above, a folder may have taken this for the journal of a dead writer.
    if (!isSameFile(path, { dev, ino })) {
      file.close();
      return this.#open();
    }
    return this.#journal = { name, path, file, dev, ino, end: 0 };
  }

  #create(path: string): Deno.FsFile {
    const { fileSystem, layout, guard } = this.#options;
    const create = () => fileSystem.open(path, { read: true, append: true, createNew: true });
    const file = ifThere(create);
    if (file !== undefined) return file;
    guard.checkThere();
    fileSystem.makeDirectory(layout.journals);
    return create();
  }
}
