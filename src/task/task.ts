import { checkIsOptions } from "../base/check_options.ts";
import { CacheMissError } from "../base/errors.ts";
import { importLater } from "../base/lazy_import.ts";
import {
  type Cache,
  isHit,
  preparingSymbol,
  RecordCheck,
  type RecordJudge,
  voidCache,
} from "../cache/cache.ts";
import type { Explanation } from "../cache/explain.ts";
import type { KeyedRequest } from "../cache/prepared_call.ts";
import type { CallSelection } from "../cache/query.ts";
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
import type { Shared } from "../value/share.ts";
import { digestSymbol } from "../value/symbols.ts";
import type { Digest } from "../value/value.ts";
import type { AcceptOptions, AcceptResult } from "./accept.ts";
import { freezeArguments, hasFuture } from "./call_arguments.ts";
import { answerCall, type AnswerOptions, IN_THIS_ISOLATE, REMEMBERING } from "./call_task.ts";
import {
  frozenScopeOf,
  noteSource,
  registerCallable,
  registerTask,
  TaskDefinition,
} from "./definition.ts";
import { type CallStatus, Future } from "./future.ts";
import type { Shelved, TaskTemplate } from "./task_helpers.ts";
import type { TaskOptions } from "./task_options.ts";

type Explaining = typeof import("./explain_task.ts");
type Helpers = typeof import("./task_helpers.ts");
type Prepared = typeof import("../cache/prepared_call.ts");

/**
 * A value, or the same with futures or shared values in place of any part of it; they are not looked for
 * inside buffers, errors and functions.
 */
export type Deferred<T> =
  | T
  | Promise<T>
  | Shared<T>
  | Shelved<T>
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

