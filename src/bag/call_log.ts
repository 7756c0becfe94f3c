import { QuiverError } from "../errors.ts";
import type { Digest } from "../value/encoded_value.ts";
import { type FileSystem, openIfThere, readAt } from "./_file_system.ts";
import { type CallLineHead, encodeCallLine, encodeEvictLine } from "./call_line.ts";
import { type CallLine, scanCalls } from "./call_scan.ts";
import { isTailLong, readCallTable } from "./call_table.ts";
import { decodeCheckedLine } from "./checked_line.ts";
import type { DigestTable } from "./digest_table.ts";
import type { BagLayout } from "./layout.ts";
import { readManifest } from "./manifest.ts";

/** How often a line is written again after a part of it was taken. */
const APPEND_ATTEMPTS = 3;

/** What a call log needs to know. */
export interface CallLogOptions {
  /** The seam. */
  readonly fileSystem: FileSystem;
  /** The bag's paths. */
  readonly layout: BagLayout;
  /** Whether lines may be appended. */
  readonly writable: boolean;
  /** Whether each line is brought to the disk itself before it counts as written. */
  readonly sync: boolean;
  /** Told when the file turns out to have been replaced: other files of the bag may be gone too. */
  readonly onReplaced?: () => void;
}

/** Where a record lies in the log. */
interface Place {
  readonly offset: number;
  readonly length: number;
}

/** Up to where somebody has followed the log: a place in one file. */
export class LogPosition {
  /** Stands for the file. */
  readonly log: object;
  /** In bytes. */
  readonly offset: number;

  /** Creates a position. */
  constructor(log: object, offset: number) {
    this.log = log;
    this.offset = offset;
  }
}

/** What the log says since a position. */
export interface LogChanges {
  /** Up to where. */
  readonly position: LogPosition;
  /** The lines in their order; absent when the position is none of this file: all may be different. */
  readonly lines?: readonly CallLineHead[];
}

/** The same, with what finds the record again in another file. */
interface KeyedPlace extends Place {
  key(): Digest;
}

/** The log as it is open now: the file, the table of its prefix, and what was scanned behind it. */
interface OpenLog {
  readonly file: Deno.FsFile;
  table: DigestTable | undefined;
  /** The newest line of each key behind the table's prefix. */
  readonly tail: Map<Digest, CallLine>;
  scanned: number;
}

/** The call log of a bag: appends lines, and follows what others append. */
export class CallLog implements Disposable {
  readonly #options: CallLogOptions;
  readonly #lock: Deno.FsFile | undefined;
  #log: OpenLog | undefined;
  #generation: number;
  #skipped = 0;
  /** For lines that are read, so that none needs a buffer of its own. */
  #buffer = new Uint8Array(4096);

