import { checkIsOptions } from "../base/check_options.ts";
import { CacheMissError } from "../base/errors.ts";
import { importLater } from "../base/lazy_import.ts";
import { voidCache } from "../cache/cache.ts";
import type { Explanation } from "../cache/explain.ts";
import type { KeyedCall } from "../call/call_key.ts";
import type { RecordedTask, TaskAddress } from "../call/call_record.ts";
import { currentScope } from "../scope/current_scope.ts";
import {
  deriveScope,
  describeScope,
  type Scope,
  type ScopeDescription,
  type ScopeOptions,
} from "../scope/scope.ts";
import { type Description, type StoreDescription, withoutKeys } from "../store/stores.ts";
import { digestSymbol } from "../value/symbols.ts";
import type { Digest } from "../value/value.ts";
import type { AcceptOptions, AcceptResult } from "./accept.ts";
import { freezeArguments, hasFuture } from "./call_arguments.ts";
import { answerCall, IN_THIS_ISOLATE, REMEMBERING } from "./call_task.ts";
import {
  frozenScopeOf,
  registerCallable,
  registerTask,
  TaskDefinition,
  type TaskOptions,
} from "./definition.ts";
import type { Future } from "./future.ts";

type Explaining = typeof import("./explain_task.ts");

/**
 * A value, or the same with futures in place of any part of it; they are not looked for inside
 * buffers, errors and functions.
 */
export type Deferred<T> =
  | T
  | Promise<T>
  | (T extends
    | Date
    | RegExp
    | Error
    | ArrayBuffer
    | SharedArrayBuffer
    | ArrayBufferView
    | ((...args: never[]) => unknown) ? never
    : T extends object ? { [K in keyof T]: Deferred<T[K]> }
    : never);

/** Arguments, or futures of them at any depth. */
export type DeferredArguments<A extends readonly unknown[]> = { [K in keyof A]: Deferred<A[K]> };

/**
 * A function that can be called here or on a worker, and whose calls are remembered by the cache of
 * the scope they are made in.
 *
 * @typeParam A The arguments.
 * @typeParam R What the call returns, once settled.
 */
