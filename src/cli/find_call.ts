import type { Cache } from "../../mod.ts";
import { type CallRecord, expand, query } from "../caches.ts";

/** What a digest in short stands for. */
export type FoundDigest =
  /** A call, or a failure of one. */
  | { readonly kind: "call"; readonly record: CallRecord }
  /** A value, or nothing that is known. */
  | { readonly kind: "value"; readonly digest: string };

/**
 * Finds the call whose key, or the value whose digest, begins so.
 *
 * @param cache The cache.
 * @param short At least 4 characters; upper case and an ellipsis at the end, as people copy them, will do.
 * @throws {CacheMissError} When nothing begins so.
 * @throws {AmbiguousDigestError} When several do.
 */
export async function findDigest(cache: Cache, short: string): Promise<FoundDigest> {
  const digest = await expand(cache, short.toLowerCase().replace(/(…|\.\.\.)$/, ""));
  const record = await cache.record(digest) ?? await findFailure(cache, digest);
  return record === undefined ? { kind: "value", digest } : { kind: "call", record };
}

/**
 * Finds the call whose key begins so.
 *
 * @throws {Error} When it is the digest of a value.
 */
export async function findCall(cache: Cache, short: string): Promise<CallRecord> {
  const found = await findDigest(cache, short);
  if (found.kind === "call") return found.record;
  throw new Error(
    `There is no call with the key ${
      found.digest.slice(0, 12)
    }: list them with quiver ls; what a ` +
      "value is, quiver show tells",
  );
}

async function findFailure(cache: Cache, key: string): Promise<CallRecord | undefined> {
  return await query(cache, { state: "failed" }).filter((record) => record.key === key).first();
}
