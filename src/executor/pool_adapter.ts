import type { BoundCall } from "./pool_call.ts";

/** How calls get to the workers of a pool. */
export interface PoolAdapter {
  /** The name of the pool's method that takes calls. */
  readonly method: string;
  /**
   * Gives a call to the pool so that one of its workers hands it to `runBound`; without this, the pool
   * is given a function to call in this isolate.
   *
   * @param give The pool's method as it was.
   * @param call The call: data that structured clone carries. As text (see `json`) it is a string.
   * @param options What the caller gave for the pool, if anything.
   * @returns What `runBound` returned, or a promise of it.
   */
  send?(give: PoolMethod, call: BoundCall | string, options: object | undefined): unknown;
  /**
   * Whether the pool's workers are sent JSON, so that calls must be text; outcomes are then, too.
   *
   * @param options What the caller gave for the pool, if anything.
   * @returns Whether they are; by default they are not.
   */
  json?(options: object | undefined): boolean;
}

/** A method of a pool. */
export type PoolMethod = (...args: unknown[]) => unknown;

/** What runs calls in the pool's workers. */
const WORKER = new URL("./pool_worker.ts", import.meta.url).href;

/** Every worker of a workerpool has a method `run`, which takes a function as text. */
const RUN_BOUND = "(url, call) => import(url).then((worker) => worker.runBound(call))";

/**
 * Finds out how calls get to the workers of a pool.
 *
 * @param pool The pool.
 * @param method The name of its method that takes calls.
 * @param worker The URL of the module that exports `runBound`.
 * @returns The adapter.
 */
export function findAdapter(pool: object, method: string, worker: string = WORKER): PoolAdapter {
  if (method === "run" && Array.isArray(field(pool, "threads"))) {
    return createThreadsAdapter(pool, worker);
  }
  if (method === "exec" && typeof field(pool, "proxy") === "function") {
    return createWorkerpoolAdapter(pool, worker);
  }
  return { method };
}

/** Piscina and tinypool import a file and call what it exports. */
function createThreadsAdapter(pool: object, worker: string): PoolAdapter {
  return {
    method: "run",
    send: (give, call, options) => {
      if (!worker.startsWith("file:") && field(options, "filename") === undefined) {
        throw new TypeError(
          `Cannot run "${worker}" in a pool that imports files only: pass the option \`filename\` ` +
            "of a file of yours that exports `runBound` of Quiver's `pool-worker`",
        );
      }
      return give(call, { filename: worker, name: "runBound", ...options });
    },
    json: (options) => {
      const runtime = field(options, "runtime") ?? field(field(pool, "options"), "runtime");
      return runtime === "child_process";
    },
  };
}

function createWorkerpoolAdapter(pool: object, worker: string): PoolAdapter {
  return {
    method: "exec",
    send: (give, call, options) => give("run", [RUN_BOUND, [worker, call]], options),
    json: () =>
      field(pool, "workerType") === "process" &&
      field(field(pool, "forkOpts"), "serialization") !== "advanced",
  };
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}
