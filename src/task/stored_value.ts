import { CacheMissError } from "../base/errors.ts";
import { importLater } from "../base/lazy_import.ts";
import { voidCache } from "../cache/cache.ts";
import { currentScope } from "../scope/current_scope.ts";
import type { Digest } from "../value/value.ts";
import { Future } from "./future.ts";
import { REMEMBERING } from "./call_task.ts";

/**
 * A value that the cache of the scope has, by its digest, or the result of a call by its key: a future
 * of it, which as an argument stands for the value at any depth, so that `f(D(digest))` is the call
 * `f(value)`.
 *
 * The first 4 characters do, or as many more as tell it from all others in the cache; a digest in full is
 * found without a search.
 *
 * Requires `--allow-read` of Quiver's files.
 *
 * @typeParam T The value.
 * @param digest The digest of a stored value, such as `record.result` or what `cache.putValue()` gave, or
 * the key of a call.
 * @returns The future of the value. It rejects with `CacheMissError` when the cache has no such value, or
 * it is damaged, and with `AmbiguousDigestError` when there are several; that says how many characters
 * are needed.
 * @throws {TypeError} When there is no cache here, or the digest is no text.
 * @throws {SyntaxError} When the text is no digest, nor the first 4 characters of one or more.
 *
 * @example Compute with a result that is known by its key
 * ```ts
 * import { cacheScope, createMemoryCache, D, task } from "@quiver/quiver";
 * import { assertEquals } from "@std/assert";
 *
 * const ramp = task(import.meta, (n: number) => Array.from({ length: n }, (_, i) => i), { name: "ramp" });
 * const sum = task(import.meta, (all: number[]) => all.reduce((a, b) => a + b, 0), { name: "sum" });
 *
 * await cacheScope({ cache: createMemoryCache() }, async () => {
 *   await ramp(4);
 *   const key = await ramp.digest(4);
 *   assertEquals(await D(key.slice(0, 12)), [0, 1, 2, 3]);
 *   assertEquals(await sum(D<number[]>(key)), 6);
 * });
 * ```
 */
export function D<T = unknown>(digest: Digest): Future<T> {
  const { cache, warn, outputs } = currentScope();
  const name = `D(${JSON.stringify(String(digest).slice(0, 12))})`;
  if (cache === undefined || cache === voidCache) {
    throw new TypeError(
      `Cannot load ${name}: there is no cache here; call it in the scope of one, with cacheScope()`,
    );
  }
  const load = async (): Promise<T> => {
    const { expand } = await importLater<Digests>("digests");
    const full = await expand(cache, digest);
    const stored = await cache.value(full);
    if (stored.hit && stored.files === undefined) return stored.value as T;
    // Files are put back only where they belong to a call.
    const { lookUp } = await REMEMBERING.load();
    const found = await lookUp(cache, { key: full, values: [] }, { name, warn, outputs });
    if (found.hit) return found.value as T;
    if (stored.hit) return stored.value as T;
    const known = await cache.record(full) !== undefined;
    throw new CacheMissError(
      `Cannot load ${name}: ${
        known
          ? "the cache knows the call, and its result is missing or damaged"
          : "the cache has neither a value nor a call of that digest, or the value is damaged"
      }`,
      full,
    );
  };
  return new Future<T>(name, load);
}

type Digests = typeof import("../cache/short_digests.ts");
