/**
 * Digests as people write them: as much of one as tells it from the others of a cache.
 *
 * @module
 */
import { AmbiguousDigestError, CacheMissError } from "../base/errors.ts";
import type { Stores } from "../store/stores.ts";
import type { Digest } from "../value/value.ts";
import { type Cache, checkCache } from "./cache.ts";

/** Fewer characters say too little. */
const SHORTEST = 4;
/** What people are shown is not to become ambiguous with the next few calls. */
const SHOWN = 8;
const LENGTH = 64;

/**
 * Refuses what is no digest, nor the beginning of one.
 *
 * @param action What cannot be done, for the message.
 * @throws {TypeError} When it is no text.
 * @throws {SyntaxError} When it has other characters, or too few or too many.
 */
export function checkShort(text: unknown, action: string): asserts text is string {
  if (typeof text !== "string") {
    throw new TypeError(`Cannot ${action}: a digest is a text, not ${typeof text}`);
  }
  if (new RegExp(`^[0-9a-f]{${SHORTEST},${LENGTH}}$`).test(text)) return;
  throw new SyntaxError(
    `Cannot ${action} ${
      JSON.stringify(text)
    }: a digest is 64 lower-case hexadecimal characters, or ` +
      `the first ${SHORTEST} of them or more`,
  );
}

/**
 * Finds the digest of a value, or the key of a call, by how it begins. What a cache has of values and of
 * calls is one: a beginning that a value and a call have in common is ambiguous.
 *
 * Short ones are searched for among all records; a digest in full is given back as it is.
 *
 * @param cache The cache.
 * @param short The first 4 characters of it, or more.
 * @returns The digest in full.
 * @throws {SyntaxError} When that is no beginning of a digest.
 * @throws {CacheMissError} When the cache has nothing that begins so.
 * @throws {AmbiguousDigestError} When it has several; the error says how many characters are needed.
 *
 * @example From a key to how people write it, and back
 * ```ts
 * import { cacheScope, createMemoryCache, task } from "@quiver/quiver";
 * import { expand, shrink } from "@quiver/quiver/caches";
 * import { assertEquals } from "@std/assert";
 *
 * const half = task(import.meta, (n: number) => n / 2, { name: "half" });
 * const cache = createMemoryCache();
 * await cacheScope({ cache }, () => half(3));
 * const key = await half.digest(3);
 * const short = await shrink(cache, key);
 * assertEquals(short, key.slice(0, 8));
 * assertEquals(await expand(cache, short), key);
 * ```
 */
export async function expand(cache: Cache, short: string): Promise<Digest> {
  checkShort(short, "expand");
  checkCache(cache, "expand a digest: the first argument");
  if (short.length === LENGTH) return short;
  const [found, ...others] = await findDigests(cache, short);
  if (found === undefined) {
    throw new CacheMissError(
      `Cannot expand "${short}": the cache has neither a value nor a call that begins so`,
      short,
    );
  }
  if (others.length === 0) return found;
  const needed = toNeeded([found, ...others]);
  throw new AmbiguousDigestError(
    `Cannot expand "${short}": ${others.length + 1} digests begin so; give the first ${needed} ` +
      "characters of one",
    { short, matches: [found, ...others], needed },
  );
}

/**
 * Shortens the digest of a value, or the key of a call, to what people need to write: the first 8
 * characters, or as many more as tell it from all others in the cache.
 *
 * @param cache The cache.
 * @param digest The digest in full; the cache need not have it.
 * @returns How it begins; {@linkcode expand} finds it by that.
 * @throws {SyntaxError} When it is no digest.
 */
export async function shrink(cache: Cache, digest: Digest): Promise<string> {
  checkShort(digest, "shrink");
  checkCache(cache, "shrink a digest: the first argument");
  const found = await findDigests(cache, digest.slice(0, SHOWN));
  const near = [...new Set([...found, digest])].sort();
  const at = near.indexOf(digest);
  const shared = [near[at - 1], near[at + 1]].map((other) => countShared(digest, other ?? ""));
  return digest.slice(0, Math.max(SHOWN, 1 + Math.max(...shared)));
}

/** The digests of values and the keys of calls that begin so, in their order. */
async function findDigests(cache: Cache, prefix: string): Promise<Digest[]> {
  const found = new Set<Digest>();
  const add = (digest: Digest | undefined) => {
    if (digest?.startsWith(prefix)) found.add(digest);
  };
  addValues(cache.stores, prefix, add);
  for (const { key } of await cache.stores.failures?.records() ?? []) add(key);
  for await (const { key, result, args } of cache.records()) {
    add(key);
    add(result);
    for (const { value } of args) add(value);
  }
  return [...found].sort();
}

function addValues(
  { values, layers = [] }: Stores,
  prefix: string,
  add: (digest: Digest) => void,
): void {
  for (const digest of values.matching?.(prefix) ?? []) add(digest);
  for (const layer of layers) addValues(layer, prefix, add);
}

/** How many characters tell each of some digests, in their order, from the others. */
function toNeeded(digests: readonly Digest[]): number {
  return 1 + Math.max(...digests.map((digest, at) => countShared(digest, digests[at + 1] ?? "")));
}

function countShared(one: string, other: string): number {
  let count = 0;
  while (count < other.length && one[count] === other[count]) count++;
  return count;
}
