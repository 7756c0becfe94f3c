import { QuiverError } from "../../base/errors.ts";
import type { RecordPlan } from "../../call/call_query.ts";
import type { CacheGuard } from "../../disk/disk_storage.ts";
import { isDeep, LONGEST_LINE_BYTES } from "../../disk/checked_line.ts";
import { DiskCalls } from "../../disk/disk_stores.ts";
import {
  type FileIdentity,
  type FilePlace,
  type FileSystem,
  isSameFile,
  lookAt,
  openIfThere,
  openShared,
  readAt,
} from "../../disk/file_system.ts";
import type { BagLayout } from "../../disk/layout.ts";
import { LockFile } from "../../disk/lock_file.ts";
import { isNoRoom } from "../../disk/room.ts";
import type {
  CallFeed,
  Lease,
  MaybePromise,
  RecordChange,
  TellDamaged,
} from "../../disk/stores.ts";
import type { Digest } from "../../value/value.ts";
import { FoldLock, readManifest } from "../manifest.ts";
import { type DueHeader, HeaderReader, HeaderSchedule, type HeaderSource } from "./call_headers.ts";
import {
  type CallLineHead,
  decodeRecord,
  type EncodedRecord,
  encodeEvictLine,
  freeze,
  RecordEncoder,
} from "./call_line.ts";
import { scanCalls } from "./call_scan.ts";
import { CallTable, CallTail, isTailLong, LONG_TAIL_BYTES } from "./call_table.ts";
import { type LogReading, LogRecords, type SettledLog } from "./log_records.ts";
import { strikeLine } from "./strike_line.ts";

/** What a call log needs to know. */
export interface CallLogOptions {
  /** The seam. */
  readonly fileSystem: FileSystem;
  /** The bag's paths. */
  readonly layout: BagLayout;
  /** Says what may be done. */
  readonly guard: CacheGuard;
  /** Whether each line is brought to the disk itself before it counts as written. */
  readonly sync: boolean;
  /** Called when much was appended since the table was last looked at: somebody may have folded. */
  readonly onLongTail?: () => void;
  /** Told when the file turns out to have been replaced: other files of the bag may be gone too. */
  readonly onReplaced?: () => void;
  /** Called with each line that was appended. */
  readonly onAppended?: () => void;
  /** Called with each line that was put while it is time to see to the table again. */
  readonly onOverdue?: () => void;
}

/** A lease that knows how long the log was when it was taken. */
class LogLease implements Lease {
  readonly logSize: number;
  /** Which log that was: a compaction makes another one, which may come to be as long. */
  readonly log: object | undefined;
  readonly #lease: Lease;

  constructor(lease: Lease, log: OpenLog | undefined) {
    this.#lease = lease;
    this.log = log;
    this.logSize = log?.scanned ?? 0;
  }

  get key(): Digest {
    return this.#lease.key;
  }

  get revoked(): boolean {
    return this.#lease.revoked;
  }

  [Symbol.dispose](): void {
    this.#lease[Symbol.dispose]();
  }
}

/** The log as it is open now: the file, the table of its prefix, and what was scanned behind it. */
interface OpenLog extends FileIdentity, HeaderSource {
  table: CallTable | undefined;
  /** The newest line of each key behind the table's prefix. */
  tail: CallTail;
  /** Records that were read; each is the newest of its key as far as the log was scanned. */
  records: RecordCache;
  /** When headers have to be written. */
  readonly schedule: HeaderSchedule;
  scanned: number;
  /** Where what this handle appended last ends. */
  appended: number;
  /** Up to where the log had come when somebody last looked for a newer table. */
  looked: number;
  /** Up to where the log had come when it was last seen to that somebody makes a table. */
  followed: number;
}

