/** Many calls, some of which go wrong at random, while workers stop and the main thread is busy. */
import {
  CancelledError,
  DeadlineError,
  Executor,
  type Future,
  WorkerDiedError,
  type WorkerType,
} from "@quiver/quiver";
import { Random } from "../random.ts";
import { beBusy } from "../together.ts";
import { type Fault, faultsOf, REASON, type Submitter } from "./storm_faults.ts";
import { StormObserver } from "./storm_observer.ts";
import { refuseStarts, WorkerStops } from "./storm_weather.ts";
import * as tasks from "./testdata/crash_tasks.ts";
import { rest } from "./testdata/storm_tasks.ts";

/** Options of {@linkcode storm}. */
export interface StormOptions {
  /** The kind of worker. */
  readonly workerType: WorkerType;
  /** How many calls are made. */
  readonly calls: number;
  /** The share of them that goes wrong. */
  readonly faults: number;
  /** What picks them. */
  readonly seed: number;
  /**
   * How many workers are stopped in such a way that nothing tells of it. A call whose body had begun
   * then looks like a long one, so that all get a deadline.
   *
   * @default {0}
   */
  readonly stops?: number;
  /**
   * How often the main thread is busy for up to a second.
   *
   * @default {0}
   */
  readonly busy?: number;
}

/** What came of a storm. */
export interface StormReport {
  /** How many calls ended in which way. */
  readonly endings: { readonly [ending: string]: number };
  /** Calls that ended as they should not have, and what observer and statistics do not agree upon. */
  readonly wrong: readonly string[];
  /** How many workers were left at the end. */
  readonly workers: number;
}

/** How long a call may run beneath which a worker can stop, in milliseconds. */
const DEADLINE = 4000;
/** How many items a map has. */
const ITEMS = 40;

/**
 * Makes many calls at once, lets some go wrong, and waits for the end of each, and of the executor.
 *
 * @param options The kind of worker, how many calls, how many faults, and the seed.
 * @returns How they ended.
 */
export async function storm(options: StormOptions): Promise<StormReport> {
  const { workerType, seed } = options;
  using _ = refuseStarts(workerType, new Random(seed));
  const observer = new StormObserver();
  const executor = new Executor({ maxWorkers: 2, workerType, onWarning: () => {}, observer });
  const run = new Storm(executor, options);
  await run.finish();
  await executor.shutdown();
  const { workers, lost, queued, running } = executor.statistics();
  const wrong = [...run.wrong, ...observer.compare(executor)];
  return { endings: run.endings, wrong, workers: workers + lost + queued + running };
}

/** A storm under way. */
class Storm {
  readonly endings: Record<string, number> = {};
  readonly wrong: string[] = [];
  readonly #submitter: Submitter;
  readonly #options: StormOptions;
  readonly #random: Random;
  readonly #settled: Promise<void>[] = [];
  /** Calls that did nothing wrong, and whose worker was stopped beneath them. */
  #hit = 0;

  constructor(executor: Executor, options: StormOptions) {
    const { stops = 0 } = options;
    this.#submitter = stops > 0 ? executor.with({ deadline: DEADLINE }) : executor;
    this.#options = options;
    this.#random = new Random(options.seed);
  }

  async finish(): Promise<void> {
    const { calls, stops: stopCount = 0, busy = 0, workerType, seed } = this.#options;
    using stops = new WorkerStops(this.#submitter, workerType);
    for (let x = 0; x < calls;) {
      x += calls - x >= ITEMS && this.#chance(0.002) ? this.#map(x) : this.#call(x);
      if (this.#chance(stopCount / calls)) {
        this.#settled.push(stops.stopOne(this.#random.below(30)).catch(() => void this.#hit++));
      }
      if (this.#chance(busy / calls)) beBusy(this.#random.below(1000));
      // Some are made while others run.
      if (this.#chance(0.01)) await Promise.race(this.#settled.slice(-100));
    }
    await Promise.all(this.#settled);
    // No other call suffers from it than the one whose body had begun.
    if (this.#hit > stops.count) {
      this.wrong.push(`${stops.count} stops have hit ${this.#hit} calls of seed ${seed}`);
    }
  }

  /** Makes a call. */
  #call(x: number): number {
    const { faults: share, workerType } = this.#options;
    const faults = faultsOf(workerType);
    const fault = this.#chance(share) ? faults[this.#random.below(faults.length)] : undefined;
    const call = x % 10 === 0 ? rest : tasks.double;
    const future = fault?.submit(this.#submitter, x) ?? this.#submitter.submit(call, x);
    this.#settled.push(this.#follow(future, fault, x));
    return 1;
  }

  async #follow(future: Future<unknown>, fault: Fault | undefined, x: number): Promise<void> {
    const what = `call ${x}`;
    try {
      const value = await future;
      const cancelled = fault?.ending === "cancelled or value";
      this.#count("value", fault === undefined ? value === 2 * x : cancelled && value === x, what);
    } catch (error) {
      this.#count(nameOf(error), isRight(error, fault) || this.#isHit(error), what);
    }
  }

  /** Has some items mapped; some maps are left in the middle. */
  #map(x: number): number {
    const items = Array.from({ length: ITEMS }, (_, index) => x + index);
    const most = this.#chance(0.1) ? this.#random.below(ITEMS) : ITEMS;
    const map = async () => {
      let next = 0;
      try {
        for await (const value of this.#submitter.map(tasks.double, items)) {
          this.#count("value", value === 2 * (x + next), `item ${next} of a map`);
          if (++next === most) break;
        }
      } catch (error) {
        this.#count(nameOf(error), this.#isHit(error), `item ${next} of a map`);
        next++;
      }
      if (next < ITEMS) this.endings["left"] = (this.endings["left"] ?? 0) + ITEMS - next;
    };
    this.#settled.push(map());
    return ITEMS;
  }

  #count(ending: string, right: boolean | "hit", what: string): void {
    this.endings[ending] = (this.endings[ending] ?? 0) + 1;
    if (right === "hit") this.#hit++;
    else if (!right) this.wrong.push(`${what} of seed ${this.#options.seed}: ${ending}`);
  }

  #isHit(error: unknown): "hit" | false {
    const { stops = 0 } = this.#options;
    if (stops === 0) return false;
    // The deadline is that of the body, whose result may not have left the worker yet.
    const isDone = error instanceof WorkerDiedError &&
      error.message.includes("after the body of a call had ended");
    return (isDone || error instanceof DeadlineError && error.deadline === DEADLINE) && "hit";
  }

  #chance(share: number): boolean {
    return this.#random.below(1e6) < 1e6 * share;
  }
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : String(error);
}

function isRight(error: unknown, fault: Fault | undefined): boolean {
  if (fault?.ending === "reason") return error === REASON;
  if (fault?.ending === "cancelled or value") return error instanceof CancelledError;
  return fault !== undefined && error instanceof fault.ending;
}
