import { importLater } from "../import_later.ts";
import { answerCall, type CallRunner } from "../task/call_task.ts";
import { scopeOf } from "../task/bound_task.ts";
import { followSignal, type Future, toAborted } from "../task/future.ts";
import { definitionOf } from "../task/registry.ts";
import type { DeferredArguments, Task } from "../task/task.ts";
import { Executor } from "./executor.ts";
import { refuseOutsideOfCall } from "./nesting.ts";
import type { PoolAdapter, PoolMethod } from "./pool_adapter.ts";
import type { PoolRunnerOptions } from "./pool_runner.ts";

type Running = typeof import("./pool_runner.ts");

/** What the method of a wrapped pool takes after a task, where it takes options of its own. */
export type PoolArguments<A extends readonly unknown[]> = A extends readonly []
  ? [args?: readonly [], options?: object]
  : [args: DeferredArguments<A>, options?: object];

/** A pool that takes tasks by `submit`. */
export interface SubmitsTasks {
  /**
   * Submits a call of a task: the cache of the scope answers, or the pool.
   *
   * @param task The task.
   * @param args The arguments, or futures of them at any depth.
   * @returns The future of the result.
   */
  submit<A extends readonly unknown[], R>(
    task: Task<A, R>,
    ...args: DeferredArguments<A>
  ): Future<R>;
}

/** A pool that takes tasks by `run`. */
export interface RunsTasks {
  /**
   * Submits a call of a task: the cache of the scope answers, or the pool.
   *
   * @param task The task.
   * @param rest The arguments in an array, and what the pool's own method takes as options.
   * @returns The future of the result.
   */
  run<A extends readonly unknown[], R>(task: Task<A, R>, ...rest: PoolArguments<A>): Future<R>;
}

/** A pool that takes tasks by `exec`. */
export interface ExecutesTasks {
  /**
   * Submits a call of a task: the cache of the scope answers, or the pool.
   *
   * @param task The task.
   * @param rest The arguments in an array, and what the pool's own method takes as options.
   * @returns The future of the result.
   */
  exec<A extends readonly unknown[], R>(task: Task<A, R>, ...rest: PoolArguments<A>): Future<R>;
}

/** A pool whose method takes tasks, beside all that it took before. */
export type WrappedExecutor<P> =
  & (P extends { submit: unknown } ? SubmitsTasks
    : P extends { run: unknown } ? RunsTasks
    : P extends { exec: unknown } ? ExecutesTasks
    : unknown)
  & P;

/** The methods that pools have, in the order that they are looked for. */
const METHODS: readonly string[] = ["submit", "run", "exec"];

/** Marks the methods that were replaced; another copy of Quiver must not replace them again. */
const WRAPPED = Symbol.for("quiver.wrapped");

/**
 * Teaches another library's pool to take tasks: what the cache of the scope knows is answered at once,
 * and the pool is not touched; anything else it runs, in that scope, and the result is remembered.
 * What is not a task goes to the pool as before.
 *
 * ```text
 *  submit(task, ...args)           any pool: it is given a function, to be called in this isolate
 *  run(task, args, options)        piscina, tinypool: options are filename, name, signal, transferList…
 *  exec(task, args, options)       workerpool: options are on, transfer…
 * ```
 *
 * Workers of piscina, tinypool and workerpool are recognised and run the task themselves. For other
 * pools with workers, pass an adapter that brings calls to `runBound` of `@quiver/quiver/pool-worker`.
 * In Deno 2.9.6 most threads of a tinypool never start: create it with `useAtomics: false`.
 *
 * A `signal` among the pool's options gives a call up: its future rejects at once with the signal's
 * reason, and the pool ends the call as far as it can. `Future.cancel` ends only calls that the pool was
 * not given yet.
 *
 * Requires `--allow-read` of Quiver's own files, and what the pool needs.
 *
 * @typeParam P The pool.
 * @param pool The pool; its method is replaced.
 * @param adapter How calls get to its workers.
 * @returns The same object; wrapping it twice is harmless.
 * @throws {TypeError} When the pool has no method that is known.
 *
 * @example Remember what a queue runs
 * ```ts
 * import { cacheScope, createMemoryCache, task, wrapExecutor } from "@quiver/quiver";
 * import { assertEquals } from "@std/assert";
 *
 * class Queue {
 *   taken = 0;
 *   async submit<T>(fn: () => T | Promise<T>): Promise<T> {
 *     this.taken++;
 *     return await fn();
 *   }
 * }
 *
 * const square = task(import.meta, (n: number) => n * n, { name: "square" });
 * const queue = wrapExecutor(new Queue());
 * await cacheScope({ cache: createMemoryCache() }, async () => {
 *   assertEquals(await queue.submit(square, 12), 144);
 *   assertEquals(await queue.submit(square, 12), 144);
 * });
 * assertEquals(queue.taken, 1);
 * ```
 */