  /**
   * Opens the log.
   *
   * @param options What the log needs to know.
   * @param generation The generation of the log, as the manifest has it.
   */
  constructor(options: CallLogOptions, generation: number) {
    const { fileSystem, layout, writable } = options;
    this.#options = options;
    this.#generation = generation;
    this.#lock = writable
      ? fileSystem.open(layout.callsLock, { read: true, write: true, create: true })
      : undefined;
    try {
      this.#log = this.#open();
      this.#refresh();
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** How many lines were torn, damaged or foreign among those that this handle has scanned. */
  get skipped(): number {
    return this.#skipped;
  }

  /** Whether the table of the log should be written anew. */
  get tailLong(): boolean {
    const prefix = this.#log?.table?.subject.length ?? 0;
    return isTailLong((this.#log?.scanned ?? 0) - prefix, prefix);
  }

  /**
   * Appends a record.
   *
   * @param key The key of the call.
   * @param fields What the record says beside its key.
   */
  append(key: Digest, fields: Record<string, unknown>): void {
    this.#write({ key, evicted: false }, encodeCallLine(key, fields));
  }

  /**
   * Appends that a key is forgotten, if it is known.
   *
   * @param key The key of the call.
   * @returns Whether the key was known.
   */
  evict(key: Digest): boolean {
    if (this.find(key) === undefined) return false;
    this.#write({ key, evicted: true }, encodeEvictLine(key));
    return true;
  }

  /**
   * Finds the newest record of a key.
   *
   * @param key The key of the call.
   * @returns The record, or `undefined`.
   */
  get(key: Digest): Record<string, unknown> | undefined {
    const place = this.find(key);
    return place && this.#read(place);
  }

  /**
   * Finds where the newest record of a key lies.
   *
   * @param key The key of the call.
   * @returns The place, or `undefined` when there is none.
   */
  find(key: Digest): Place | undefined {
    this.#refresh();
    return this.#lookUp(key) ?? (this.#reopenReplaced() ? this.#lookUp(key) : undefined);
  }

  #lookUp(key: Digest): Place | undefined {
    const line = this.#log?.tail.get(key);
    if (line !== undefined) return line.evicted ? undefined : line;
    const table = this.#log?.table;
    const row = table?.find(key) ?? -1;
    if (table === undefined || row === -1) return undefined;
    return { offset: table.offset(row), length: table.length(row) };
  }

  /**
   * Tells what was appended since a position, by this handle or others.
   *
   * @param since An earlier position, if there is one.
   * @returns The lines, and the position now.
   */
  changes(since?: LogPosition): LogChanges {
    this.#refresh();
    this.#reopenReplaced();
    const log = this.#log ?? this.#reopen();
    const position = new LogPosition(log, log.scanned);
    if (since?.log !== log) return { position };
    const lines: CallLineHead[] = [];
    scanCalls(log.file, since.offset, log.scanned, (line) => lines.push(line));
    return { position, lines };
  }

  /** The newest record of each key, in the order of the log, as it is at the first step. */
  *records(): Generator<Record<string, unknown>> {
    this.#refresh();
    this.#reopenReplaced();
    const log = this.#log;
    for (const place of this.#places()) {
      // Places are those of one file; in another one that has replaced it, keys find the records.
      const record = this.#log === log ? this.#read(place) : this.get(place.key());
      if (record !== undefined) yield record;
    }
  }

  #places(): KeyedPlace[] {
    const places: KeyedPlace[] = [];
    const { table, tail } = this.#log ?? { table: undefined, tail: new Map<Digest, CallLine>() };
    for (let row = 0; table !== undefined && row < table.size; row++) {
      if (tail.size > 0 && tail.has(table.digest(row))) continue;
      const key = () => table.digest(row);
      places.push({ offset: table.offset(row), length: table.length(row), key });
    }
    places.sort((a, b) => a.offset - b.offset);
    // The tail begins where the table ends; a map keeps a key's first place, so it is sorted too.
    const newest = Array.from(tail.values()).filter((line) => !line.evicted)
      .map(({ offset, length, key }) => ({ offset, length, key: () => key }));
    return places.concat(newest.sort((a, b) => a.offset - b.offset));
  }

  /**
   * Takes the log's generation and table from a newer manifest.
   *
   * @param generation The generation of the log.
   */
  reload(generation: number): void {
    if (generation !== this.#generation) {
      this.#generation = generation;
      this.#reopen();
    } else if (this.#log !== undefined) {
      const table = readCallTable(this.#options.layout, this.#log.file, generation);
      if (table !== undefined) this.#takeTable(this.#log, table);
    }
  }

  #takeTable(log: OpenLog, table: DigestTable): void {
    log.table = table;
    log.scanned = Math.max(log.scanned, table.subject.length);
    for (const [key, line] of log.tail) {
      if (line.offset < table.subject.length) log.tail.delete(key);
    }
  }

  /** Lets go of the files. */
  [Symbol.dispose](): void {
    this.#log?.file.close();
    this.#log = undefined;
    this.#lock?.close();
  }

  #read({ offset, length }: Place): Record<string, unknown> | undefined {
    if (this.#buffer.length < length) this.#buffer = new Uint8Array(2 * length);
    const line = this.#buffer.subarray(0, length);
    if (this.#log === undefined || !readAt(this.#log.file, offset, line)) return undefined;
    return decodeCheckedLine(line);
  }

  #write(head: CallLineHead, line: Uint8Array): void {
    const { fileSystem, sync } = this.#options;
    if (this.#lock === undefined) {
      throw new TypeError("Cannot append to the call log: it is read-only");
    }
    this.#lock.lockSync(false);
    try {
      const log = this.#replaced() ? this.#reopen() : this.#log ?? this.#reopen();
      this.#append(fileSystem, log.file, line);
      if (sync) fileSystem.sync(log.file);
      this.#takeOwn(log, head, line.length);
    } finally {
      this.#lock.unlockSync();
    }
  }

  /** A line that this handle has appended right behind what it has scanned need not be read again. */
  #takeOwn(log: OpenLog, head: CallLineHead, length: number): void {
    const end = log.file.seekSync(0, Deno.SeekMode.Current);
    if (end - length !== log.scanned) return;
    // Without the line feeds that the line begins and ends with.
    log.tail.set(head.key, { ...head, offset: log.scanned + 1, length: length - 2 });
    log.scanned = end;
  }

  #append(fileSystem: FileSystem, file: Deno.FsFile, line: Uint8Array): void {
    // The rest of a line that was only partly taken cannot follow it: somebody else may have
    // appended meanwhile. The part is a torn line, and the line is written again, whole.
    for (let attempt = 0; attempt < APPEND_ATTEMPTS; attempt++) {
      if (fileSystem.write(file, line) === line.length) return;
    }
    throw new QuiverError(
      `Cannot append to "${this.#options.layout.callLog}": the disk takes only a part of the line`,
    );
  }

