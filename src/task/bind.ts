import { currentScope, runInScope } from "../scope/current_scope.ts";
import type { ScopeOptions } from "../scope/scope.ts";
import { freezeScope, scopeOf, thawScope } from "./bound_task.ts";
import { definitionOf } from "./registry.ts";
import { type BoundTask, type Task, toTask } from "./task.ts";

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
  if (definition !== undefined) return toTask(definition, freezeScope(scopeOf(fn), options));
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
