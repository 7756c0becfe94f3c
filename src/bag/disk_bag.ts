import { QuiverError } from "../base/errors.ts";
import type {
  BagOptions,
  BagStorage,
  CallChanges,
  CompactOptions,
  CompactResult,
  FoldResult,
  LeaseLock,
  StorageStatistics,
  StoredPart,
  TellDamaged,
} from "../disk/disk_storage.ts";
import { FileHandles, type FileSystem } from "../disk/file_system.ts";
import { type BagLayout, listJournals, toJournalPath } from "../disk/layout.ts";
import { isLeaseFree, LeaseFiles, WaitNotes, waitUntil } from "../disk/leases.ts";
import type { Digest, EncodedPart, Payload, StoredPayload } from "../value/value.ts";
import { ByteCache } from "./byte_cache.ts";
import { BackgroundFold, type FoldRunner, FoldScheduler } from "./fold/scheduler.ts";
import { findHorizon, Touches } from "./fold/touches.ts";
import { JournalWriter } from "./journal/journal_writer.ts";
import { CallLog, LogPosition, type Revocable } from "./log/call_log.ts";
import { readManifest } from "./manifest.ts";
import { StoredValues } from "./stored_values.ts";
import { DigestSet } from "./table/digest_rows.ts";

/** The length of a digest in hexadecimal. */
const DIGEST_LENGTH = 64;

/** The largest payload; the HDF5 library writes no more at once. */
const LARGEST_BYTES = 2 ** 31 - 1;

/** What an open bag stands on. */
export interface DiskBagOptions extends Required<Omit<BagOptions, "compression">> {
  /** The seam. */
  readonly fileSystem: FileSystem;
  /** The bag's paths. */
  readonly layout: BagLayout;
  /** What folds. */
  readonly runner: FoldRunner;
}

/** A bag on this machine's disk. */
export class DiskBag implements BagStorage {
  readonly #options: DiskBagOptions;
  readonly #handles = new FileHandles();
  readonly #cache: ByteCache;
  readonly #writer: JournalWriter;
  readonly #values: StoredValues;
  readonly #log: CallLog;
  readonly #folding: BackgroundFold;
  readonly #pace: FoldScheduler;
  readonly #leases: LeaseFiles;
  readonly #waits: WaitNotes;
  readonly #touches: Touches;
  #sweeps: number | undefined;
  #closing: Promise<void> | undefined;