export function wrapExecutor<P extends object>(
  pool: P,
  adapter?: PoolAdapter,
): WrappedExecutor<P> {
  // What is returned has the method that the type says it has.
  const wrapped = pool as unknown as WrappedExecutor<P>;
  if (pool instanceof Executor) return wrapped;
  const method = adapter?.method ?? findMethod(pool);
  const own: unknown = Reflect.get(pool, method);
  if (typeof own !== "function") {
    throw new TypeError(`Cannot wrap an executor: it has no method \`${method}\``);
  }
  if (WRAPPED in own) return wrapped;
  const give: PoolMethod = (...args) => Reflect.apply(own, pool, args);
  const value = (...args: unknown[]) => {
    const [task, ...rest] = args;
    const definition = definitionOf(task);
    if (definition === undefined || typeof task !== "function") return give(...args);
    const { args: given, options } = split(definition.name, rest, method);
    const scope = scopeOf(task);
    refuseOutsideOfCall(definition.name, scope);
    const signal = signalOf(options);
    if (signal?.aborted) return toAborted(definition.name, signal.reason);
    const runner = createLateRunner({ pool, method, adapter, give, options });
    const future = answerCall(definition, given, scope, runner);
    // The pool is told of the signal, but not while a call waits for somebody else.
    if (signal !== undefined) followSignal(future, signal);
    return future;
  };
  Object.defineProperty(value, WRAPPED, { value: true });
  Object.defineProperty(pool, method, { value, configurable: true, writable: true });
  return wrapped;
}

function findMethod(pool: object): string {
  const method = METHODS.find((name) => typeof Reflect.get(pool, name) === "function");
  if (method !== undefined) return method;
  throw new TypeError(
    `Cannot wrap an executor: it has no method ${METHODS.join(", ")}; name one with an adapter`,
  );
}

/** Tells the task's arguments from the pool's options. */
function split(
  name: string,
  rest: readonly unknown[],
  method: string,
): { args: readonly unknown[]; options: object | undefined } {
  if (method !== "run" && method !== "exec") return { args: rest, options: undefined };
  const [args = [], options] = rest;
  if (!Array.isArray(args)) {
    throw new TypeError(
      `Cannot ${method} "${name}": its arguments come in an array, as \`${method}(task, [argument])\``,
    );
  }
  if (options !== undefined && (typeof options !== "object" || options === null)) {
    throw new TypeError(`Cannot ${method} "${name}": the pool's options are no object`);
  }
  return { args, options };
}

function signalOf(options: object | undefined): AbortSignal | undefined {
  return options !== undefined && "signal" in options && options.signal instanceof AbortSignal
    ? options.signal
    : undefined;
}

/** Loaded with the first call that the cache does not know: most modules that import this have none. */
function createLateRunner(options: PoolRunnerOptions): CallRunner {
  const load = async (): Promise<CallRunner> => {
    const { createPoolRunner } = await importLater<Running>("./pool_runner.ts", import.meta.url);
    return createPoolRunner(options);
  };
  return {
    run: async (ready) => await (await load()).run(ready),
    attempt: async (remembered) => await (await load()).attempt(remembered),
    alone: async (remembered) => await (await load()).alone(remembered),
  };
}
