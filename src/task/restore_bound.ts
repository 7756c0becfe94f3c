import { Cache } from "../cache/cache.ts";
import { importLater } from "../import_later.ts";
import { deriveScope } from "../scope/derive_scope.ts";
import type { ScopeOptions } from "../scope/scope.ts";
import type { OpenStores } from "../store/open_stores.ts";
import { type BoundDescription, freezeScope } from "./bound_task.ts";
import { findTask, importTask } from "./registry.ts";
import { type BoundTask, toTask } from "./task.ts";

type Stores = typeof import("../store/open_stores.ts");

/** A bound task that holds its cache open until it is disposed. */
export interface RestoredTask<A extends readonly unknown[], R>
  extends BoundTask<A, R>, AsyncDisposable {}

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
 * @returns The bound task; disposing it closes the cache that was opened for it.
 * @throws {TypeError} When it is no description of a bound task.
 * @throws {WorkerInitError} When the module cannot be imported or does not define the task.
 *
 * @example Send a bound task through JSON
 * ```ts
 * import { type BoundDescription, cacheScope, openBag, restoreBound, task } from "@quiver/quiver";
 * import { assertEquals } from "@std/assert";
 *
 * const negate = task(import.meta, (n: number) => -n, { name: "negate" });
 *
 * const path = await Deno.makeTempDir();
 * await using bag = await openBag(path);
 * const text = await cacheScope({ cache: bag }, () => JSON.stringify(negate.bind()));
 *
 * const description: BoundDescription = JSON.parse(text);
 * {
 *   await using restored = await restoreBound<[number], number>(description);
 *   assertEquals(await restored(5), -5);
 * }
 * assertEquals(await bag.contains(await negate.digest(5)), true);
 * await Deno.remove(path, { recursive: true });
 * ```
 */
export async function restoreBound<A extends readonly unknown[] = unknown[], R = unknown>(
  description: BoundDescription,
  options: ScopeOptions = {},
): Promise<RestoredTask<A, R>> {
  checkDescription(description);
  const { address, scope: { cache, ...described } } = description;
  const definition = findTask(address) ?? await importTask(address);
  const opened = cache === undefined || "cache" in options ? undefined : await openStores(cache);
  const own = opened === undefined ? {} : { cache: new Cache(opened.stores) };
  const frozen = deriveScope(undefined, { ...described, ...own });
  const bound = toTask<A, R>(definition, freezeScope(frozen, options));
  return Object.assign(bound, {
    [Symbol.asyncDispose]: async () => await opened?.[Symbol.asyncDispose](),
  });
}

async function openStores(
  description: NonNullable<BoundDescription["scope"]["cache"]>,
): Promise<OpenStores> {
  const { openDescribedStores } = await importLater<Stores>(
    "../store/open_stores.ts",
    import.meta.url,
  );
  return await openDescribedStores(description);
}

/** A description may come from anywhere: its type promises nothing. */
function checkDescription(description: BoundDescription): void {
  const { type, address, scope }: Partial<BoundDescription> = Object(description);
  if (type === "bound-task" && typeof address?.module === "string" && scope !== undefined) return;
  throw new TypeError(
    "Cannot restore a bound task: what was given does not describe one; pass the `description` of " +
      "a bound task, or what `JSON.parse` makes of its JSON",
  );
}
