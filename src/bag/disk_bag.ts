import {
  type BagOptions,
  type CacheGuard,
  type CacheSettings,
  type CompactOptions,
  type CompactResult,
  type FoldResult,
  guardBag,
  type StorageStatistics,
} from "../disk/disk_storage.ts";
import type { DiskStorage } from "../disk/disk_stores.ts";
import { FailureLog } from "../disk/failure_log.ts";
import { CLOCK_LAG } from "../disk/file_clock.ts";
import { FileHandles, type FileSystem, ifThere } from "../disk/file_system.ts";
import { findHorizon } from "../disk/horizon.ts";
import { type BagLayout, listJournals, toJournalPath } from "../disk/layout.ts";
import { DiskLeases, type DiskLeasesOptions } from "../disk/leases.ts";
import type {
  FailureStore,
  Lease,
  SweepOptions,
  SweepResult,
  ValueDescription,
  ValueSweeper,
} from "../disk/stores.ts";
import { UseLog } from "../disk/use_log.ts";
import type { Digest } from "../value/value.ts";
import { BagValues } from "./bag_values.ts";
import { ByteCache } from "./byte_cache.ts";
import { BackgroundFold, type FoldRunner, FoldScheduler } from "./fold/scheduler.ts";
import { TOUCH_INTERVAL, Touches } from "./fold/touches.ts";
import {
  JournalWriter,
  type JournalWriterOptions,
  type PieceSource,
} from "./journal/journal_writer.ts";
import { CallLog } from "./log/call_log.ts";
import { type Manifest, readManifest } from "./manifest.ts";
import { StoredValues } from "./stored_values.ts";
import { DigestSet } from "./table/digest_rows.ts";

/** What an open bag stands on. */
export interface DiskBagOptions extends Omit<CacheSettings<BagOptions>, "compression"> {
  /** The seam. */
  readonly fileSystem: FileSystem;
  /** The bag's paths. */
  readonly layout: BagLayout;
  /** What folds. */
  readonly runner: FoldRunner;
}

