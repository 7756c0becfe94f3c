import { LAYERED } from "../store/layered_stores.ts";
import type { LayersDescription } from "../store/stores.ts";
import { Cache } from "./cache.ts";

/**
 * Puts a cache on top of others: calls that the first one does not know are looked up in those
 * beneath it, and copied into the first; what is new is stored in the first.
 *
 * Several who ask for one call at a time share one copy. To forget a call is to forget it in all of
 * the caches; garbage is collected in the first one. The caches stay the caller's to close. A stack
 * can be part of another, and travels to workers if all of its caches do.
 *
 * @param first Where new results go.
 * @param others The caches beneath, the first one asked first.
 * @returns A cache, which can be used wherever a cache can.
 *
 * @example Try something out on top of what colleagues have computed
 * ```ts
 * import { cacheScope, createMemoryCache, readOnly, stack, task } from "@quiver/quiver";
 * import { assertEquals } from "@std/assert";
 *
 * const [mine, ours] = [createMemoryCache(), createMemoryCache()];
 * const square = task(import.meta, (n: number) => n * n, { name: "square" });
 * await cacheScope({ cache: ours }, () => square(4));
 * await cacheScope({ cache: stack(mine, readOnly(ours)) }, () => Promise.all([square(4), square(5)]));
 * assertEquals([await mine.contains(await square.digest(4)), mine.statistics().misses], [true, 0]);
 * assertEquals(await ours.contains(await square.digest(5)), false);
 * ```
 */
export function stack(first: Cache, ...others: readonly Cache[]): Cache {
  return combine("stack", [first, ...others]);
}

/**
 * Reads several caches as one, and changes none of them: the first that knows a call answers, and
 * nothing is copied or remembered.
 *
 * The caches stay the caller's to close. A pool travels to workers if all of its caches do.
 *
 * @param first The cache that is asked first.
 * @param others The other caches.
 * @returns A cache that is read-only.
 *
 * @example Look at the results of two runs
 * ```ts
 * import { cacheScope, createMemoryCache, pool, task } from "@quiver/quiver";
 * import { assertEquals } from "@std/assert";
 *
 * const [first, second] = [createMemoryCache(), createMemoryCache()];
 * const cube = task(import.meta, (n: number) => n ** 3, { name: "cube" });
 * await cacheScope({ cache: first }, () => cube(2));
 * await cacheScope({ cache: second }, () => cube(3));
 * const both = await cacheScope({ cache: pool(first, second) }, () => {
 *   return Promise.all([cube.load(2), cube.load(3)]);
 * });
 * assertEquals(both, [8, 27]);
 * ```
 */
export function pool(first: Cache, ...others: readonly Cache[]): Cache {
  return combine("pool", [first, ...others]);
}

/**
 * Protects a cache: it answers, but remembers nothing new and forgets nothing.
 *
 * @param cache The cache; it stays the caller's to close.
 * @returns A cache with the same content that is read-only.
 *
 * @example Use results without adding any
 * ```ts
 * import { cacheScope, createMemoryCache, readOnly, task } from "@quiver/quiver";
 * import { assertRejects } from "@std/assert";
 *
 * const cache = createMemoryCache();
 * const half = task(import.meta, (n: number) => n / 2, { name: "half" });
 * await cacheScope({ cache }, () => half(8));
 * await assertRejects(() => readOnly(cache).evict(half), TypeError, "it is read-only");
 * ```
 */
export function readOnly(cache: Cache): Cache {
  return combine("readOnly", [cache]);
}

function combine(type: LayersDescription["type"], caches: readonly Cache[]): Cache {
  for (const cache of caches) {
    if (cache instanceof Cache) continue;
    throw new TypeError(
      `Cannot combine caches as "${type}": ${typeof cache} is no cache; open one with openBag, ` +
        "or create one with createMemoryCache",
    );
  }
  return new Cache(LAYERED[type](caches.map(({ stores }) => stores)));
}
