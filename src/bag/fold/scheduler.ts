import type { CompactResult, FoldResult } from "../../disk/disk_storage.ts";
import { isLockedAt } from "../../disk/file_system.ts";
import { type BagLayout, listJournals, toJournalPath } from "../../disk/layout.ts";
import type { SweepOptions } from "../../disk/stores.ts";
import type { SegmentEntry } from "../manifest.ts";
import type { RebuiltIndex } from "../segment/rebuild_index.ts";

/** What does the work that needs the HDF5 library. */
export interface FoldRunner {
  /**
   * Folds a bag.
   *
   * @returns What was done, or `undefined` when another folds.
   */
  fold(root: string): Promise<FoldResult | undefined>;
  /**
   * Makes tables again that are missing or damaged.
   *
   * @param write Whether the tables are also written to their files.
   */
  rebuild(root: string, write: boolean): Promise<RebuiltIndex[]>;
  /**
   * Compacts a bag, after whoever folds.
   *
   * @param request What is wanted.
   * @returns What was dropped.
   */
  compact(root: string, request: CompactRequest): Promise<CompactResult>;
}

/** The folds of one open bag: one at a time, and none of their errors is lost. */
export class BackgroundFold {
  readonly #runner: FoldRunner;
  readonly #layout: BagLayout;
  #running: Promise<void> | undefined;
  #errors: unknown[] = [];
  readonly #compactions = new Set<Promise<CompactResult>>();

  /**
   * Creates it; nothing is folded yet.
   *
   * @param runner What folds.
   */
  constructor(runner: FoldRunner, layout: BagLayout) {
    this.#runner = runner;
    this.#layout = layout;
  }

  /**
   * Folds in the background, unless that is going on already. An error is kept for the next
   * {@linkcode BackgroundFold.run} or {@linkcode BackgroundFold.end}.
   *
   * @param done Called when a fold has ended well.
   */
  start(done: () => void): void {
    this.#running ??= this.#fold(done);
  }

