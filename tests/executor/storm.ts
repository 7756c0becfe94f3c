/** Many calls, some of which go wrong at random, in all the ways in which a call can. */
import {
  CancelledError,
  DeadlineError,
  DependencyError,
  Executor,
  type Future,
  UnclonableError,
  WorkerDiedError,
  type WorkerType,
} from "@quiver/quiver";
import { Random } from "../random.ts";
import * as tasks from "./testdata/crash_tasks.ts";

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
}

/** What came of a storm. */
export interface StormReport {
  /** How many calls ended in which way. */
  readonly endings: { readonly [ending: string]: number };
  /** Calls that ended as they should not have. */
  readonly wrong: readonly string[];
  /** How many workers were left at the end. */
  readonly workers: number;
}

type ErrorClass = abstract new (...args: never[]) => unknown;

/** A call that goes wrong. */
interface Fault {
  /** How it has to end; a call that is cancelled may have ended as it should. */
  readonly ending: ErrorClass | "reason" | "cancelled or value";
  /** Makes the call. */
  readonly submit: (executor: Executor, x: number) => Future<unknown>;
}

const REASON = "given up";

/** Gives a call up as soon as it runs. */
function giveUp(future: Future<unknown>): Future<unknown> {
  void (async () => {
    for await (const { message } of future.progress) if (message === "running") break;
    future.abort(REASON);
  })();
  return future;
}

/** What can go wrong on each kind of worker. */
const FAULTS: readonly Fault[] = [
  { ending: RangeError, submit: (executor, x) => executor.submit(tasks.fail, `${x}`) },
  { ending: UnclonableError, submit: (executor, x) => executor.submit(tasks.echo, [x, () => x]) },
  { ending: UnclonableError, submit: (executor) => executor.submit(tasks.giveFunction) },
  { ending: RangeError, submit: (executor) => executor.submit(tasks.overflowStack) },
  {
    ending: DependencyError,
    submit: (executor, x) =>
      executor.submit(tasks.echo, [executor.submit(tasks.fail, `first ${x}`)]),
  },
  {
    ending: "cancelled or value",
    submit: (executor, x) => {
      const future = executor.submit(tasks.echo, x);
      future.cancel();
      return future;
    },
  },
  {
    ending: "reason",
    submit: (executor) => giveUp(executor.with({ gracePeriod: 1000 }).submit(tasks.untilAborted)),
  },
  {
    ending: DeadlineError,
    submit: (executor) =>
      executor.with({ deadline: 2, gracePeriod: 1000 }).submit(tasks.untilAborted),
  },
];

/** What can go wrong on workers that can die. */
const MORTAL_FAULTS: readonly Fault[] = [
  ...(["closes", "exits with 0", "exits with 3", "exits while its result is encoded"] as const)
    .map((how): Fault => ({
      ending: WorkerDiedError,
      submit: (executor) => executor.submit(tasks.die, how),
    })),
  {
    ending: "reason",
    submit: (executor) =>
      giveUp(executor.with({ onAbort: "terminate", gracePeriod: 0 }).submit(tasks.hang)),
  },
  {
    ending: DeadlineError,
    submit: (executor) => executor.with({ deadline: 2, onAbort: "terminate" }).submit(tasks.hang),
  },
];

/** What can go wrong on processes. */
const PROCESS_FAULTS: readonly Fault[] = [
  {
    ending: WorkerDiedError,
    submit: (executor) => executor.submit(tasks.die, "kills its own process"),
  },
];

function faultsOf(workerType: WorkerType): readonly Fault[] {
  if (workerType === "inline") return FAULTS;
  if (workerType === "web") return [...FAULTS, ...MORTAL_FAULTS];
  return [...FAULTS, ...MORTAL_FAULTS, ...PROCESS_FAULTS];
}

/**
 * Makes many calls at once, lets some go wrong, and waits for the end of each, and of the executor.
 *
 * @param options The kind of worker, how many calls, how many faults, and the seed.
 * @returns How they ended.
 */
export async function storm(options: StormOptions): Promise<StormReport> {
  const { workerType, calls, faults: share, seed } = options;
  const faults = faultsOf(workerType);
  const random = new Random(seed);
  const endings: Record<string, number> = {};
  const wrong: string[] = [];
  using _ = refuseStarts(workerType, new Random(seed));
  const executor = new Executor({ maxWorkers: 2, workerType, onWarning: () => {} });
  const settled: Promise<void>[] = [];
  for (let x = 0; x < calls; x++) {
    const fault = random.below(1e6) < 1e6 * share ? faults[random.below(faults.length)] : undefined;
    const future = fault?.submit(executor, x) ?? executor.submit(tasks.double, x);
    settled.push(
      describe(future).then(({ ending, right }) => {
        endings[ending] = (endings[ending] ?? 0) + 1;
        if (!right(fault, x)) wrong.push(`call ${x} of seed ${seed}: ${ending}`);
      }),
    );
    // Some are made while others run.
    if (random.below(100) === 0) await Promise.race(settled.slice(-100));
  }
  await Promise.all(settled);
  await executor.shutdown();
  const { workers, lost, queued, running } = executor.statistics();
  return { endings, wrong, workers: workers + lost + queued + running };
}

/** Has the system refuse one worker in twenty: no call may end otherwise because of that. */
function refuseStarts(workerType: WorkerType, random: Random): Disposable {
  const { execPath } = Deno;
  const { Worker } = globalThis;
  if (workerType === "process") {
    Deno.execPath = () => random.below(80) === 0 ? "/nowhere/deno" : execPath();
  }
  if (workerType === "web") {
    globalThis.Worker = class extends Worker {
      constructor(...args: ConstructorParameters<typeof Worker>) {
        if (random.below(20) === 0) {
          throw Object.assign(new Deno.errors.WouldBlock("no more threads"), { code: "EAGAIN" });
        }
        super(...args);
      }
    };
  }
  return {
    [Symbol.dispose]: () => {
      Deno.execPath = execPath;
      globalThis.Worker = Worker;
    },
  };
}

interface Ending {
  /** In a word. */
  readonly ending: string;
  /** Whether a call should have ended so. */
  readonly right: (fault: Fault | undefined, x: number) => boolean;
}

async function describe(future: Future<unknown>): Promise<Ending> {
  try {
    const value = await future;
    return {
      ending: "value",
      right: (fault, x) =>
        fault === undefined
          ? value === 2 * x
          : fault.ending === "cancelled or value" && value === x,
    };
  } catch (error) {
    const ending = error instanceof Error ? error.name : String(error);
    return {
      ending,
      right: (fault) => {
        if (fault?.ending === "reason") return error === REASON;
        if (fault?.ending === "cancelled or value") return error instanceof CancelledError;
        return fault !== undefined && error instanceof fault.ending;
      },
    };
  }
}