  #open(): OpenLog | undefined {
    const { fileSystem, layout, writable } = this.#options;
    const file = writable
      ? fileSystem.open(layout.callLog, { read: true, append: true, create: true })
      : openIfThere(layout.callLog);
    if (file === undefined) return undefined;
    const table = readCallTable(layout, file, this.#generation);
    return { file, table, tail: new Map(), scanned: table?.subject.length ?? 0 };
  }

  #refresh(): void {
    this.#log ??= this.#open();
    const log = this.#log;
    if (log === undefined) return;
    const size = log.file.seekSync(0, Deno.SeekMode.End);
    if (size === log.scanned) return;
    // A log only grows; if it has shrunk, somebody has cut it.
    if (size < log.scanned) return this.#scan(this.#reopen());
    this.#scan(log, size);
  }

  #scan(log: OpenLog, size: number = log.file.seekSync(0, Deno.SeekMode.End)): void {
    const { end, skipped } = scanCalls(log.file, log.scanned, size, (line) => {
      log.tail.set(line.key, line);
    });
    log.scanned = end;
    this.#skipped += skipped;
    // A log that was replaced ends with a line that is none of a log's (`rewrite_calls.ts`).
    if (skipped > 0) this.#reopenReplaced();
  }

  /** Whether the file was replaced by another one under the same name. */
  #replaced(): boolean {
    return this.#log !== undefined && this.#log.file.statSync().nlink === 0;
  }

  #reopenReplaced(): boolean {
    if (!this.#replaced()) return false;
    this.#scan(this.#reopen());
    return true;
  }

  #reopen(): OpenLog {
    this.#log?.file.close();
    this.#log = undefined;
    // Its table is that of the newest generation.
    this.#generation = readManifest(this.#options.layout).logGeneration;
    const log = this.#open();
    if (log === undefined) {
      const { callLog } = this.#options.layout;
      throw new QuiverError(`Cannot read "${callLog}": it was removed while it was open`);
    }
    this.#log = log;
    this.#options.onReplaced?.();
    return this.#log;
  }
}