  async #fold(done: () => void): Promise<void> {
    try {
      await this.#runner.fold(this.#layout.root);
      done();
    } catch (error) {
      this.#errors.push(error);
    } finally {
      this.#running = undefined;
    }
  }

  /**
   * Folds now, after the fold that is running.
   *
   * @returns What was done, or `undefined` when another folds.
   * @throws What a fold in the background threw, or this one.
   */
  async run(): Promise<FoldResult | undefined> {
    await this.#running;
    this.#throwKept();
    return await this.#runner.fold(this.#layout.root);
  }

  /**
   * Compacts now, after the fold that is running.
   *
   * @param request What is wanted.
   * @returns What was dropped.
   */
  async compact(request: CompactRequest): Promise<CompactResult> {
    await this.#running;
    this.#throwKept();
    const compaction = this.#runner.compact(this.#layout.root, request);
    this.#compactions.add(compaction);
    try {
      return await compaction;
    } finally {
      this.#compactions.delete(compaction);
    }
  }

  /**
   * Waits for the fold that is running, and folds what it left.
   *
   * @param fold Whether to fold at all.
   * @param wanted Whether there is another reason to fold than journals.
   * @throws What a fold threw.
   */
  async end(fold: boolean, wanted: () => boolean): Promise<void> {
    await this.#running;
    // Whoever asked for them learns of their errors.
    await Promise.allSettled(this.#compactions);
    if (fold && (hasFreeJournal(this.#layout) || wanted())) {
      this.start(() => {});
      await this.#running;
    }
    this.#throwKept();
  }

  #throwKept(): void {
    const [first, ...others] = this.#errors;
    this.#errors = [];
    if (others.length > 0) {
      throw new AggregateError([first, ...others], `Cannot fold the bag "${this.#layout.root}"`);
    }
    if (first !== undefined) throw first;
  }
}

/** Whether there is a journal that nobody writes to any more. */
function hasFreeJournal(layout: BagLayout): boolean {
  return listJournals(layout).some((name) => isLockedAt(toJournalPath(layout, name)) === false);
}

/** The payload that goes into one segment, in bytes, unless all is to go into one. */
const SEGMENT_BYTES = 64 * 1024 * 1024;

/** The same where all is to go into one; the HDF5 library's memory holds 2 GiB and never shrinks. */
const LARGEST_BYTES = 1024 * 1024 * 1024;

/** How many values go into one segment: each takes memory while the segment is written. */
const LARGEST_VALUES = 1_000_000;

/** What a value costs beside its payload. */
const VALUE_BYTES = 128;

/** So many segments of less than this, in bytes with what values cost, become one in passing. */
const SMALL_BYTES = 8 * 1024 * 1024;
const MOST_SMALL = 8;

/** What a compaction is to do. */
export interface CompactRequest extends Required<SweepOptions> {
  /** The digests of values that are wanted, and so their parts, sorted, 32 bytes each; absent: all are. */
  readonly live?: Uint8Array<ArrayBuffer>;
}

/** What is kept of a segment. */
export interface SegmentShare {
  /** The segment. */
  readonly segment: SegmentEntry;
  /** Whether its table can be read; if not, it stays as it is. */
  readonly readable: boolean;
  /** How many of its values are kept. */
  readonly values: number;
  /** Their payload in bytes. */
  readonly bytes: number;
}

/**
 * Decides which segments are rewritten, and which of them become one.
 *
 * @param shares What is kept of each live segment, oldest first.
 * @param request What the compaction is to do.
 * @returns Groups of segments, each of which becomes one.
 */
export function planCompaction(
  shares: readonly SegmentShare[],
  { share, full }: Pick<CompactRequest, "share" | "full">,
): SegmentEntry[][] {
  const limit = full ? LARGEST_BYTES : SEGMENT_BYTES;
  const groups: SegmentShare[][] = [];
  let group: SegmentShare[] = [];
  for (const one of shares) {
    if (!one.readable || !(full || isBelow(one, share))) continue;
    const next = [...group, one];
    if (group.length > 0 && (sum(next, "bytes") > limit || sum(next, "values") > LARGEST_VALUES)) {
      groups.push(group);
      group = [one];
    } else group = next;
  }
  groups.push(group);
  // One segment of which all is kept is as good as it gets.
  return groups.filter((group) => group.length > 1 || group.some((one) => isBelow(one, 1)))
    .map((group) => group.map(({ segment }) => segment));
}

/**
 * Selects small segments that become one in passing, wherever among the others they are: merging
 * the newest ones as they come leaves those that a sweep has made small.
 *
 * @returns The segments, of bounded size together; none when there are few.
 */
export function selectSmall(segments: readonly SegmentEntry[]): SegmentEntry[] {
  const small = segments.filter((segment) => toWeight(segment) < SMALL_BYTES);
  return small.length < MOST_SMALL ? [] : small.slice(0, MOST_SMALL);
}

/**
 * Tells how much work values are, or how much space they take.
 *
 * @returns Their payload in bytes, with what each costs beside it.
 */
export function toWeight({ bytes, values }: Pick<SegmentEntry, "bytes" | "values">): number {
  return bytes + values * VALUE_BYTES;
}

function isBelow(one: SegmentShare, share: number): boolean {
  return toWeight(one) < share * toWeight(one.segment);
}

function sum(shares: readonly SegmentShare[], field: "bytes" | "values"): number {
  return shares.reduce((total, one) => total + one[field], 0);
}

/** Up to here a journal's values are few: as large ones are, which wait best. */
const FEW_VALUES = 4096;

/** How many full journals of one writer wait at most. */
const MOST_JOURNALS = 8;

/** How long nothing is written before what waits is folded, in milliseconds. */
const PAUSE = 50;

/** What a pace needs. */
export interface FoldSchedulerOptions {
  /** Starts a fold. */
  readonly start: () => void;
  /**
   * Calls a function after a pause, unless what it returns is disposed before.
   *
   * @default {startTimer}
   */
  readonly wait?: (fn: () => void) => Disposable;
}

/**
 * Says when full journals are folded.
 *
 * A fold reads what it seals, writes it again and syncs it, so beside writers of large values it
 * takes the better part of the machine from them. Few large values wait in journals as well as in
 * segments: their headers are found in no time. So they are folded when their writer pauses, or when
 * eight journals of them wait; many small values are folded as soon as their journal is full.
 */
export class FoldScheduler implements Disposable {
  readonly #start: () => void;
  readonly #wait: (fn: () => void) => Disposable;
  /** In the journal that is being written. */
  #values = 0;
  /** Full journals that wait. */
  #journals = 0;
  #timer: Disposable | undefined;

  /**
   * Creates a pace; nothing waits yet.
   *
   * @param options What it needs.
   */
  constructor({ start, wait = startTimer }: FoldSchedulerOptions) {
    this.#start = start;
    this.#wait = wait;
  }

  /** Takes note of a value that was put into a journal. */
  count(): void {
    this.#values++;
  }

  /** Takes note that the journal is full: it is folded now or later. */
  full(): void {
    const many = this.#values > FEW_VALUES;
    this.#values = 0;
    this.#journals++;
    if (many || this.#journals >= MOST_JOURNALS) this.#fold();
    else this.#timer ??= this.#watch();
  }

  #fold(): void {
    this[Symbol.dispose]();
    this.#journals = 0;
    this.#start();
  }

  /** Folds when nothing was written during a pause, and else waits for the next one. */
  #watch(): Disposable {
    const [values, journals] = [this.#values, this.#journals];
    return this.#wait(() => {
      this.#timer = undefined;
      if (this.#values === values && this.#journals === journals) this.#fold();
      else this.#timer = this.#watch();
    });
  }

  /** Forgets what waits: it is folded by whoever closes the bag, or fills a journal next. */
  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }
}

/** A process that has nothing else to do need not wait for this one. */
function startTimer(fn: () => void): Disposable {
  const timer = setTimeout(fn, PAUSE);
  Deno.unrefTimer(timer);
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}