/** The call log of a bag: appends lines, and follows what others append. */
export class CallLog extends DiskCalls implements Disposable {
  readonly #options: CallLogOptions;
  readonly #lock: LockFile;
  readonly #encoder = new RecordEncoder();
  readonly #headers = new HeaderReader();
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
    super();
    this.#options = options;
    this.#generation = generation;
    this.#lock = new LockFile(options.fileSystem, options.layout.callsLock, options.guard);
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
    const prefix = this.#log?.table?.end ?? 0;
    return isTailLong((this.#log?.scanned ?? 0) - prefix, prefix);
  }

  /**
   * Has a lease be looked at when the call is put: whoever revokes it appends something, so that it is
   * asked only when the log has grown since.
   *
   * @param lease The lease, which was just taken.
   * @returns The lease to be put with.
   */
  watch(lease: Lease): Lease {
    return new LogLease(lease, this.#log);
  }

  /** As the base class says. */
  putLine(
    key: Digest,
    fields: Record<string, unknown>,
    lease?: Lease,
  ): MaybePromise<boolean> {
    this.#options.guard.checkWritable("put a call into");
    const watched = lease instanceof LogLease ? lease : undefined;
    return this.#write({ key, type: "record" }, this.#encoder.encode(key, fields), watched);
  }

  /** As the base class says. */
  delete(key: Digest): MaybePromise<boolean> {
    this.#options.guard.checkWritable("delete a call from");
    const place = this.find(key);
    if (place === undefined) return false;
    return this.#lock.share(() => {
      try {
        return this.#append({ key, type: "eviction" }, { line: encodeEvictLine(key) }, undefined);
      } catch (error) {
        if (!isNoRoom(error) || !this.#strike(key)) throw error;
        return true;
      }
    });
  }

  /** Forgets a key where there is no room to append that; not while somebody copies the log. */
  #strike(key: Digest): boolean {
    const { fileSystem, layout } = this.#options;
    using fold = FoldLock.tryTake(fileSystem, layout);
    if (fold === undefined) return false;
    const place = this.find(key);
    if (place === undefined) return true;
    if (this.#log === undefined || !strikeLine(fileSystem, layout.callLog, place, key)) {
      return false;
    }
    this.#log.records.delete(key);
    this.#log.tail.set({ key, type: "eviction", ...place });
    return true;
  }

  /**
   * Appends that a key is forgotten, though it is not known.
   *
   * @param key The key of the call.
   * @returns `true`.
   */
  note(key: Digest): MaybePromise<boolean> {
    return this.#write({ key, type: "eviction" }, { line: encodeEvictLine(key) });
  }

  /** As the base class says. */
  getLine(key: Digest): Record<string, unknown> | undefined {
    this.#options.guard.checkOpen("read from");
    this.#refresh();
    const known = this.#log?.records.get(key);
    if (known !== undefined) return known;
    const place = this.#locate(key);
    const record = place && this.#read(place);
    // A table may name a place where another record lies.
    if (record?.key !== key) return undefined;
    this.#log?.records.set(key, record, place?.length ?? 0);
    return record;
  }

  /**
   * Finds where the newest record of a key lies.
   *
   * @param key The key of the call.
   * @returns The place, or `undefined` when there is none.
   */
  find(key: Digest): FilePlace | undefined {
    this.#refresh();
    return this.#locate(key);
  }

  /** As the interface says: until the log is compacted. */
  isForgotten(key: Digest): boolean {
    this.#options.guard.checkOpen("read from");
    const log = this.#settle();
    if (log === undefined) return false;
    using file = log.file;
    const types: CallLineHead["type"][] = [];
    scanCalls(file, 0, log.scanned, (line) => {
      if (line.key === key) types.push(line.type);
    });
    return types.at(-1) === "eviction";
  }

