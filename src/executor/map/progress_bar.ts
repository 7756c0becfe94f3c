import { importLater } from "../../base/lazy_import.ts";
import { type QuiverWarning, SafeCallbacks, writeLine } from "../../base/warning.ts";
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
   * @param failure Why it has failed, if it has.
   */
  update(hit: boolean, failure?: { readonly error: unknown }): void;
  /**
   * Calls that run have said how far they are.
   *
   * @param running How much of them is done: the sum of their fractions.
   * @param said What one of them has said last by `reportProgress`: a fraction, a message, values. Nothing
   * when a call has ended.
   */
  report?(running: number, said?: ProgressReport): void;
  /** The map has ended, however it did. */
  stop(): void;
}

/** How long it takes from one line to the next, in milliseconds, where there is no terminal. */
const LINE_INTERVAL = 5000;

/**
 * Opens a progress bar on standard error; the library is loaded only when there is a terminal. Where there
 * is none, lines are written.
 *
 * @returns The bar.
 */
export async function openProgressBar(): Promise<ProgressObserver> {
  if (!Deno.stderr.isTerminal()) return new ProgressLines(writeLine, repeat);
  const { Presets, SingleBar } = await importLater<typeof import("./cli_progress.ts")>("bar");
  const bar = new SingleBar({
    format: "{bar} {percentage}% | {value}/{total} | {hits} cached{failed} | " +
      "{eta_formatted} left{said}",
    // What calls say is to fit into 80 columns, too.
    barsize: 16,
    clearOnComplete: true,
    gracefulExit: false,
    // A program that is interrupted must leave the terminal as it was.
    hideCursor: false,
    linewrap: true,
  }, Presets.shades_classic);
  const counts = new ProgressCounts();
  const toPayload = () => ({ hits: counts.hits, failed: counts.failed, said: counts.said });
  const draw = () => {
    if (counts.settled > bar.getTotal()) bar.setTotal(counts.settled);
    bar.update(Math.round((counts.settled + counts.running) * 100) / 100, toPayload());
  };
  return {
    start: (total) => bar.start(total ?? 0, 0, toPayload()),
    update: (hit, failure) => {
      counts.update(hit, failure);
      draw();
    },
    report: (running, said) => {
      counts.report(running, said);
      draw();
    },
    stop: () => bar.stop(),
  };
}

