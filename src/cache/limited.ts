import { limitStores, type StoreLimits } from "../store/limited_stores.ts";
import { Cache } from "./cache.ts";

/** Options of {@linkcode limited}. */
export interface LimitOptions extends StoreLimits {}

const NUMBERS = ["maxBytes", "maxItems", "maxAge", "grace"] as const;
const OPTIONS: ReadonlySet<string> = new Set([...NUMBERS, "policy", "onWarning"]);
const POLICIES: ReadonlySet<unknown> = new Set(["lru", "fifo", "random"]);

/**
 * Limits what a cache remembers: with each result that is stored, calls are forgotten until the rest
 * is within the limits.
 *
 * The limits hold whenever no call is being stored, for all handles, workers and processes that store
 * through a cache limited in the same way; whoever stores through the cache itself may exceed them
 * until the next result is stored through a limited one. What is older than `maxAge` is a miss at
 * once. A result that is larger than `maxBytes` is not remembered. The files of a bag may take up to
 * about twice `maxBytes`, and a journal for each writer besides: space is given back in portions.
 *
 * Which call was used least recently is known of the uses in this isolate. Before the first use, and
 * to workers, which do not see the hits of others, it is the one that was recorded first. A policy
 * that is a function does not travel to workers: their results are stored by this isolate, and tasks
 * called inside tasks there are not remembered.
 *
 * @param cache The cache; it stays the caller's to close.
 * @param options The limits.
 * @returns A cache with the same content, which can be used wherever a cache can.
 * @throws {TypeError} When an option is unknown.
 * @throws {RangeError} When a limit is no number of at least 0.
 *
 * @example Remember three calls at most
 * ```ts
 * import { cacheScope, createMemoryCache, limited, task } from "@quiver/quiver";
 * import { assertEquals } from "@std/assert";
 *
 * const negate = task(import.meta, (n: number) => -n, { name: "negate" });
 * const cache = limited(createMemoryCache(), { maxItems: 3, policy: "lru" });
 * await cacheScope({ cache }, async () => {
 *   for (const n of [1, 2, 3, 1, 4]) await negate(n);
 *   assertEquals(await negate.contains(1), true);
 *   assertEquals(await negate.contains(2), false);
 * });
 * ```
 */
export function limited(cache: Cache, options: LimitOptions): Cache {
  const unknown = Object.keys(options).find((name) => !OPTIONS.has(name));
  if (unknown !== undefined) {
    throw new TypeError(
      `Cannot limit a cache: "${unknown}" is not an option; the options are ${
        [...OPTIONS].join(", ")
      }`,
    );
  }
  for (const name of NUMBERS) {
    const value = options[name];
    if (value === undefined || value >= 0) continue;
    throw new RangeError(
      `Cannot limit a cache as "${name}" must be a number of at least 0: current value is ${value}`,
    );
  }
  const { policy = "lru" } = options;
  if (typeof policy !== "function" && !POLICIES.has(policy)) {
    throw new TypeError(
      `Cannot limit a cache: the option \`policy\` is one of ${[...POLICIES].join(", ")} ` +
        `or a function, not ${JSON.stringify(policy)}`,
    );
  }
  return new Cache(limitStores(cache.stores, options));
}