  #locate(key: Digest): FilePlace | undefined {
    return this.#lookUp(key) ?? (this.#reopenReplaced() ? this.#lookUp(key) : undefined);
  }

  #lookUp(key: Digest): FilePlace | undefined {
    const line = this.#log?.tail.get(key);
    if (line !== undefined) return line.type === "record" ? line : undefined;
    return this.#log?.table?.find(key);
  }

  /** As the interface says. */
  feed(): CallFeed {
    let position: { readonly log: OpenLog; readonly offset: number } | undefined;
    return {
      read: () => {
        this.#options.guard.checkOpen("read from");
        this.#refresh();
        this.#reopenReplaced();
        const log = this.#log ?? this.#reopen();
        const since = position;
        position = { log, offset: log.scanned };
        // In another file, all may be different.
        if (since?.log !== log) return this.#readAll();
        const lines: CallLineHead[] = [];
        scanCalls(log.file, since.offset, log.scanned, (line) => lines.push(line));
        return this.#readChanges(lines);
      },
    };
  }

  *#readAll(): Iterable<RecordChange> {
    yield { type: "reset" };
    for (const record of this.records()) yield { type: "put", record };
  }

  *#readChanges(lines: readonly CallLineHead[]): Iterable<RecordChange> {
    for (const { key, type } of lines) {
      if (type === "header") continue;
      const record = type === "record" ? this.get(key) : undefined;
      yield record === undefined ? { type: "delete", key } : { type: "put", record };
    }
  }

  /** As the base class says: in the order of the log. */
  lines(damaged?: TellDamaged, plan?: RecordPlan): Iterable<Record<string, unknown>> {
    this.#options.guard.checkOpen("read from");
    return new LogRecords(this.#reading(), plan, damaged).read();
  }

  /** As the interface says. */
  count(plan: RecordPlan, damaged?: TellDamaged): number | undefined {
    this.#options.guard.checkOpen("read from");
    return new LogRecords(this.#reading(), plan, damaged).count();
  }

  #reading(): LogReading {
    return {
      settle: () => this.#settle(),
      find: (key) => this.#log?.findHeader(key),
      headers: this.#headers,
      path: this.#options.layout.callLog,
    };
  }

  /** Opens the file that the newest places are of. */
  #settle(): SettledLog | undefined {
    const { layout: { callLog }, guard } = this.#options;
    guard.checkOpen("read from");
    for (let attempt = 0; attempt < MOST_FILES; attempt++) {
      this.#refresh();
      this.#reopenReplaced();
      if (this.#log === undefined) return undefined;
      const file = openIfThere(callLog);
      const { scanned, table, tail } = this.#log;
      if (file !== undefined && isSameFile(callLog, this.#log)) {
        return { file, scanned, table, tail };
      }
      file?.close();
    }
    throw new QuiverError(`Cannot read "${callLog}": somebody replaces the file again and again`);
  }

  /**
   * Takes the log's generation from the newest manifest, and its table if there is a newer one.
   *
   * @param generation The generation of the log.
   */
  reload(generation: number): void {
    if (generation !== this.#generation) {
      this.#generation = generation;
      this.#reopen();
    } else if (this.#log !== undefined) {
      this.#takeNewerTable(this.#log);
      this.#log.followed = this.#log.scanned;
    }
  }

  #takeNewerTable(log: OpenLog): void {
    const table = CallTable.open(this.#options.layout, log.file, this.#generation, log.table);
    if (table === undefined) return;
    log.table?.[Symbol.dispose]();
    log.table = table;
    if (table.end > log.scanned) {
      // Lines that this handle has not seen may be newer than what it has read.
      log.records = new RecordCache();
      log.scanned = table.end;
    }
    log.tail = log.tail.from(table.end);
  }

  /** Lets go of the files. */
  [Symbol.dispose](): void {
    this.#close();
    this.#lock[Symbol.dispose]();
  }

  #read({ offset, length }: FilePlace): Record<string, unknown> | undefined {
    const log = this.#log;
    // A table may say anything.
    if (log === undefined || length > LONGEST_LINE_BYTES) return undefined;
    if (offset + length > log.scanned) return undefined;
    const line = this.#readLine(log.file, { offset, length });
    return line && decodeRecord(line, (name) => this.#headers.find(name, log));
  }

  #readLine(file: Deno.FsFile, { offset, length }: FilePlace): Uint8Array | undefined {
    if (this.#buffer.length < length) this.#buffer = new Uint8Array(2 * length);
    const line = this.#buffer.subarray(0, length);
    return readAt(file, offset, line) ? line : undefined;
  }

  /** A promise while the log is being replaced. */
  #write(head: CallLineHead, record: EncodedRecord, lease?: LogLease): MaybePromise<boolean> {
    checkLine(record.line);
    return this.#lock.share(() => this.#append(head, record, lease));
  }

  #append(head: CallLineHead, record: EncodedRecord, lease: LogLease | undefined): boolean {
    const { fileSystem, layout, sync, guard, onAppended, onOverdue } = this.#options;
    // Who has waited may find it closed.
    guard.checkWritable("put a call into");
    const log = this.#log === undefined || this.#replaced(this.#log) ? this.#reopen() : this.#log;
    const known = lease?.log === log ? lease.logSize : undefined;
    const size = lease === undefined ? undefined : log.file.seekSync(0, Deno.SeekMode.End);
    if (size !== known && lease?.revoked === true) return false;
    const end = Math.max(log.scanned, log.appended);
    const { bytes, header } = log.schedule.prepare(record, end, (key) => {
      const sealed = log.tail.copiesOf(key) ?? log.table?.find(key);
      // How many copies there are in front of a table's end is not known.
      return sealed && { count: 1, ...sealed };
    });
    appendLines(fileSystem, log.file, bytes, layout.callLog);
    if (sync) fileSystem.sync(log.file);
    onAppended?.();
    const begin = this.#takeOwn(log, head, bytes.length, header) - bytes.length;
    if (lease !== undefined && begin !== known && lease.revoked) {
      // Since the last look; what forgets the call may stand before its record.
      appendLines(fileSystem, log.file, encodeEvictLine(head.key), layout.callLog);
      return false;
    }
    this.#followFolds(log);
    const { scanned = 0, followed = 0 } = this.#log ?? {};
    if (head.type === "record" && scanned - followed > LONG_TAIL_BYTES) onOverdue?.();
    return true;
  }

  /** Lines that this handle has appended right behind what it has scanned need not be read again. */
  #takeOwn(log: OpenLog, head: CallLineHead, length: number, header?: DueHeader): number {
    const end = log.file.seekSync(0, Deno.SeekMode.Current);
    const begin = end - length;
    log.appended = end;
    const before = header?.length ?? 0;
    if (header !== undefined) log.schedule.written(header.key, begin + 1);
    if (begin !== log.scanned) return end;
    log.records.delete(head.key);
    // Without the line feeds that a line begins and ends with.
    if (header !== undefined) {
      log.tail.set({ key: header.key, type: "header", offset: begin + 1, length: before - 2 });
    }
    log.tail.set({ ...head, offset: begin + before + 1, length: length - before - 2 });
    log.scanned = end;
    return end;
  }

  #close(): void {
    this.#log?.file.close();
    this.#log?.table?.[Symbol.dispose]();
    this.#log = undefined;
  }

  #open(): OpenLog | undefined {
    const { fileSystem, layout, guard, sync } = this.#options;
    const isNew = guard.writable && sync && lookAt(layout.callLog) === undefined;
    const file = guard.writable
      ? openShared(fileSystem, layout.callLog, { append: true })
      : openIfThere(layout.callLog);
    if (file === undefined) return undefined;
    if (isNew) fileSystem.syncDirectory(layout.root);
    const { dev, ino } = file.statSync();
    const table = CallTable.open(layout, file, this.#generation);
    const end = table?.end ?? 0;
    const log: OpenLog = {
      file,
      dev,
      ino,
      table,
      tail: new CallTail(),
      records: new RecordCache(),
      schedule: new HeaderSchedule(),
      findHeader: (header) => log.tail.get(header) ?? log.table?.find(header),
      scanned: end,
      appended: end,
      looked: file.seekSync(0, Deno.SeekMode.End),
      followed: end,
    };
    return log;
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
      log.tail.set(line);
      log.records.delete(line.key);
    });
    log.scanned = end;
    this.#skipped += skipped;
    // A log that was replaced ends with a line that is none of a log's (`rewrite_log.ts`).
    if (skipped > 0 && this.#reopenReplaced()) return;
    this.#followFolds(log);
  }

  /** A handle that finds all it looks for learns of folds only so; else its tail would only grow. */
  #followFolds(log: OpenLog): void {
    const prefix = log.table?.end ?? 0;
    if (!isTailLong(log.scanned - Math.max(prefix, log.looked), prefix)) return;
    log.looked = log.scanned;
    this.#options.onLongTail?.();
    if (this.#log === log) this.#takeNewerTable(log);
  }

  /** Whether the file was replaced by another one under the same name. */
  #replaced(log: OpenLog): boolean {
    return !isSameFile(this.#options.layout.callLog, log);
  }

  #reopenReplaced(): boolean {
    if (this.#log === undefined || !this.#replaced(this.#log)) return false;
    this.#scan(this.#reopen());
    return true;
  }

  #reopen(): OpenLog {
    // If not, what was read of it still holds.
    this.#options.guard.checkThere();
    this.#close();
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

