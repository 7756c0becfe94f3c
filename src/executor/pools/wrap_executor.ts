import { checkIsOptions, checkOptions, FUNCTION } from "../../base/check_options.ts";
import { importLater } from "../../base/lazy_import.ts";
import {
  answerCall,
  type CallRunner,
  followSignal,
  type ReadyCall,
  toAborted,
} from "../../task/call_task.ts";
import { definitionOf, requireDefinition } from "../../task/definition.ts";
import type { Future } from "../../task/future.ts";
import { type DeferredArguments, scopeOf, type Task } from "../../task/task.ts";
import { Executor } from "../executor.ts";
import { UnhandledFailures } from "../unhandled_failures.ts";
import { assertInsideCall } from "../../scope/scope.ts";
import type { PoolAdapter, PoolMethod, PoolRunnerOptions } from "./pool_runner.ts";

/** What the method of a wrapped pool takes after a task, where it takes options of its own. */
export type PoolArguments<A extends readonly unknown[]> = A extends readonly []
  ? [args?: readonly [], options?: object]
  : [args: DeferredArguments<A>, options?: object];

/** A method of a wrapped pool that takes a task and, behind it, all of the task's arguments. */
export interface TakesTasks<O extends object = object> {
  /**
   * Submits a call of a task: the cache of the scope answers, or the pool.
   *
   * @param task The task.
   * @param args The arguments, or futures of them at any depth.
   * @returns The future of the result.
   */
  <A extends readonly unknown[], R>(task: Task<A, R>, ...args: DeferredArguments<A>): Future<R>;
  /**
   * The same method with options for the pool, which its own method is given behind the function: what
   * stands behind a task is always the task's.
   *
   * @param options The pool's options; a `signal` among them gives the call up, too.
   * @returns Submits calls with these options.
   */
  with(
    options: O,
  ): <A extends readonly unknown[], R>(
    task: Task<A, R>,
    ...args: DeferredArguments<A>
  ) => Future<R>;
}

/** What a pool's own method takes behind a function, if that is an object. */
export type PoolOptions<F> = F extends (fn: never, options?: infer O, ...rest: never[]) => unknown
  ? NonNullable<O> extends object ? NonNullable<O> : object
  : object;

/** The name of the method that takes tasks where no adapter names one. */
export type PoolMethodName<P> = P extends { submit: unknown } ? "submit"
  : P extends { run: unknown } ? "run"
  : P extends { exec: unknown } ? "exec"
  : P extends { add: unknown } ? "add"
  : never;

/**
 * A pool whose method takes tasks, beside all that it took before. Behind a task, `run` and `exec` take
 * the arguments in an array, and then what the pool's own method takes as options.
 */
export type WrappedExecutor<P, M extends string = PoolMethodName<P>> = P extends Executor ? P
  // An adapter in a variable of the type `PoolAdapter` names some method or other.
  : string extends M ? WrappedExecutor<P>
  :
    & (M extends "run" | "exec" ? {
        readonly [K in M]: <A extends readonly unknown[], R>(
          task: Task<A, R>,
          ...rest: PoolArguments<A>
        ) => Future<R>;
      }
      : M extends keyof P ? { readonly [K in M]: TakesTasks<PoolOptions<P[M]>> }
      : unknown)
    & P;

/** The methods that pools have, in the order that they are looked for. */
const METHODS: readonly string[] = ["submit", "run", "exec", "add"];

/** Marks the methods that were replaced; another copy of Quiver must not replace them again. */
const WRAPPED = Symbol.for("quiver.wrapped");

/** Of the calls in pools of all kinds, which others close: the end of the program tells of them. */
const FAILURES = new UnhandledFailures();