export interface Task<A extends readonly unknown[], R> {
  /**
   * Calls the task here: the cache answers, or the function runs in this isolate.
   *
   * @param args The arguments, or futures of them.
   * @returns The future of the result.
   */
  (...args: DeferredArguments<A>): Future<R>;
  /** How a worker finds the task. */
  readonly address: TaskAddress;
  /**
   * What keys and records know the task by, wherever its project lies: the name of the project and the
   * path of the module in it, or what the option `id` says. Without a project that has a name it is the
   * URL of the module.
   *
   * Reading the names of projects requires `--allow-read` of the configurations around the module;
   * without it they count as having none.
   */
  readonly identity: RecordedTask;
  /**
   * The key of a call, without making it.
   *
   * @param args The arguments.
   * @returns The key.
   * @throws {IndigestibleError} When an argument that counts has no digest.
   */
  digest(...args: DeferredArguments<A>): Promise<Digest>;
  /**
   * Whether the cache of the scope knows the result of a call.
   *
   * @param args The arguments.
   * @returns Whether the call would be a hit; `false` without a cache.
   */
  contains(...args: DeferredArguments<A>): Promise<boolean>;
  /**
   * The remembered result of a call; the function never runs.
   *
   * @param args The arguments.
   * @returns The result.
   * @throws {CacheMissError} When the cache does not know it.
   */
  load(...args: DeferredArguments<A>): Promise<R>;
  /**
   * Forgets a call, so that it runs again when it is next made.
   *
   * @param args The arguments.
   * @returns Whether the call was known.
   */
  evict(...args: DeferredArguments<A>): Promise<boolean>;
  /**
   * Explains whether the cache of the scope knows the result of a call, and if not, why: which
   * argument, version or part of the code differs from the nearest call that is known.
   *
   * All records of the cache are gone over. Requires `--allow-read` of Quiver's files.
   *
   * @param args The arguments.
   * @returns The explanation: an object, and a text by `toString()`.
   *
   * @example See which argument is another
   * ```ts
   * import { cacheScope, createMemoryCache, task } from "@quiver/quiver";
   * import { assertEquals, assertStringIncludes } from "@std/assert";
   *
   * const grow = task(import.meta, (rate: number, years: number) => (1 + rate) ** years, { name: "grow" });
   * await cacheScope({ cache: createMemoryCache() }, async () => {
   *   await grow(0.1, 5);
   *   const explanation = await grow.explain(0.2, 5);
   *   assertEquals(explanation.hit, false);
   *   assertStringIncludes(String(explanation), "argument rate: 0.1 → 0.2");
   * });
   * ```
   */
  explain(...args: DeferredArguments<A>): Promise<Explanation>;
  /**
   * Says that an edit has changed nothing: the results of calls of older code hold for the present
   * code, too. Calls of another version are left alone.
   *
   * Requires `--allow-read` of Quiver's files and of the task's code.
   *
   * @param options Which calls, and whether to list them only.
   * @returns Which calls hold for the present code now.
   * @throws {TypeError} When there is no cache here, it is read-only, or the code does not count.
   * @throws {RangeError} When `since` is no time.
   *
   * @example Look first, then keep the results
   * ```ts
   * import { cacheScope, createMemoryCache, task } from "@quiver/quiver";
   * import { assertEquals } from "@std/assert";
   *
   * const double = task(import.meta, (n: number) => 2 * n, { name: "double" });
   * await cacheScope({ cache: createMemoryCache() }, async () => {
   *   await double(1);
   *   const { accepted } = await double.accept({ dryRun: true });
   *   assertEquals(accepted, []); // All that is known is of the present code.
   * });
   * ```
   */
  accept(options?: AcceptOptions): Promise<AcceptResult>;
  /**
   * Freezes the task with the scope that holds here: wherever the bound task is called, here, on a
   * worker or in another process, its calls are in that scope.
   *
   * @param options What the scope sets beside that.
   * @returns The bound task.
   */
  bind(options?: ScopeOptions): BoundTask<A, R>;
}

/**
 * A task frozen with a scope: its cache, metadata, tags and ways. It is called like the task, ignores
 * the scope it is called in, and counts as the task itself where it is an argument.
 *
 * A bound task may be an argument of a task on a worker, and arrives there as one. Structured clone
 * refuses all functions: clone `description` instead, which JSON makes of it by itself, and have
 * `restoreBound` make a bound task of that again. A cache in memory stays behind, with a warning.
 *
 * @typeParam A The arguments.
 * @typeParam R What the call returns, once settled.
 *
 * @example Fill one cache from anywhere
 * ```ts
 * import { cacheScope, createMemoryCache, task } from "@quiver/quiver";
 * import { assertEquals } from "@std/assert";
 *
 * const third = task(import.meta, (n: number) => n / 3, { name: "third" });
 * const cache = createMemoryCache();
 * const bound = third.bind({ cache, tags: { project: "argon" } });
 * await cacheScope({ cache: createMemoryCache(), tags: { project: "other" } }, () => bound(9));
 * const record = await cache.record(await third.digest(9));
 * assertEquals(record?.metadata, { tags: { project: "argon" } });
 * ```
 */
export interface BoundTask<A extends readonly unknown[], R> extends Task<A, R> {
  /** The bound task as data that structured clone and JSON carry. */
  readonly description: Description;
  /**
   * What JSON makes of the bound task.
   *
   * @returns The description.
   */
  toJSON(): Description;
}