/** How often a file is looked for that somebody puts another one in the place of. */
const MOST_FILES = 100;

/** How often a line is written again after a part of it was taken. */
const APPEND_ATTEMPTS = 3;

/**
 * Refuses a line that no reader would take.
 *
 * @param line The line with its line feeds.
 * @throws {RangeError} If it is too long, or nested too deeply.
 */
function checkLine(line: Uint8Array): void {
  if (line.length > LONGEST_LINE_BYTES) {
    throw new RangeError(
      `Cannot put a call of ${line.length} bytes: the longest has ${LONGEST_LINE_BYTES}`,
    );
  }
  if (isDeep(line)) throw new RangeError("Cannot put a call: its record is nested too deeply");
}

/**
 * Appends lines to the call log, to which others append as well.
 *
 * The rest of what was only partly taken cannot follow it: somebody else may have appended
 * meanwhile. The part ends in a torn line, and all is written again, whole.
 *
 * @param file The log, open for appending.
 * @param lines Each with its line feeds.
 * @param path What the log is called in errors.
 */
function appendLines(
  fileSystem: FileSystem,
  file: Deno.FsFile,
  lines: Uint8Array,
  path: string,
): void {
  for (let attempt = 0; attempt < APPEND_ATTEMPTS; attempt++) {
    if (fileSystem.write(file, lines) === lines.length) return;
  }
  throw new QuiverError(
    `Cannot append to "${path}": the disk takes only a part of the line`,
  );
}

