import { currentScope, runInScope } from "../scope/current_scope.ts";
import { deriveScope, type ScopeOptions } from "../scope/scope.ts";
import {
  type BoundDescription,
  type BoundTask,
  freezeScope,
  scopeOf,
  type Task,
  thawScope,
  toBoundTask,
} from "./task.ts";
import { definitionOf, findTask, importTask } from "./definition.ts";
import { Cache } from "../cache/cache.ts";
import { importLater } from "../base/lazy_import.ts";
import type { Description } from "../store/stores.ts";
import type { OpenStores } from "../store/open_stores.ts";

/**
 * Binds a task to the scope that holds here, as `task.bind` does.
 *
 * @typeParam A The task's arguments.
 * @typeParam R What the task returns.
 * @param task The task.
 * @param options What the scope sets beside that.
 * @returns The bound task.
 */
export function bind<A extends readonly unknown[], R>(
  task: Task<A, R>,
  options?: ScopeOptions,
): BoundTask<A, R>;
/**
 * Binds a plain function to the scope that holds here: wherever it is called in this isolate, tasks
 * that it calls are in that scope. It is the way to hand a function to code that calls it later, such
 * as a queue, an event or another library's pool.
 *
 * Only tasks can travel: a plain function has no address, and making JSON of it is an error.
 *
 * @typeParam A The function's arguments.
 * @typeParam R What the function returns.
 * @param fn The function.
 * @param options What the scope sets beside that.
 * @returns The bound function.
 *
 * @example Let a callback see the scope it was made in
 * ```ts
 * import { bind, cacheScope, createMemoryCache, task } from "@quiver/quiver";
 * import { assertEquals } from "@std/assert";
 *
 * const square = task(import.meta, (n: number) => n * n, { name: "square" });
 * const cache = createMemoryCache();
 * const later = await cacheScope({ cache }, () => bind((n: number) => square(n)));
 * assertEquals(await later(5), 25);
 * assertEquals(await cache.contains(await square.digest(5)), true);
 * ```
 */
export function bind<A extends unknown[], R>(
  fn: (...args: A) => R,
  options?: ScopeOptions,
): (...args: A) => R;
export function bind(
  fn: (...args: unknown[]) => unknown,
  options: ScopeOptions = {},
): (...args: unknown[]) => unknown {
  const definition = definitionOf(fn);
  if (definition !== undefined) return toBoundTask(definition, freezeScope(scopeOf(fn), options));
  if (typeof fn !== "function") throw new TypeError(`Cannot bind ${String(fn)}: it is no function`);
  const frozen = freezeScope(currentScope(), options);
  const bound = (...args: unknown[]) => runInScope(thawScope(frozen), () => fn(...args));
  const toJSON = () => {
    throw new TypeError(
      `Cannot describe "${fn.name}" as only tasks can travel: it is a plain function; make it one ` +
        "with `task(import.meta, fn)` at the top level of a module, and bind the task",
    );
  };
  Object.defineProperty(bound, "name", { value: fn.name });
  return Object.assign(bound, { toJSON });
}

/** A bound task that holds its cache open until it is disposed. */
export interface RestoredTask<A extends readonly unknown[], R>
  extends BoundTask<A, R>, AsyncDisposable {
  /** Lets go of the cache that was opened for it; may be called twice. */
  close(): Promise<void>;
  /** The same as `close`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Makes a bound task of its description, in this or another isolate, process or run of the program:
 * the task's module is imported, and the cache opened.
 *
 * Descriptions come from `description` of a bound task, or from JSON. Restore only what you would
 * import: the description names a module, which runs.
 *
 * Requires `--allow-read` of Quiver's own files, and what the task's module and the cache need.
 *
 * @typeParam A The task's arguments.
 * @typeParam R What the task returns.
 * @param description The description.
 * @param options What the scope sets otherwise: a cache that is open already, or one with a signing
 * key, as descriptions do not have it.
 * @returns The bound task; closing it closes the cache that was opened for it.
 * @throws {TypeError} When it is no description of a bound task.
 * @throws {WorkerInitError} When the module cannot be imported or does not define the task.
 *
 * @example Send a bound task through JSON
 * ```ts
 * import { cacheScope, openBag, task } from "@quiver/quiver";
 * import { type Description, restoreBound } from "@quiver/quiver/workers";
 * import { assertEquals } from "@std/assert";
 *
 * const negate = task(import.meta, (n: number) => -n, { name: "negate" });
 *
 * const path = await Deno.makeTempDir();
 * await using bag = await openBag(path);
 * const text = await cacheScope({ cache: bag }, () => JSON.stringify(negate.bind()));
 *
 * const description: Description = JSON.parse(text);
 * {
 *   await using restored = await restoreBound<[number], number>(description);
 *   assertEquals(await restored(5), -5);
 * }
 * assertEquals(await bag.contains(await negate.digest(5)), true);
 * await Deno.remove(path, { recursive: true });
 * ```
 */
export async function restoreBound<A extends readonly unknown[] = unknown[], R = unknown>(
  description: Description,
  options: ScopeOptions = {},
): Promise<RestoredTask<A, R>> {
  checkDescription(description);
  // Wrong ones are refused before anything is opened.
  freezeScope(currentScope(), options);
  const { address, scope: { cache, refresh, ...described } } = description;
  const definition = findTask(address) ?? await importTask(address);
  const opened = cache === undefined || "cache" in options ? undefined : await openStores(cache);
  const own = opened === undefined ? {} : { cache: new Cache(opened.stores) };
  const frozen = deriveScope(undefined, { ...described, ...own });
  const all = refresh === undefined ? options : { refresh: true, ...options };
  const bound = toBoundTask<A, R>(definition, freezeScope(frozen, all));
  const close = async () => await opened?.[Symbol.asyncDispose]();
  return Object.assign(bound, { close, [Symbol.asyncDispose]: close });
}

async function openStores(
  description: NonNullable<BoundDescription["scope"]["cache"]>,
): Promise<OpenStores> {
  const { openDescribedStores } = await importLater<typeof import("../store/open_stores.ts")>(
    "stores",
  );
  return await openDescribedStores(description);
}

/** A description may come from anywhere: its type promises nothing. */
function checkDescription(description: Description): asserts description is BoundDescription {
  const { type, address, scope }: Partial<BoundDescription> = Object(description);
  if (type === "bound-task" && typeof address?.module === "string" && scope !== undefined) return;
  throw new TypeError(
    "Cannot restore a bound task: what was given does not describe one; pass the `description` of " +
      "a bound task, or what `JSON.parse` makes of its JSON",
  );
}