/**
 * Makes a function addressable (a worker finds it by module and name) and rememberable (its calls
 * have keys). Call it at the top level of a module that workers can import.
 *
 * @typeParam A The function's parameters.
 * @typeParam R What the function returns.
 * @param origin `import.meta` of the module that defines the task, or its URL; in a REPL or notebook
 * `"repl:"` and the task's name, which may be defined again.
 * @param fn The function, sync or async; what it returns must be data that structured clone carries.
 * @param options Name, version, and what counts for the key.
 * @returns The task.
 * @throws {TypeError} When an option is unknown, the module has a task of that name already, or another
 * task has the same `id` or lies at the same place of a project of the same name.
 *
 * @example Define and call a task
 * ```ts
 * import { task } from "@quiver/quiver";
 * import { assertEquals } from "@std/assert";
 *
 * export const hypot = task(import.meta, function hypot(a: number, b: number): number {
 *   return Math.sqrt(a * a + b * b);
 * }, { version: 1 });
 *
 * assertEquals(await hypot(3, 4), 5);
 * ```
 */
export function task<A extends unknown[], R>(
  origin: ImportMeta | URL | string,
  fn: (...args: A) => R,
  options: TaskOptions = {},
): Task<A, Awaited<R>> {
  const definition = new TaskDefinition(origin, fn, options);
  const made = createCallable(definition, currentScope);
  registerTask(made, definition);
  // The definition is that of `fn`, which has these types.
  return made as unknown as Task<A, Awaited<R>>;
}

/**
 * Binds a task that is known already.
 *
 * @typeParam A The task's arguments.
 * @typeParam R What the task returns.
 * @param definition What the task is made of.
 * @param frozen The scope that it is bound to.
 */
export function toBoundTask<A extends readonly unknown[], R>(
  definition: TaskDefinition,
  frozen: Scope,
): BoundTask<A, R> {
  const { address } = definition;
  const bound = createCallable(definition, () => thawScope(frozen));
  const describe = () => {
    const secret = frozen.cache?.secretDescription;
    return describeBound(address, frozen, secret && withoutKeys(secret));
  };
  Object.defineProperty(bound, "description", { get: describe });
  registerCallable(bound, definition, frozen);
  // Whoever asks for the task knows its types.
  return Object.assign(bound, { toJSON: describe }) as unknown as BoundTask<A, R>;
}

/**
 * Makes a callable of a task that is known already, as where one arrives that was an argument.
 *
 * @param definition What the task is made of.
 */
export function toTask(definition: TaskDefinition): Task<unknown[], unknown> {
  const made = createCallable(definition, currentScope);
  registerCallable(made, definition);
  return made;
}

/** Makes what users hold of a task; it is typed once, in `Task`: here arguments and results are opaque. */
function createCallable(
  definition: TaskDefinition,
  scopeOf: () => Scope,
): Task<unknown[], unknown> {
  const keyed = async (args: readonly unknown[]): Promise<KeyedCall> => {
    const { name } = definition;
    // The call that is meant is the one of now.
    const frozen = freezeArguments(name, args, refuse, { tools: REMEMBERING.loaded?.BUFFER_TOOLS });
    // Futures first: one that failed while a module loads would count as looked at by nobody.
    const { values, parts, files = [] } = frozen !== undefined && hasFuture(frozen.values)
      ? await frozen.resolved(name)
      : frozen ?? refuse(`Cannot digest a call of "${name}"`);
    const { makeKeyable, prepareSettled } = await REMEMBERING.load();
    const unreadable = await makeKeyable(definition, values, scopeOf().warn);
    if (unreadable !== undefined) throw unreadable.cause;
    const call = await prepareSettled(definition, { values, parts, files }, refuse, scopeOf());
    return call ?? refuse(`Cannot digest a call of "${name}": it has no key`);
  };
  const helpers = {
    address: definition.address,
    digest: async (...args: unknown[]) => (await keyed(args)).key,
    contains: async (...args: unknown[]) => {
      const { cache } = scopeOf();
      return cache !== undefined && await cache.contains((await keyed(args)).key);
    },
    load: async (...args: unknown[]) => {
      const { cache, warn, outputs } = scopeOf();
      const { name } = definition;
      const call = await keyed(args);
      const { lookUp } = await REMEMBERING.load();
      const found = cache && await lookUp(cache, call, { name, warn, outputs });
      if (found?.hit) return found.value;
      const state = cache === undefined ? "there is no cache here" : "its cache does not know it";
      throw new CacheMissError(`Cannot load a call of "${name}": ${state}`, call.key);
    },
    evict: async (...args: unknown[]) => {
      const { cache } = scopeOf();
      return cache !== undefined && await cache.evict((await keyed(args)).key);
    },
    explain: async (...args: unknown[]) => {
      const call = await keyed(args).catch((thrown: unknown) => ({ thrown }));
      const { explainTask } = await importLater<Explaining>("explain");
      return await explainTask(definition, scopeOf().cache, args, call);
    },
    accept: async (options: AcceptOptions = {}) => {
      checkIsOptions("accept calls", options);
      const { acceptTask } = await importLater<Explaining>("explain");
      return await acceptTask(definition, scopeOf().cache, options);
    },
    bind: (options: ScopeOptions = {}) => toBoundTask(definition, freezeScope(scopeOf(), options)),
    [digestSymbol]: () => definition.toDigestible(),
  };
  const call = (...args: unknown[]) => answerCall(definition, args, scopeOf(), IN_THIS_ISOLATE);
  Object.defineProperty(call, "name", { value: definition.name });
  const made = Object.assign(call, helpers);
  const get = (): RecordedTask => {
    const { module, name } = definition.knownAs;
    return { module, task: name };
  };
  // It is looked for when it is asked for.
  return Object.defineProperty(made, "identity", { get, enumerable: true }) as
    & typeof made
    & Pick<Task<[], void>, "identity">;
}