/** How many bytes of lines are kept for certain, parsed; up to twice as many are. */
const LIMIT = 1024 * 1024;

/** The newest records that were read, parsed: to read and parse a line is half of a tiny hit. */
class RecordCache {
  #recent = new Map<Digest, Record<string, unknown>>();
  #older = new Map<Digest, Record<string, unknown>>();
  #bytes = 0;

  /**
   * Finds a record.
   *
   * @param key The key of the call.
   * @returns The record, frozen, or `undefined`.
   */
  get(key: Digest): Record<string, unknown> | undefined {
    return this.#recent.get(key) ?? this.#older.get(key);
  }

  /**
   * Keeps a record, and freezes all of it.
   *
   * @param key The key of the call.
   * @param bytes How long its line is.
   */
  set(key: Digest, record: Record<string, unknown>, bytes: number): void {
    if (this.#bytes + bytes > LIMIT) {
      this.#older = this.#recent;
      this.#recent = new Map();
      this.#bytes = 0;
    }
    this.#recent.set(key, freeze(record));
    this.#bytes += bytes;
  }

  /**
   * Forgets a record, as there is a newer line of its key.
   *
   * @param key The key of the call.
   */
  delete(key: Digest): void {
    this.#recent.delete(key);
    this.#older.delete(key);
  }
}
