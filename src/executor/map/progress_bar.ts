import { importLater } from "../../base/lazy_import.ts";
import { type QuiverWarning, SafeCallbacks } from "../../base/warning.ts";
import type { Future } from "../../task/future.ts";
import type { ProgressReport } from "../../worker/worker.ts";

/** Told how a map goes. What it throws is warned of once, and ends neither the map nor the program. */
export interface ProgressObserver {
  /**
   * The map begins.
   *
   * @param total How many items there are, if that is known.
   */
  start(total: number | undefined): void;
  /**
   * A call has settled.
   *
   * @param hit Whether its result came without running the body.
   */
  update(hit: boolean): void;
  /**
   * Calls that run have said how far they are.
   *
   * @param running How much of them is done: the sum of their fractions.
   */
  report?(running: number): void;
  /** The map has ended, however it did. */
  stop(): void;
}

/**
 * Opens a progress bar on standard error; the library is loaded only when there is a terminal.
 *
 * @returns The bar, or `undefined` when standard error is not a terminal.
 */
export async function openProgressBar(): Promise<ProgressObserver | undefined> {
  if (!Deno.stderr.isTerminal()) return undefined;
  const { Presets, SingleBar } = await importLater<typeof import("./cli_progress.ts")>("bar");
  const bar = new SingleBar({
    format: "{bar} {percentage}% | {value}/{total} | {hits} from the cache | {eta_formatted} left",
    clearOnComplete: true,
    gracefulExit: false,
    // A program that is interrupted must leave the terminal as it was.
    hideCursor: false,
    linewrap: true,
  }, Presets.shades_classic);
  let settled = 0;
  let hits = 0;
  let running = 0;
  const draw = () => bar.update(Math.round((settled + running) * 100) / 100, { hits });
  return {
    start: (total) => bar.start(total ?? 0, 0, { hits }),
    update: (hit) => {
      settled++;
      if (hit) hits++;
      if (settled > bar.getTotal()) bar.setTotal(settled);
      draw();
    },
    report: (sum) => {
      running = sum;
      draw();
    },
    stop: () => bar.stop(),
  };
}

/**
 * Makes of a user's observer one that never throws.
 *
 * @param warn Told once when the user's throws; must not throw.
 */
export function toSafeProgress(
  observer: ProgressObserver,
  warn: (warning: QuiverWarning) => void,
): ProgressObserver {
  const callbacks = new SafeCallbacks("who follows a map", warn);
  return {
    start: (total) => callbacks.tell("start", () => observer.start(total)),
    update: (hit) => callbacks.tell("update", () => observer.update(hit)),
    ...(observer.report !== undefined && {
      report: (running: number) => callbacks.tell("report", () => observer.report?.(running)),
    }),
    stop: () => callbacks.tell("stop", () => observer.stop()),
  };
}

/** Tells the observer of a map what the calls that run say of themselves. */
export class RunningProgress {
  readonly #observer: ProgressObserver;
  /** How far the calls are that run and have said so. */
  readonly #fractions = new Map<Future<unknown>, number>();
  /** The same of calls that have no future, by what they were called with together. */
  readonly #ofItems = new Map<readonly unknown[], Map<number, number>>();

  /**
   * Creates the progress of one map.
   *
   * @param observer Who is told.
   */
  constructor(observer: ProgressObserver) {
    this.#observer = observer;
  }

  /**
   * Follows a call to its end. To be asked before the observer is to be told of that end, so that no
   * call counts twice.
   */
  follow(future: Future<unknown>): void {
    if (this.#observer.report === undefined) return;
    future.onDone(() => {
      if (this.#fractions.delete(future)) this.#announce();
    });
    void this.#listen(future);
  }

  /**
   * A call that has no future says how far it is.
   *
   * @param items With what it was called together.
   * @param index Which of those it is.
   * @param progress How far it is; nothing when it has ended.
   */
  said(items: readonly unknown[], index: number, progress: ProgressReport | undefined): void {
    const fractions = this.#ofItems.get(items);
    if (progress === undefined) {
      if (fractions?.delete(index) !== true) return;
      if (fractions.size === 0) this.#ofItems.delete(items);
    } else if (progress.fraction !== undefined) {
      if (fractions === undefined) this.#ofItems.set(items, new Map([[index, progress.fraction]]));
      else fractions.set(index, progress.fraction);
    } else return;
    this.#announce();
  }

  async #listen(future: Future<unknown>): Promise<void> {
    for await (const { fraction } of future.progress) {
      const ended = future.state === "done" || future.state === "cancelled";
      if (fraction === undefined || ended) continue;
      this.#fractions.set(future, fraction);
      this.#announce();
    }
  }

  #announce(): void {
    let sum = 0;
    for (const fractions of [this.#fractions, ...this.#ofItems.values()]) {
      for (const fraction of fractions.values()) sum += fraction;
    }
    this.#observer.report?.(sum);
  }
}