/** Arguments, or futures and shared values of them at any depth. */
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
   * Whether the cache of the scope knows the result of a call, and it still counts.
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
   * Calls the task here though its result is known: the function runs now, and what it returns takes the
   * place of what is known. What it calls in turn is looked up as ever. When it throws, what is known
   * stays. It takes the place of what functions have under that name.
   *
   * @param args The arguments, or futures of them.
   * @returns The future of the result.
   *
   * @example Measure again
   * ```ts
   * import { cacheScope, createMemoryCache, task } from "@quiver/quiver";
   * import { assertEquals } from "@std/assert";
   *
   * let temperature = 20;
   * const read = task(import.meta, (sensor: string) => `${sensor}: ${temperature}`, { name: "read" });
   * await cacheScope({ cache: createMemoryCache() }, async () => {
   *   await read("a");
   *   temperature = 21;
   *   assertEquals([await read("a"), await read.call("a"), await read("a")], ["a: 20", "a: 21", "a: 21"]);
   * });
   * ```
   */
  call(...args: DeferredArguments<A>): Future<R>;
  /**
   * The same for the whole tree of calls: those run again, too, that the function makes in turn, here and
   * on workers, each once. With workers, open a scope: `cacheScope({ refresh: true }, …)`.
   *
   * @param args The arguments, or futures of them.
   * @returns The future of the result.
   */
  rerun(...args: DeferredArguments<A>): Future<R>;
  /**
   * Calls the task here, and keeps hold of the result without its value, which stays in the cache. Where
   * it is not remembered, the handle has it.
   *
   * Requires `--allow-read` of Quiver's files.
   *
   * @param args The arguments, or futures of them.
   * @returns The handle.
   * @throws What the function throws.
   *
   * @example Hand a large result on without having it
   * ```ts
   * import { cacheScope, createMemoryCache, task } from "@quiver/quiver";
   * import { assertEquals } from "@std/assert";
   *
   * const zeros = task(import.meta, (n: number) => new Float64Array(n), { name: "zeros" });
   * const length = task(import.meta, (data: Float64Array) => data.length, { name: "length" });
   * await cacheScope({ cache: createMemoryCache() }, async () => {
   *   const shelved = await zeros.shelve(1_000_000);
   *   assertEquals(await length(shelved), 1_000_000);
   *   assertEquals((await shelved.get())[0], 0);
   *   assertEquals(await shelved.clear(), true);
   *   assertEquals(await zeros.contains(1_000_000), false);
   * });
   * ```
   */
  shelve(...args: DeferredArguments<A>): Promise<Shelved<R>>;
  /**
   * Remembers a result that is known already, as if the function had returned it: results of before, or
   * a cache for a test of who calls the task.
   *
   * Requires `--allow-read` of Quiver's files.
   *
   * @param args The arguments.
   * @param result The result, or a promise of it.
   * @returns The key of the call.
   * @throws {TypeError} When there is no cache here, it is read-only, or `args` is no array.
   * @throws {IndigestibleError} When an argument that counts has no digest.
   * @throws {QuiverError} When the result cannot be stored.
   *
   * @example Test a caller without the work
   * ```ts
   * import { cacheScope, createMemoryCache, task } from "@quiver/quiver";
   * import { assertEquals } from "@std/assert";
   *
   * const solve = task(import.meta, (_n: number): number => {
   *   throw new Error("takes a week");
   * }, { name: "solve" });
   * const twice = task(import.meta, async (n: number) => 2 * await solve(n), { name: "twice" });
   * await cacheScope({ cache: createMemoryCache() }, async () => {
   *   await solve.seed([3], 21);
   *   assertEquals(await twice(3), 42);
   * });
   * ```
   */
  seed(args: A, result: R | Promise<R>): Promise<Digest>;
  /**
   * Runs a call here once more whose failure was kept, or that is known: with the arguments that were
   * stored, as for a debugger. What it returns is not remembered, and what it throws changes nothing that
   * is known; tasks that it calls are looked up as ever. Arguments that do not count are left out.
   *
   * Requires `--allow-read` of Quiver's files.
   *
   * @param key The key of the call, as `query(cache, { state: "failed" })` tells it, or how it begins.
   * @returns What the function returns.
   * @throws What the function throws.
   * @throws {CacheMissError} When the cache knows no such call, or an argument was not stored.
   * @throws {TypeError} When there is no cache here, or it is a call of another task.
   *
   * @example Find out why it failed
   * ```ts
   * import { cacheScope, createMemoryCache, task } from "@quiver/quiver";
   * import { assertEquals, assertRejects } from "@std/assert";
   *
   * const root = task(import.meta, (n: number) => {
   *   if (n < 0) throw new RangeError(`${n} has no root`);
   *   return Math.sqrt(n);
   * }, { name: "real root" });
   * await cacheScope({ cache: createMemoryCache(), keepFailures: true }, async () => {
   *   await assertRejects(() => root(-4));
   *   const { key, failure } = await (await root.query({ state: "failed" })).only();
   *   assertEquals(failure?.error.message, "-4 has no root");
   *   await assertRejects(() => root.reproduce(key), RangeError, "-4 has no root");
   * });
   * ```
   */
  reproduce(key: Digest): Promise<R>;
  /**
   * Selects the calls of the task that the cache of the scope knows.
   *
   * Requires `--allow-read` of Quiver's files.
   *
   * @param template What they have in common beside the task.
   * @returns The calls; none without a cache.
   * @throws {TypeError} When the template names a task or a module.
   *
   * @example Count calls with a tag
   * ```ts
   * import { cacheScope, createMemoryCache, task, withTags } from "@quiver/quiver";
   * import { assertEquals } from "@std/assert";
   *
   * const grow = task(import.meta, (n: number) => n + 1, { name: "grow by one" });
   * await cacheScope({ cache: createMemoryCache() }, async () => {
   *   await withTags({ run: "friday" }, () => grow(1));
   *   await grow(2);
   *   const friday = await grow.query({ tags: { run: "friday" } });
   *   assertEquals([await friday.count(), await (await grow.query()).count()], [1, 2]);
   * });
   * ```
   */
  query(template?: TaskTemplate): Promise<CallSelection>;
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

/** The names of the methods of a class. */
export type MethodName<T> =
  & { [K in keyof T]: T[K] extends (...args: never[]) => unknown ? K : never }[keyof T]
  & string;

/** What {@linkcode method} makes of a method. */
export type MethodFunction<T, F> = F extends (...args: infer A) => infer R
  ? (self: T, ...args: A) => R
  : never;