/** A map that nobody goes on with is no reason for a program to stay. */
function repeat(tick: () => void): Disposable {
  const timer = setInterval(tick, LINE_INTERVAL);
  Deno.unrefTimer(timer);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** What is to be shown of a map. */
class ProgressCounts {
  settled = 0;
  hits = 0;
  running = 0;
  #failed = 0;
  #said: ProgressReport = {};

  update(hit: boolean, failure: { readonly error: unknown } | undefined): void {
    this.settled++;
    if (hit) this.hits++;
    if (failure !== undefined) this.#failed++;
  }

  report(running: number, said: ProgressReport | undefined): void {
    this.running = running;
    if (said !== undefined) this.#said = said;
  }

  /** How many have failed, if any have, behind what comes before. */
  get failed(): string {
    return this.#failed === 0 ? "" : ` | ${this.#failed} failed`;
  }

  /** What a call has said last, in one line and without what moves a terminal's cursor. */
  get said(): string {
    const { message, values = {} } = this.#said;
    const shown = Object.entries(values).map(([name, value]) => `${name} ${toShort(value)}`);
    const text = [...(message === undefined ? [] : [message]), ...shown].join(", ");
    if (text === "") return "";
    // They would move the cursor.
    return ` | ${text.replaceAll(/\p{Cc}+/gu, " ").slice(0, LONGEST_SAID)}`;
  }
}

/** How much is shown of what a call says, in UTF-16 code units. */
const LONGEST_SAID = 80;

function toShort(value: unknown): string {
  return typeof value === "number" ? String(Number(value.toPrecision(4))) : String(value);
}

/** Shows how a map goes where there is no terminal: a line every few seconds, and one at the end. */
export class ProgressLines implements ProgressObserver {
  readonly #write: (line: string) => void;
  readonly #repeat: (tick: () => void) => Disposable;
  readonly #counts = new ProgressCounts();
  #total: number | undefined;
  #timer: Disposable | undefined;
  #written = false;

  /**
   * Shows nothing yet.
   *
   * @param write Writes a line.
   * @param repeat Calls a function every few seconds, until it is disposed of.
   */
  constructor(write: (line: string) => void, repeat: (tick: () => void) => Disposable) {
    this.#write = write;
    this.#repeat = repeat;
  }

  /** The map begins: whoever reads along sees the first line when it takes longer than a few seconds. */
  start(total: number | undefined): void {
    this.#total = total;
    this.#timer = this.#repeat(() => this.#writeCounts());
  }

  /** As the interface says. */
  update(hit: boolean, failure?: { readonly error: unknown }): void {
    this.#counts.update(hit, failure);
  }

  /** As the interface says. */
  report(running: number, said?: ProgressReport): void {
    this.#counts.report(running, said);
  }

  /** The map has ended: of one that took long enough for a line, the last one says how much was done. */
  stop(): void {
    this.#timer?.[Symbol.dispose]();
    if (this.#written) this.#writeCounts();
  }

  #writeCounts(): void {
    this.#written = true;
    const { settled, running, hits, failed, said } = this.#counts;
    const done = Math.round((settled + running) * 100) / 100;
    const total = this.#total;
    const share = total === undefined || total === 0
      ? `${done} done`
      : `${done}/${total} (${Math.floor(done / total * 100)}%)`;
    this.#write(`map: ${share} | ${hits} from the cache${failed}${said}`);
  }
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
    update: (hit, failure) => callbacks.tell("update", () => observer.update(hit, failure)),
    ...(observer.report !== undefined && {
      report: (running: number, said?: ProgressReport) =>
        callbacks.tell("report", () => observer.report?.(running, said)),
    }),
    stop: () => callbacks.tell("stop", () => observer.stop()),
  };
}

/** Tells the observer of a map what the calls that run say of themselves. */
export class RunningProgress {
  readonly #observer: ProgressObserver;
  /** How far the calls are that run and have said so. */
  readonly #fractions = new Map<Future<unknown>, number>();
  /** What calls that have no future have said, by what they were called with together. */
  readonly #ofItems = new Map<readonly unknown[], Map<number, ProgressReport>>();

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
    const told: { latest: ProgressReport } = { latest: future.progress.latest };
    future.onDone(() => {
      const { latest } = future.progress;
      const isNew = latest !== told.latest;
      told.latest = latest;
      if (this.#fractions.delete(future) || isNew) this.#announce(isNew ? latest : undefined);
    });
    void this.#listen(future, told);
  }

  /**
   * A call that has no future says how far it is.
   *
   * @param items With what it was called together.
   * @param index Which of those it is.
   * @param progress How far it is; nothing when it has ended.
   */
  said(items: readonly unknown[], index: number, progress: ProgressReport | undefined): void {
    const reports = this.#ofItems.get(items);
    if (progress === undefined) {
      if (reports?.delete(index) !== true) return;
      if (reports.size === 0) this.#ofItems.delete(items);
      return this.#announce();
    }
    // What a report leaves out stays as it was.
    const latest = { ...reports?.get(index), ...progress };
    if (reports === undefined) this.#ofItems.set(items, new Map([[index, latest]]));
    else reports.set(index, latest);
    this.#announce(latest);
  }

  async #listen(
    future: Future<unknown>,
    told: { latest: ProgressReport },
  ): Promise<void> {
    for await (const said of future.progress) {
      // Its last word was told with its end.
      if (said === told.latest || future.state === "done" || future.state === "cancelled") continue;
      told.latest = said;
      if (said.fraction !== undefined) this.#fractions.set(future, said.fraction);
      this.#announce(said);
    }
  }

  #announce(said?: ProgressReport): void {
    let sum = 0;
    for (const fraction of this.#fractions.values()) sum += fraction;
    for (const reports of this.#ofItems.values()) {
      for (const { fraction = 0 } of reports.values()) sum += fraction;
    }
    this.#observer.report?.(sum, said);
  }
}
