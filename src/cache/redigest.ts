import type { CallRecord } from "../call/call_record.ts";
import { importLater } from "../import_later.ts";
import type { IdentityChange, RedigestResult } from "../store/redigest_stores.ts";
import type { Cache } from "./cache.ts";

type Redigesting = typeof import("../store/redigest_stores.ts");

/** Options of {@linkcode redigest}. */
export interface RedigestOptions {
  /**
   * Tells what is different of a call since it was stored: the module's URL when the project has
   * moved, the task's name, version or code. A field that is `undefined` is taken away.
   *
   * @default {() => ({})}
   */
  change?: (record: CallRecord) => IdentityChange;
}

/**
 * Gives the calls of a cache the keys that they would have if they were made today, so that they are
 * hits again: after a project was moved or a task renamed, and after an upgrade of Quiver with other
 * rules of digests, for which the stored arguments are digested again.
 *
 * Others may use the cache meanwhile; a call that they store under a new key is kept. A program that
 * dies in between has lost no call but one of those that exchange their keys; run it again.
 *
 * @param cache The cache.
 * @param options What has changed.
 * @returns How many calls have moved.
 * @throws {TypeError} When the cache is read-only.
 *
 * @example Keep the results of a task that was renamed
 * ```ts
 * import { cacheScope, createMemoryCache, redigest, task } from "@quiver/quiver";
 * import { assertEquals } from "@std/assert";
 *
 * const cache = createMemoryCache();
 * const fn = (n: number): number => n + 1;
 * const before = task(import.meta, fn, { name: "increment" });
 * const after = task(import.meta, fn, { name: "next" });
 * await cacheScope({ cache }, () => before(1));
 * const change = ({ task }: { task: string }) => task === "increment" ? { task: "next" } : {};
 * assertEquals(await redigest(cache, { change }), { moved: 1, unchanged: 0, unknown: 0 });
 * assertEquals(await cacheScope({ cache }, () => after.load(1)), 2);
 * ```
 */
export async function redigest(
  cache: Cache,
  options: RedigestOptions = {},
): Promise<RedigestResult> {
  const { change = () => ({}) } = options;
  if (cache.readOnly) throw new TypeError("Cannot redigest this cache: it is read-only");
  const { redigestStores } = await importLater<Redigesting>(
    "../store/redigest_stores.ts",
    import.meta.url,
  );
  return await redigestStores(cache.stores, change);
}