/**
 * Makes a function of a method, which takes the instance as its first argument: a task is made of that,
 * for a task has no `this`. Instances must be values: their class is registered by `registerClass()`,
 * or, where all calls run in this isolate, has `[digestSymbol]()`.
 *
 * Only instances of the very class are taken, as another one may have another method. Of the code, the
 * class counts for keys.
 *
 * @typeParam T The instances.
 * @typeParam N The name of the method.
 * @param Class The class.
 * @param name The name of the method, which the class may inherit.
 * @returns The function.
 * @throws {TypeError} When the class has no such method; and when the function is given something else
 * than an instance of the class.
 *
 * @example A method whose calls are remembered
 * ```ts
 * import { cacheScope, createMemoryCache, method, task } from "@quiver/quiver";
 * import { registerClass } from "@quiver/quiver/caches";
 * import { assertEquals } from "@std/assert";
 *
 * class Bond {
 *   constructor(readonly coupon: number, readonly years: number) {}
 *   price(rate: number): number {
 *     return this.coupon * (1 - (1 + rate) ** -this.years) / rate + (1 + rate) ** -this.years;
 *   }
 * }
 * registerClass(Bond, {
 *   name: "bond",
 *   toData: ({ coupon, years }) => ({ coupon, years }),
 *   fromData: ({ coupon, years }) => new Bond(coupon, years),
 * });
 *
 * const price = task(import.meta, method(Bond, "price"), { name: "price" });
 *
 * await cacheScope({ cache: createMemoryCache() }, async () => {
 *   assertEquals(await price(new Bond(0.05, 10), 0.05), 1);
 *   assertEquals(await price.contains(new Bond(0.05, 10), 0.05), true);
 *   assertEquals(await price.contains(new Bond(0.04, 10), 0.05), false);
 * });
 * ```
 */
export function method<T extends object, N extends MethodName<T>>(
  Class: { readonly prototype: T },
  name: N,
): MethodFunction<T, T[N]>;
/**
 * Makes a function of one that uses `this`, which takes that as its first argument.
 *
 * @typeParam T What `this` is.
 * @typeParam A The other arguments.
 * @typeParam R What it returns.
 * @param fn The function.
 * @returns The function.
 *
 * @example A function that uses `this`
 * ```ts
 * import { method, task } from "@quiver/quiver";
 * import { assertEquals } from "@std/assert";
 *
 * const area = task(
 *   import.meta,
 *   method(function (this: { width: number; height: number }, scale: number) {
 *     return this.width * this.height * scale ** 2;
 *   }),
 *   { name: "area" },
 * );
 *
 * assertEquals(await area({ width: 2, height: 3 }, 10), 600);
 * ```
 */
export function method<T, A extends unknown[], R>(
  fn: (this: T, ...args: A) => R,
): (self: T, ...args: A) => R;
export function method(
  of: { readonly prototype: object } | ((this: unknown, ...args: unknown[]) => unknown),
  name?: string,
): (self: unknown, ...args: unknown[]) => unknown {
  const prototype = name === undefined ? undefined : Object(of).prototype;
  const found: unknown = name === undefined ? of : Object(prototype)[name];
  if (typeof found !== "function") {
    const owner = typeof of === "function" ? `"${of.name}"` : String(of);
    throw new TypeError(
      name === undefined
        ? `Cannot make a method of ${owner}: it is no function`
        : `Cannot make a method of "${name}": ${owner} has no such method`,
    );
  }
  const own = name ?? found.name;
  const call = (self: unknown, ...args: unknown[]): unknown => {
    if (prototype !== undefined && !isInstance(self, prototype)) throw refuseInstance(own, of);
    return Reflect.apply(found, self, args);
  };
  Object.defineProperty(call, "name", { value: own });
  noteSource(call, found as (...args: unknown[]) => unknown);
  return call;
}

function isInstance(value: unknown, prototype: unknown): boolean {
  return typeof value === "object" && value !== null &&
    Object.getPrototypeOf(value) === prototype;
}