/** Where a key is all that is asked for, a call without one is an error: the one that says why. */
function refuse(message: string, cause?: unknown): never {
  throw cause instanceof Error ? cause : new TypeError(message, { cause });
}

/** A bound task as data that structured clone and JSON carry. */
export interface BoundDescription {
  /** What this is, as it may come out of a file. */
  readonly type: "bound-task";
  /** How the task is found. */
  readonly address: TaskAddress;
  /** The scope that the task is frozen with; signing keys are left out. */
  readonly scope: ScopeDescription;
}

/**
 * Freezes what a scope sets. The calls around it are none of that: they are those of whoever calls.
 *
 * @param options What is set beside that.
 * @throws {TypeError} When an option is unknown, or asks for workers.
 */
export function freezeScope(outer: Scope, options: ScopeOptions): Scope {
  checkIsOptions("bind", options);
  if ("workers" in options) {
    throw new TypeError(
      "Cannot bind with workers of its own: they end with their scope, and what is bound has no end; " +
        "bind inside of the scope that has the workers",
    );
  }
  const { chain: _chain, control: _control, nesting: _nesting, ...frozen } = deriveScope(
    outer,
    options,
  );
  return frozen;
}

/**
 * Makes the scope of a call of what is bound: a bound task that waited for the very call that calls
 * it would otherwise wait unseen.
 */
export function thawScope(frozen: Scope): Scope {
  const { chain, control, nesting } = currentScope();
  if (chain === undefined) return frozen;
  return {
    ...frozen,
    chain,
    ...(control !== undefined && { control }),
    ...(nesting !== undefined && { nesting }),
  };
}

/** The scope that a call of a task is in: the one it is bound to, or the one that holds here. */
export function scopeOf(task: object): Scope {
  const frozen = frozenScopeOf(task);
  return frozen === undefined ? currentScope() : thawScope(frozen);
}

/**
 * Describes a bound task.
 *
 * @param cache How to open its cache: with the signing keys for a worker, without for anybody.
 */
export function describeBound(
  address: TaskAddress,
  frozen: Scope,
  cache: StoreDescription | undefined,
): BoundDescription {
  if (cache === undefined && frozen.cache !== undefined && frozen.cache !== voidCache) {
    frozen.warn(
      `Cannot describe the cache of the bound task "${address.name}": it lives in this isolate, and ` +
        "calls elsewhere are not remembered; bind the task in the scope of a bag",
    );
  }
  return { type: "bound-task", address, scope: describeScope(frozen, cache) };
}