/**
 * Teaches another library's pool to take tasks: what the cache of the scope knows is answered at once,
 * and the pool is not touched; anything else it runs, in that scope, and the result is remembered.
 * What is not a task goes to the pool as before.
 *
 * ```text
 *  submit(task, ...args)                  any pool: it is given a function, to be called in this isolate
 *  submit.with(options)(task, ...args)    the same, with options of the pool's
 *  add(task, ...args)                     p-queue: options are priority, signal, timeout…
 *  add.with(options)(task, ...args)
 *  run(task, args, options)               piscina, tinypool: options are filename, name, signal…
 *  exec(task, args, options)              workerpool: options are on, transfer…
 * ```
 *
 * A pool with another method, such as the `push` of fastq, is wrapped with an adapter that names it, and
 * that method is then as `submit` is. What stands behind a task is never taken for options; an object
 * that is one argument more than the task takes is refused, so that options that stand there are not
 * lost.
 *
 * Workers of piscina, tinypool and workerpool are recognised and run the task themselves. For other
 * pools with workers, pass an adapter that brings calls to `runBound` of this entry.
 * In Deno 2.9.6 most threads of a tinypool never start: create it with `useAtomics: false`.
 *
 * A `signal` among the pool's options gives a call up: its future rejects at once with the signal's
 * reason, and the pool ends the call as far as it can. `Future.cancel` ends only calls that the pool was
 * not given yet. A call that fails and whose future nobody looks at is told of at the end of the program,
 * as others close the pool.
 *
 * Requires `--allow-read` of Quiver's own files, and what the pool needs.
 *
 * @typeParam P The pool.
 * @typeParam M The name of the method.
 * @param pool The pool; its method is replaced.
 * @param adapter How calls get to its workers.
 * @returns The same object; wrapping it twice is harmless.
 * @throws {TypeError} When the pool has no method that is known.
 *
 * @example Remember what a queue runs
 * ```ts
 * import { cacheScope, createMemoryCache, task } from "@quiver/quiver";
 * import { wrapExecutor } from "@quiver/quiver/pools";
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
 *
 * @example Say how urgent a call is
 * ```ts
 * import { task } from "@quiver/quiver";
 * import { wrapExecutor } from "@quiver/quiver/pools";
 * import { assertEquals } from "@std/assert";
 *
 * const seen: number[] = [];
 * const queue = wrapExecutor({
 *   add: async <T>(fn: () => T | Promise<T>, { priority = 0 }: { priority?: number } = {}) => {
 *     seen.push(priority);
 *     return await fn();
 *   },
 * });
 *
 * const half = task(import.meta, (n: number) => n / 2, { name: "half" });
 * assertEquals(await queue.add(half, 4), 2);
 * assertEquals(await queue.add.with({ priority: 7 })(half, 6), 3);
 * assertEquals(seen, [0, 7]);
 * ```
 */
export function wrapExecutor<P extends object, M extends string = PoolMethodName<P>>(
  pool: P,
  adapter?: PoolAdapter & { readonly method: M },
): WrappedExecutor<P, M> {
  // What is returned has the method that the type says it has.
  const wrapped = pool as unknown as WrappedExecutor<P, M>;
  if (pool instanceof Executor) return wrapped;
  if (adapter !== undefined) checkAdapter(adapter);
  const method = adapter?.method ?? findMethod(pool);
  const own: unknown = Reflect.get(pool, method);
  if (typeof own !== "function") {
    throw new TypeError(`Cannot wrap an executor: it has no method \`${method}\``);
  }
  if (WRAPPED in own) return wrapped;
  const give: PoolMethod = (...args) => Reflect.apply(own, pool, args);
  const submit = (task: object, given: readonly unknown[], options: object | undefined) => {
    const definition = requireDefinition(task, method);
    const scope = scopeOf(task);
    assertInsideCall(definition.name, scope);
    const signal = signalOf(options);
    if (signal?.aborted) return toAborted(definition.name, signal.reason);
    const runner = createLateRunner({ pool, method, adapter, give, options });
    const future = answerCall(definition, given, scope, runner, { tracker: FAILURES.derived });
    // The pool is told of the signal, but not while a call waits for somebody else.
    if (signal !== undefined) followSignal(future, signal);
    return future;
  };
  const spreads = !TAKE_ARRAYS.has(method);
  const value = (...args: unknown[]) => {
    const [task, ...rest] = args;
    const definition = definitionOf(task);
    if (definition === undefined || typeof task !== "function") return give(...args);
    if (spreads) return submit(task, rest, undefined);
    const { args: given, options } = split(definition.name, rest, method);
    return submit(task, given, options);
  };
  if (spreads) {
    const withOptions = (options: object) => {
      checkPoolOptions(options, method, "calls");
      return (task: object, ...args: unknown[]) => submit(task, args, options);
    };
    Object.defineProperty(value, "with", { value: withOptions });
  }
  Object.defineProperty(value, WRAPPED, { value: true });
  Object.defineProperty(pool, method, { value, configurable: true, writable: true });
  return wrapped;
}

