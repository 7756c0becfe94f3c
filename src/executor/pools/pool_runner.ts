import { UnclonableError } from "../../base/errors.ts";
import { type CallRunner, IN_THIS_ISOLATE, type ReadyCall } from "../../task/call_task.ts";
import type { SentCall } from "../../task/future.ts";
import { toOriginals } from "../../value/carry_value.ts";
import { giveShared } from "../../value/share.ts";
import { findCallback, findUnclonable } from "../../value/digest/refusal.ts";
import type { CallRequest, Outcome } from "../../worker/worker.ts";
import { WorkerRunner } from "../engine/runner.ts";
import { type BoundCall, fromText, toText } from "./pool_call.ts";

/** What runs one call on another library's pool. */
export interface PoolRunnerOptions {
  /** The pool. */
  readonly pool: object;
  /** The name of its method that takes calls. */
  readonly method: string;
  /** How calls get to the pool's workers, if somebody has said it. */
  readonly adapter: PoolAdapter | undefined;
  /** The pool's method as it was. */
  readonly give: PoolMethod;
  /** What the caller gave for the pool. */
  readonly options: object | undefined;
}

/** The same, now that it is known how calls get there. */
interface AdaptedPool extends PoolRunnerOptions {
  readonly adapter: PoolAdapter;
}

/**
 * Creates what runs the body of a call on another library's pool.
 *
 * @param options The pool, and what the caller gave for it.
 */
export function createPoolRunner(options: PoolRunnerOptions): CallRunner {
  const adapter = options.adapter ?? findAdapter(options.pool, options.method);
  const pool: AdaptedPool = { ...options, adapter };
  if (adapter.send === undefined) return createRunnerHere(pool);
  const runner = new WorkerRunner({
    dispatch: (request, observer, listener) => {
      // Whether it waits in the pool's queue or runs, only the pool could say.
      observer.sent?.(IN_POOL);
      const refused = refuseCallbacks(request);
      if (refused !== undefined) return listener.reject(refused);
      send(request, pool).then(
        (outcome) => listener.resolve(outcome),
        (error) => listener.reject(error),
      );
    },
  }, true);
  return { run: (ready) => runner.run(withCopies(ready)) };
}

/** Nobody would bring shared values to a pool's worker before a call: each call takes a copy. */
function withCopies(ready: ReadyCall): ReadyCall {
  if (ready.shared !== true) return ready;
  const { shared: _, ...copied } = { ...ready, args: giveShared(ready.args, true) };
  return copied;
}

const IN_POOL: SentCall = {
  begun: true,
  cancel: () => false,
  raise: () => {},
};

/** A call as the function that a pool is given. */
class HandedCall<T> {
  #phase: { readonly state: "waits" | "runs" | "given up" } | Returned<T> = { state: "waits" };
  readonly #body: () => T | Promise<T>;

  constructor(body: () => T | Promise<T>) {
    this.#body = body;
  }

  /** What the body has returned, once it has. */
  get returned(): Returned<T> | undefined {
    return this.#phase.state === "done" ? this.#phase : undefined;
  }

  async run(): Promise<void> {
    if (this.#phase.state === "given up") return;
    this.#phase = { state: "runs" };
    this.#phase = { state: "done", value: await this.#body() };
  }

  /** From now on it does not run; tells whether it had not begun. */
  giveUp(): boolean {
    if (this.#phase.state !== "waits") return false;
    this.#phase = { state: "given up" };
    return true;
  }
}

interface Returned<T> {
  readonly state: "done";
  readonly value: T;
}

/** The pool runs functions in this isolate: it is given what would run without it. */
function createRunnerHere({ adapter, give, options }: AdaptedPool): CallRunner {
  const hand = async <T>({ status }: ReadyCall, body: () => T | Promise<T>): Promise<T> => {
    const call = new HandedCall(body);
    const { signal } = status;
    const given = Promise.withResolvers<never>();
    // The pool may have dropped it, and others wait for the same key.
    const giveUp = () => void (call.giveUp() && given.reject(signal.reason));
    signal.addEventListener("abort", giveUp);
    try {
      const run = () => call.run();
      const args = adapter.method === "exec" ? [run, []] : [run];
      await Promise.race([give(...args, ...options === undefined ? [] : [options]), given.promise]);
    } finally {
      signal.removeEventListener("abort", giveUp);
    }
    if (call.returned !== undefined) return call.returned.value;
    throw new TypeError(
      `Cannot run a call in a pool: its method \`${adapter.method}\` has not called the function ` +
        "that it was given, or did not wait for it; pass an adapter",
    );
  };
  return { run: (ready) => hand(ready, () => IN_THIS_ISOLATE.run(ready)) };
}

async function send(
  request: CallRequest,
  { adapter, give, options }: AdaptedPool,
): Promise<Outcome> {
  checkClonable(request, options);
  const json = adapter.json?.(options) ?? false;
  const answer = await adapter.send?.(give, json ? toText(request) : request, options);
  const outcome = typeof answer === "string" ? fromText(answer) : answer;
  if (isOutcome(outcome)) return outcome;
  throw new TypeError(
    `Cannot read the outcome of "${request.task}": the pool's worker has not answered it by ` +
      "`runBound`; the adapter must hand it the call, and give back what it returns",
  );
}

/** Nobody would bring what they are called with from a pool's worker to here. */
function refuseCallbacks({ task, args, callbacks }: CallRequest): UnclonableError | undefined {
  if (callbacks === undefined) return undefined;
  const { path = "args" } = findCallback(toOriginals(args), "args") ?? {};
  return new UnclonableError(
    `Cannot send ${path} of "${task}" to a pool: only Quiver's own workers call back; use an Executor`,
    path,
  );
}

/** Some pools lose a worker over what cannot be sent to it. */
function checkClonable(request: CallRequest, options: object | undefined): void {
  // What is transferred would be gone after a trial; then the pool has to see for itself.
  if (options !== undefined && ("transferList" in options || "transfer" in options)) return;
  try {
    structuredClone(request);
  } catch (cause) {
    const { path, reason } = findUnclonable(toOriginals(request.args), "args") ??
      { path: "args", reason: String(cause) };
    throw new UnclonableError(
      `Cannot send ${path} of "${request.task}" to a worker: ${reason}`,
      path,
      { cause },
    );
  }
}

function isOutcome(answer: unknown): answer is Outcome {
  if (typeof answer !== "object" || answer === null || !("type" in answer)) return false;
  return (answer.type === "value" || answer.type === "error") && "warnings" in answer;
}

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
  send?(
    give: (...args: unknown[]) => unknown,
    call: BoundCall | string,
    options: object | undefined,
  ): unknown;
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
 * @param method The name of its method that takes calls.
 * @param worker The URL of the module that exports `runBound`.
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
            "of a file of yours that exports `runBound` of `@quiver/quiver/pools`",
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
