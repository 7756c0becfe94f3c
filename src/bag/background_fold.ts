import { openIfThere } from "../disk/file_system.ts";
import type { CompactResult, FoldResult } from "../disk/cache_files.ts";
import type { CompactRequest } from "./compaction_plan.ts";
import { type BagLayout, listJournals, toJournalPath } from "../disk/layout.ts";

/** A table that was made again from its segment. */
export interface RebuiltIndex {
  /** The segment's name. */
  readonly segment: string;
  /** The content of the table's file. */
  readonly table: Uint8Array<ArrayBuffer>;
}

/** What does the work that needs the HDF5 library. */
export interface FoldRunner {
  /**
   * Folds a bag.
   *
   * @param root The bag's directory.
   * @returns What was done, or `undefined` when another folds.
   */
  fold(root: string): Promise<FoldResult | undefined>;
  /**
   * Makes tables again that are missing or damaged.
   *
   * @param root The bag's directory.
   * @param write Whether the tables are also written to their files.
   * @returns The tables.
   */
  rebuild(root: string, write: boolean): Promise<RebuiltIndex[]>;
  /**
   * Compacts a bag, after whoever folds.
   *
   * @param root The bag's directory.
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
   * @param layout The bag's paths.
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
  return listJournals(layout).some((name) => {
    using file = openIfThere(toJournalPath(layout, name));
    if (file === undefined || !file.tryLockSync(false)) return false;
    file.unlockSync();
    return true;
  });
}
