/** Calls that go wrong in all the ways in which a call can, on each kind of worker. */
import {
  DeadlineError,
  DependencyError,
  type ExecutorView,
  type Future,
  UnclonableError,
  WorkerDiedError,
  type WorkerType,
} from "@quiver/quiver";
import * as tasks from "./testdata/crash_tasks.ts";

type ErrorClass = abstract new (...args: never[]) => unknown;

/** What makes calls: an executor, or a view of one. */
export type Submitter = Pick<ExecutorView, "submit" | "with" | "map">;

/** A call that goes wrong. */
export interface Fault {
  /** How it has to end; a call that is cancelled may have ended as it should. */
  readonly ending: ErrorClass | "reason" | "cancelled or value";
  /** Makes the call. */
  readonly submit: (executor: Submitter, x: number) => Future<unknown>;
}

/** What those reject with that are given up. */
export const REASON = "given up";

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
  {
    ending: RangeError,
    submit: (executor, x) => executor.with({ retries: 1 }).submit(tasks.fail, `${x}`),
  },
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
    ending: WorkerDiedError,
    submit: (executor) => executor.with({ retries: 1 }).submit(tasks.die, "exits with 3"),
  },
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

/** Lists what can go wrong on a kind of worker. */
export function faultsOf(workerType: WorkerType): readonly Fault[] {
  if (workerType === "inline") return FAULTS;
  if (workerType === "web") return [...FAULTS, ...MORTAL_FAULTS];
  return [...FAULTS, ...MORTAL_FAULTS, ...PROCESS_FAULTS];
}