  /**
   * Opens the files of a bag that is there.
   *
   * @param options What the bag stands on.
   */
  constructor(options: DiskBagOptions) {
    const { fileSystem, layout, journalBytes, memoryBytes, mode, durability } = options;
    const sync = durability === "power";
    this.#options = options;
    this.#cache = new ByteCache(memoryBytes);
    this.#writer = new JournalWriter({ fileSystem, layout, journalBytes, sync });
    const writable = mode === "readwrite";
    this.#values = new StoredValues(layout, this.#handles, this.#writer.prefix, (manifest) => {
      this.#log.reload(manifest.logGeneration);
      // What is kept in memory may have been dropped.
      if (manifest.sweeps !== this.#sweeps) this.#cache.clear();
      this.#sweeps = manifest.sweeps;
    });
    const onLongTail = () => void this.#values.reload();
    // What others have removed is held open until this handle learns of it.
    const onReplaced = onLongTail;
    const logOptions = { fileSystem, layout, writable, sync, onLongTail, onReplaced };
    this.#log = new CallLog(logOptions, this.#values.logGeneration);
    this.#folding = new BackgroundFold(options.runner, layout);
    this.#pace = new FoldScheduler({ start: () => this.#startFold() });
    this.#leases = new LeaseFiles(fileSystem, layout);
    this.#waits = new WaitNotes(fileSystem, layout);
    this.#touches = new Touches(fileSystem, layout);
  }

  get path(): string {
    return this.#options.layout.root;
  }

  get mode(): "readwrite" | "read" {
    return this.#options.mode;
  }

  putValue(part: EncodedPart): void {
    this.#checkWritable("put a value into");
    const { digest, bytes } = part;
    if (digest.length !== DIGEST_LENGTH) {
      throw new TypeError(`Cannot put a value as "${digest}": a digest has 64 characters`);
    }
    if (bytes.length > LARGEST_BYTES) {
      throw new RangeError(
        `Cannot put a value of ${bytes.length} bytes: the largest has ${LARGEST_BYTES}`,
      );
    }
    if (this.#values.isWhole(digest) && this.#touches.leave(digest, () => this.#isLive(digest))) {
      return;
    }
    const { journal, entry } = this.#writer.append(part);
    this.#values.add(journal, entry);
    this.#pace.count();
    if (this.#writer.full) this.#rotate();
  }

  /** Whether a value is in what is live now: it may have been dropped since this handle looked. */
  #isLive(digest: Digest): boolean {
    this.#values.reload();
    return this.#values.isWhole(digest);
  }

  #rotate(): void {
    this.#writer.rotate();
    if (this.#options.fold !== "manual") this.#pace.full();
  }

  /** Others may have made a table of the log's tail; if not, it is time that somebody does. */
  #followLog(): void {
    this.#log.reload(this.#values.logGeneration);
    if (this.#log.tailLong && this.#options.fold !== "manual") this.#startFold();
  }

  #startFold(): void {
    this.#folding.start(() => {
      this.#values.reload();
      this.#log.reload(this.#values.logGeneration);
    });
  }

  hasValue(digest: Digest): boolean {
    this.#checkOpen("look into");
    return this.#cache.has(digest) || this.#values.has(digest);
  }

  getValue(digest: Digest): Payload | undefined {
    this.#checkOpen("read from");
    const kept = this.#cache.get(digest);
    if (kept !== undefined) return kept;
    const payload = this.#values.read(digest);
    if (payload !== undefined) this.#cache.put(digest, payload);
    return payload;
  }

  plainBytes(digest: Digest): Uint8Array | undefined {
    this.#checkOpen("read from");
    return this.#cache.plain(digest);
  }

  openPayload(digest: Digest): StoredPayload | undefined {
    this.#checkOpen("read from");
    return this.#values.open(digest);
  }

  rejectValue(digest: Digest): boolean {
    this.#checkOpen("reject a value of");
    this.#cache.delete(digest);
    return this.#values.reject(digest);
  }

  describeValue(digest: Digest): StoredPart | undefined {
    this.#checkOpen("look into");
    return this.#values.find(digest);
  }

  putCall(key: Digest, fields: Record<string, unknown>, lease?: LeaseLock): boolean {
    this.#checkWritable("put a call into");
    const put = this.#log.append(key, fields, lease instanceof BagLease ? lease : undefined);
    if (this.#log.overdue) this.#followLog();
    return put;
  }

  deleteCall(key: Digest): boolean {
    this.#checkWritable("delete a call from");
    return this.#log.evict(key);
  }

  getCall(key: Digest): Record<string, unknown> | undefined {
    this.#checkOpen("read from");
    return this.#log.get(key);
  }

  calls(damaged?: TellDamaged): Iterable<Record<string, unknown>> {
    this.#checkOpen("read from");
    return this.#log.records(damaged);
  }

  callChanges(since?: unknown): CallChanges {
    this.#checkOpen("read from");
    return this.#log.changes(since instanceof LogPosition ? since : undefined);
  }

  tryLease(key: Digest): LeaseLock | undefined {
    this.#checkWritable("take a lease in");
    const { state } = this.#log;
    const lease = this.#leases.tryTake(key);
    return lease && new BagLease(lease, state);
  }

  revokeLease(key: Digest): void {
    this.#checkWritable("revoke a lease in");
    if (!this.#leases.revoke(key) || this.#log.find(key) !== undefined) return;
    // Who computes the call now looks only whether the log has grown, as it does for a known call.
    this.#log.note(key);
  }

  leaseChanged(key: Digest, signal?: AbortSignal): Promise<void> {
    const { layout } = this.#options;
    let before: number | undefined;
    let looked = false;
    return waitUntil(() => {
      this.#checkOpen("wait for a lease in");
      const now = this.#log.find(key)?.offset;
      if (looked && now !== before) return true;
      before = now;
      looked = true;
      return isLeaseFree(layout, key);
    }, signal);
  }

  statistics(): StorageStatistics {
    this.#checkOpen("look into");
    return readBagStatistics(this.#options.layout);
  }

  tellWaits(note?: Record<string, unknown>): void {
    this.#checkWritable("wait in");
    this.#waits.write(note);
  }

  readWaits(): Record<string, unknown>[] {
    this.#checkOpen("read from");
    return this.#waits.read();
  }

  async fold(): Promise<FoldResult | undefined> {
    this.#checkWritable("fold");
    // A journal that its writer has let go of can be removed once it is sealed.
    this.#writer.rotate();
    const result = await this.#folding.run();
    if (this.#closing === undefined) {
      this.#values.reload();
      this.#log.reload(this.#values.logGeneration);
    }
    return result;
  }

  horizon(gracePeriod: number): Promise<number> {
    this.#checkWritable("collect the garbage of");
    return findHorizon(this.#options.layout, gracePeriod);
  }

  async compact(options: CompactOptions = {}): Promise<CompactResult> {
    this.#checkWritable("compact");
    const { live, horizon = 0, share = 1, full = false } = options;
    this.#writer.rotate();
    const result = await this.#folding.compact({
      ...(live !== undefined && { live: DigestSet.of(live).bytes }),
      horizon,
      share,
      full,
    });
    if (this.#closing === undefined) this.#values.reload();
    return result;
  }

  /** Makes the tables again that are missing or damaged. */
  async heal(): Promise<void> {
    const { runner, layout, mode } = this.#options;
    if (!this.#values.isIncomplete(mode === "readwrite")) return;
    for (const { segment, table } of await runner.rebuild(layout.root, mode === "readwrite")) {
      this.#values.adopt(segment, table);
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { mode, fold } = this.#options;
    this.#pace[Symbol.dispose]();
    try {
      this.#writer.rotate();
      await this.#folding.end(mode === "readwrite" && fold === "auto", () => this.#log.tailLong);
    } finally {
      this.#leases[Symbol.dispose]();
      this.#waits[Symbol.dispose]();
      this.#writer[Symbol.dispose]();
      this.#log[Symbol.dispose]();
      this.#touches[Symbol.dispose]();
      this.#handles[Symbol.dispose]();
      this.#cache.clear();
    }
  }

  /** Closes the bag. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #checkOpen(action: string): void {
    if (this.#closing !== undefined) {
      throw new QuiverError(`Cannot ${action} the bag "${this.path}": it is closed`);
    }
  }

  #checkWritable(action: string): void {
    this.#checkOpen(action);
    if (this.mode === "read") {
      throw new QuiverError(
        `Cannot ${action} the bag "${this.path}": it was opened with mode: "read"`,
      );
    }
  }
}

/** A lease that knows how long the call log was when it was taken. */
class BagLease implements LeaseLock, Revocable {
  readonly logSize: number;
  readonly log: object | undefined;
  readonly #lease: LeaseLock;

  constructor(lease: LeaseLock, { log, logSize }: Pick<Revocable, "log" | "logSize">) {
    this.#lease = lease;
    this.log = log;
    this.logSize = logSize;
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

/**
 * Counts what lies in a bag, without opening any file of values.
 *
 * @param layout The bag's paths.
 * @returns The numbers.
 */
function readBagStatistics(layout: BagLayout): Required<StorageStatistics> {
  const { segments } = readManifest(layout);
  const journals = listJournals(layout);
  return {
    segments: segments.length,
    journals: journals.length,
    sealedValues: segments.reduce((sum, { values }) => sum + values, 0),
    bytes: segments.reduce((sum, { bytes }) => sum + bytes, 0) +
      journals.reduce((sum, name) => sum + sizeOf(toJournalPath(layout, name)), 0),
  };
}

/** A journal may have been sealed and removed since it was listed. */
function sizeOf(path: string): number {
  try {
    return Deno.statSync(path).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}