/** An open bag on this machine's disk: many isolates and processes use one at once. */
export class DiskBag implements DiskStorage, ValueSweeper {
  readonly path: string;
  readonly mode: "readwrite" | "read";
  readonly values: BagValues;
  readonly calls: CallLog;
  readonly failures: FailureStore;
  readonly leases: BagLeases;
  readonly uses: UseLog;
  readonly sweeper: ValueSweeper = this;
  readonly findsParts = true;
  readonly hesitation: number = TOUCH_INTERVAL + 2 * CLOCK_LAG;
  readonly #options: DiskBagOptions;
  readonly #guard: CacheGuard;
  readonly #cache: ByteCache;
  readonly #writer: JournalWriter;
  readonly #stored: StoredValues;
  readonly #folding: BackgroundFold;
  readonly #pace: FoldScheduler;
  readonly #resources = new DisposableStack();
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
    const guard = guardBag(layout, mode);
    this.path = layout.root;
    this.mode = mode;
    this.#options = options;
    this.#guard = guard;
    this.#cache = new ByteCache(memoryBytes);
    const handles = new FileHandles();
    const journals = { fileSystem, layout, guard, journalBytes, sync };
    this.#writer = new JournalWriter(journals);
    this.#stored = new StoredValues(
      layout,
      handles,
      this.#writer.prefix,
      (manifest) => this.#follow(manifest),
    );
    const reload = () => void this.#stored.reload();
    this.calls = new CallLog({
      fileSystem,
      layout,
      guard,
      sync,
      onLongTail: reload,
      // What others have removed is held open until this handle learns of it. All may be another one.
      onReplaced: () => void this.#stored.reload(true),
      onAppended: () => this.#writer.doubt(),
      onOverdue: () => this.#sealLog(),
    }, this.#stored.logGeneration);
    this.#folding = new BackgroundFold(options.runner, layout);
    this.#pace = new FoldScheduler({ start: () => this.#startFold() });
    this.leases = new BagLeases({ fileSystem, layout, guard, place: layout.root }, this.calls);
    this.failures = new FailureLog({ fileSystem, guard, root: layout.root, path: layout.failures });
    this.uses = new UseLog({
      fileSystem,
      root: layout.root,
      path: layout.uses,
      marker: layout.bagJson,
      writable: guard.writable,
      isKnown: (key) => this.calls.find(key) !== undefined,
    });
    const touches = new Touches(fileSystem, layout);
    this.values = new BagValues({
      guard,
      cache: this.#cache,
      writer: this.#writer,
      stored: this.#stored,
      touches,
      ...(sync && { syncKnown: (digest) => this.#stored.sync(digest, fileSystem) }),
      onPut: () => this.#countPut(),
      appendPieces: (source) => this.#appendPieces(source, journals),
    });
    for (const one of [handles, touches, this.calls, this.#writer, this.leases]) {
      this.#resources.use(one);
    }
  }

  #follow(manifest: Manifest): void {
    // A log that is replaced while it is opened looks itself which one is live.
    this.calls?.reload(manifest.logGeneration);
    // What is kept in memory may have been dropped.
    if (manifest.sweeps !== this.#sweeps) this.#cache.clear();
    this.#sweeps = manifest.sweeps;
  }

  #countPut(): void {
    this.#pace.count();
    if (!this.#writer.full) return;
    this.#writer.rotate();
    if (this.#options.fold !== "manual") this.#pace.full();
  }

  /** Others put values meanwhile: what comes in pieces has a journal of its own. */
  async #appendPieces(source: PieceSource, journals: JournalWriterOptions): Promise<void> {
    using writer = new JournalWriter(journals);
    await writer.appendPieces(source, pause);
    this.#pace.count();
    if (writer.full && this.#options.fold !== "manual") this.#pace.full();
  }

  /** Others may have made a table of the log's tail; if not, it is time that somebody does. */
  #sealLog(): void {
    this.calls.reload(this.#stored.logGeneration);
    if (this.calls.tailLong && this.#options.fold !== "manual") this.#startFold();
  }

  #startFold(): void {
    this.#folding.start(() => this.#reload());
  }

  #reload(): void {
    this.#stored.reload();
    this.calls.reload(this.#stored.logGeneration);
  }

  /**
   * Lets pass while the bag is open and where it was opened.
   *
   * @param action What is to be done, as in "back up".
   */
  checkThere(action: string): void {
    this.#guard.checkOpen(action);
    this.#guard.checkThere();
  }

  /** As the interface says; no file of values is opened. */
  statistics(): StorageStatistics {
    this.#guard.checkOpen("look into");
    const { layout } = this.#options;
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

  /**
   * Moves all that journals hold into sealed segments.
   *
   * @returns What was done, or `undefined` when another folds.
   * @throws What an earlier fold in the background threw, or this one. Nothing is lost by that.
   */
  async fold(): Promise<FoldResult | undefined> {
    this.#guard.checkWritable("fold");
    this.#guard.checkThere();
    // A journal that its writer has let go of can be removed once it is sealed.
    this.#writer.rotate();
    const result = await this.#folding.run();
    if (!this.#guard.closed) this.#reload();
    return result;
  }

  /** As the interface says. */
  horizon(gracePeriod: number): Promise<number> {
    this.#guard.checkWritable("collect the garbage of");
    this.#guard.checkThere();
    // What was put up to now lies in a journal that nobody writes to any more.
    this.#writer.rotate();
    return findHorizon(this.#options.fileSystem, this.#options.layout, gracePeriod);
  }

  /** As the interface says. */
  describe(digest: Digest): ValueDescription | undefined {
    return this.values.describe(digest);
  }

  /** As the interface says; no file of values is opened. */
  bytes(): number {
    return this.statistics().bytes ?? 0;
  }

  /** As the interface says. */
  async sweep(live: ReadonlySet<Digest>, options: SweepOptions): Promise<SweepResult> {
    const { values, bytes } = await this.compact({ live, ...options });
    return { values, bytes };
  }

  /**
   * Folds, writes what is wanted of segments into new ones, and drops the rest; others read and
   * write meanwhile. A segment with a damaged value that is wanted stays as it is.
   *
   * @param options What is wanted; without it, segments are merged at most. With `full`, a large bag
   * still has several segments, of up to 1 GiB and a million values: the HDF5 library holds 2 GiB.
   * @returns What was dropped.
   * @throws What folding or writing threw. Nothing is lost by that.
   */
  async compact(options: CompactOptions = {}): Promise<CompactResult> {
    this.#guard.checkWritable("compact");
    this.#guard.checkThere();
    const { live, horizon = 0, share = 1, full = false } = options;
    this.#writer.rotate();
    const result = await this.#folding.compact({
      ...(live !== undefined && { live: DigestSet.of(live).bytes }),
      horizon,
      share,
      full,
    });
    if (!this.#guard.closed) this.#stored.reload();
    return result;
  }

  /** Makes the tables again that are missing or damaged. */
  async heal(): Promise<void> {
    const { runner, layout } = this.#options;
    const { writable } = this.#guard;
    if (!this.#stored.isIncomplete(writable)) return;
    for (const { segment, table } of await runner.rebuild(layout.root, writable)) {
      this.#stored.adopt(segment, table);
    }
  }

  /**
   * Lets go of all files; folds first when `fold` is `"auto"`. May be called twice.
   *
   * @throws What a fold threw; the files are let go of all the same.
   */
  close(): Promise<void> {
    if (!this.#guard.closed) {
      this.uses[Symbol.dispose]();
      this.#guard.close();
      this.#closing = this.#close();
    }
    return this.#closing ?? Promise.resolve();
  }

  async #close(): Promise<void> {
    const { mode, fold } = this.#options;
    this.#pace[Symbol.dispose]();
    try {
      this.#writer.rotate();
      await this.#folding.end(mode === "readwrite" && fold === "auto", () => this.calls.tailLong);
    } finally {
      this.#resources.dispose();
      this.#cache.clear();
    }
  }

  /** The same as `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** The leases of a bag: its call log tells that a call was put, or is to be forgotten. */
class BagLeases extends DiskLeases {
  readonly #log: CallLog;

  /**
   * Creates it; no file is made before the first lease.
   *
   * @param options What leases need to know.
   */
  constructor(options: DiskLeasesOptions, log: CallLog) {
    super(options);
    this.#log = log;
  }

  /** As the base class says. */
  override tryAcquire(key: Digest): Lease | undefined {
    const lease = super.tryAcquire(key);
    return lease && this.#log.watch(lease);
  }

  /** As the base class says. */
  override revoke(key: Digest): boolean {
    const isHeld = super.revoke(key);
    // Who computes the call now looks only whether the log has grown, as it does for a known call.
    if (isHeld && this.#log.find(key) === undefined) {
      const noted = this.#log.note(key);
      // Not while another log takes its place, and then whoever computes the call looks anyway.
      if (noted instanceof Promise) noted.catch(() => {});
    }
    return isHeld;
  }

  /** As the base class says: what is new in the log counts, too. */
  protected override watch(key: Digest): () => boolean {
    const isFree = super.watch(key);
    let before: number | undefined;
    let looked = false;
    return () => {
      const now = this.#log.find(key)?.offset;
      if (looked && now !== before) return true;
      before = now;
      looked = true;
      return isFree();
    };
  }
}

/** Lets others run. */
function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** A journal may have been sealed and removed since it was listed. */
function sizeOf(path: string): number {
  return ifThere(() => Deno.statSync(path).size) ?? 0;
}