function refuseInstance(name: string, of: object): TypeError {
  const owner = String(Reflect.get(of, "name"));
  return new TypeError(
    `Cannot call "${name}": its first argument is no instance of the class "${owner}" itself; make a ` +
      "task of each class that extends it, and register the class by `registerClass()`, if it has lost " +
      "that on the way to a worker",
  );
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
  const toRequest = async (args: readonly unknown[]): Promise<KeyedRequest> => {
    const scope = scopeOf();
    const { warn, outputs } = scope;
    const { toRecordMetadata } = await REMEMBERING.load();
    return { call: await keyed(args), metadata: toRecordMetadata(scope), warn, outputs };
  };
  const answerHere = (args: readonly unknown[], scope: Scope, options?: AnswerOptions) =>
    answerCall(definition, args, scope, IN_THIS_ISOLATE, options);
  const helpers = {
    address: definition.address,
    digest: async (...args: unknown[]) => (await keyed(args)).key,
    contains: async (...args: unknown[]) => {
      const { cache, refresh, warn } = scopeOf();
      if (cache === undefined) return false;
      const { name, validity } = definition;
      const { key } = await keyed(args);
      // In a scope in which calls run anyway, what was known before is no hit.
      const asked = refresh === undefined ? {} : { since: refresh.since ?? Infinity };
      const check = RecordCheck.of(asked, { name, warn, validity }, TAKES_ALL);
      return await isHit(() => cache.find(key, check));
    },
    load: async (...args: unknown[]) => {
      const { cache, warn, outputs } = scopeOf();
      const { name, validity } = definition;
      const call = await keyed(args);
      const { lookUp } = await REMEMBERING.load();
      const judge = RecordCheck.of({}, { name, warn, validity }, TAKES_ALL);
      const found = cache && await lookUp(cache, call, { name, warn, outputs, judge });
      if (found?.hit) return found.value;
      const state = cache === undefined
        ? "there is no cache here"
        : await cache.record(call.key) === undefined || validity === undefined
        ? "its cache does not know it"
        : "its result does not count any more";
      throw new CacheMissError(`Cannot load a call of "${name}": ${state}`, call.key);
    },
    call: (...args: unknown[]) => answerHere(args, scopeOf(), { refresh: {} }),
    rerun: (...args: unknown[]) => answerHere(args, { ...scopeOf(), refresh: {} }),
    shelve: async (...args: unknown[]) => {
      const scope = scopeOf();
      const future = answerHere(args, scope);
      // Whoever waits for it is there before it fails.
      future.catch(() => {});
      const { shelveCall } = await importLater<Helpers>("helpers");
      return await shelveCall(definition, scope, future);
    },
    seed: async (args: readonly unknown[], result: unknown) => {
      const { name } = definition;
      const { cache } = scopeOf();
      if (cache === undefined || cache === voidCache) {
        throw new TypeError(`Cannot seed a call of "${name}": there is no cache here`);
      }
      if (!Array.isArray(args)) {
        throw new TypeError(`Cannot seed a call of "${name}": its arguments are to be an array`);
      }
      const [request, value] = await Promise.all([toRequest(args), result]);
      const { seedRequest } = await importLater<Prepared>("prepared");
      await seedRequest(cache, request, value);
      return request.call.key;
    },
    reproduce: async (key: Digest) => {
      const scope = scopeOf();
      const { findArguments } = await importLater<Helpers>("helpers");
      const args = await findArguments(definition, scope.cache, key);
      const run = (status: CallStatus) => IN_THIS_ISOLATE.run({ definition, scope, args, status });
      return await new Future(definition.name, run);
    },
    query: async (template: TaskTemplate = {}) => {
      const { cache } = scopeOf();
      const { queryTask } = await importLater<Helpers>("helpers");
      return queryTask(definition, cache, template);
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
    [preparingSymbol]: async (cache: Cache, args: readonly unknown[]) => {
      const request = await toRequest(args);
      const { prepareRequest } = await importLater<Prepared>("prepared");
      return await prepareRequest(cache, request);
    },
  };
  const call = (...args: unknown[]) => answerHere(args, scopeOf());
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

/** Nothing is wrong with a record that counts. */
const TAKES_ALL: RecordJudge = { admits: () => true };

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
  const {
    chain: _chain,
    control: _control,
    notes: _notes,
    nesting: _nesting,
    refresh: _,
    ...kept
  } = outer;
  return deriveScope(kept, options);
}

/**
 * Makes the scope of a call of what is bound: a bound task that waited for the very call that calls
 * it would otherwise wait unseen.
 */
export function thawScope(frozen: Scope): Scope {
  const { chain, control, notes, nesting, refresh } = currentScope();
  if (chain === undefined && refresh === undefined) return frozen;
  return {
    ...frozen,
    ...(chain !== undefined && { chain }),
    ...(refresh !== undefined && { refresh }),
    ...(control !== undefined && { control }),
    ...(notes !== undefined && { notes }),
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