/** What an adapter has beside is its own. */
function checkAdapter(adapter: unknown): asserts adapter is PoolAdapter {
  checkIsOptions("wrap an executor by an adapter", adapter);
  const { method, send, json }: { method?: unknown; send?: unknown; json?: unknown } = adapter;
  if (typeof method !== "string") {
    throw new TypeError("Cannot wrap an executor by an adapter: its `method` is not a string");
  }
  checkOptions("wrap an executor by an adapter", { send, json }, {
    send: FUNCTION,
    json: FUNCTION,
  });
}

function findMethod(pool: object): string {
  const method = METHODS.find((name) => typeof Reflect.get(pool, name) === "function");
  if (method !== undefined) return method;
  throw new TypeError(
    `Cannot wrap an executor: it has no method ${METHODS.join(", ")}; name one with an adapter`,
  );
}

/** The methods whose arguments come in an array, so that options can stand behind it. */
const TAKE_ARRAYS: ReadonlySet<string> = new Set(["run", "exec"]);

/** Tells the task's arguments from the pool's options. */
function split(
  name: string,
  rest: readonly unknown[],
  method: string,
): { args: readonly unknown[]; options: object | undefined } {
  const [args = [], options] = rest;
  if (!Array.isArray(args)) {
    throw new TypeError(
      `Cannot ${method} "${name}": its arguments come in an array, as \`${method}(task, [argument])\``,
    );
  }
  if (options === undefined) return { args, options };
  checkPoolOptions(options, method, `"${name}"`);
  return { args, options };
}

function checkPoolOptions(
  options: unknown,
  method: string,
  what: string,
): asserts options is object {
  if (typeof options === "object" && options !== null) return;
  throw new TypeError(`Cannot ${method} ${what}: the pool's options are no object`);
}

function signalOf(options: object | undefined): AbortSignal | undefined {
  return options !== undefined && "signal" in options && options.signal instanceof AbortSignal
    ? options.signal
    : undefined;
}

/** Loaded with the first call that the cache does not know: most modules that import this have none. */
function createLateRunner(options: PoolRunnerOptions): CallRunner {
  return {
    run: async (ready) => {
      await refuseOptionsBehind(ready, options.method);
      const { createPoolRunner } = await importLater<typeof import("./pool_runner.ts")>("pools");
      return await createPoolRunner(options).run(ready);
    },
  };
}

/** Whoever knows the pool puts its options last, where they would be lost, and part of a key. */
async function refuseOptionsBehind({ definition, args }: ReadyCall, method: string): Promise<void> {
  const { name, fn } = definition;
  if (TAKE_ARRAYS.has(method) || args.length <= fn.length || !isRecord(args.at(-1))) return;
  // What cannot be read may take any number.
  const profile = await definition.readParameters().catch(() => undefined);
  if (profile === undefined || profile.rest !== undefined) return;
  if (args.length <= profile.parameters.length || /\barguments\b/.test(String(fn))) return;
  throw new TypeError(
    `Cannot ${method} "${name}" with ${args.length} arguments: it takes ` +
      `${profile.parameters.length}; options of the pool go ahead of it, as in ` +
      `\`${method}.with(options)(task, argument)\``,
  );
}

function isRecord(value: unknown): boolean {
  return typeof value === "object" && value !== null &&
    Object.getPrototypeOf(value) === Object.prototype;
}
