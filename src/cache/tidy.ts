import { checkOptions, type OptionRules } from "../base/check_options.ts";
import { type CallTemplate, hasOwnTags, hasUseTags, toMatcher } from "../call/call_query.ts";
import type { CallRecord, TaskAddress } from "../call/call_record.ts";
import { KnownUses, withoutUses } from "../store/known_uses.ts";
import type { Stores, SweepResult } from "../store/stores.ts";
import { type Rewrite, sweepStores } from "../store/sweep.ts";
import type { Digest } from "../value/value.ts";

export { endOf, toMatcher } from "../call/call_query.ts";
export { createFinder } from "./find_calls.ts";
export { checkRecordKey, compareKeys, digestBy, toKeyReader } from "./record_keys.ts";
export { CallValues } from "./call_values.ts";
export { KnownUses } from "../store/known_uses.ts";

/** How long values are kept that no call needs, where nobody says otherwise: an hour. */
const GRACE = 60 * 60 * 1000;

/** Options of the collection of garbage. */
export interface GcOptions {
  /**
   * For how long values are kept that no record names, in milliseconds: time for those who store a
   * value themselves to make the call that names it. What calls of tasks store needs none. In a
   * bag, a value that was there and was stored again within the last second stays in any case.
   *
   * @default {3600000}
   */
  gracePeriod?: number;
}

const RULES: OptionRules<GcOptions> = {
  gracePeriod: {
    allows: (value) => typeof value === "number" && value >= 0,
    says: (name, value) =>
      ` as \`${name}\` must be a number of milliseconds: current value is ${String(value)}`,
    number: true,
  },
};

/**
 * Collects the garbage of a cache.
 *
 * @param stores What the cache stands on.
 * @param options How long values are kept that no record names.
 * @param rewrite How much is rewritten.
 * @returns What was dropped.
 * @throws {TypeError} When an option is unknown, or the stores cannot drop values.
 * @throws {RangeError} When `gracePeriod` is no number of milliseconds.
 */
export async function collectGarbage(
  stores: Stores,
  options: GcOptions = {},
  rewrite: Rewrite = {},
): Promise<SweepResult> {
  checkOptions("collect garbage", options, RULES);
  const { gracePeriod = GRACE } = options;
  return await sweepStores(stores, gracePeriod, rewrite);
}

/**
 * Forgets all calls that match a template.
 *
 * @param stores Where the records and failures are kept: both go, unless only failures are meant.
 * @param template A task, or what the calls have in common.
 * @returns How many calls were forgotten.
 * @throws {TypeError} When they are read-only, and there is one.
 */
export async function evictMatching(
  stores: Stores,
  template: CallTemplate | { readonly address: TaskAddress },
): Promise<number> {
  const { calls, failures, uses, readOnly = false } = stores;
  const matches = toMatcher(template);
  const { state = "done", tags }: CallTemplate = "address" in template ? {} : template;
  const all = "address" in template ? { task: template } : template;
  const hasFailed = toMatcher({ ...all, state: "failed" });
  let cleared = 0;
  for (const record of await failures?.records() ?? []) {
    if (!hasFailed(record)) continue;
    if (readOnly) throw new TypeError("Cannot forget a call of this cache: it is read-only");
    if (await failures?.delete(record.key)) cleared++;
  }
  if (state === "failed") return cleared;
  const known = new KnownUses(uses?.read() ?? []);
  const found: CallRecord[] = [];
  const take = (record: CallRecord) => {
    const used = known.addTo(record);
    if (matches(used)) found.push(used);
  };
  const records = calls.records();
  // A promise for each record of a store that answers at once would cost more than the rest.
  if (Symbol.iterator in records) { for (const record of records) take(record); }
  else for await (const record of records) take(record);
  const keys: Digest[] = [];
  for (const record of found) {
    if (tags === undefined || !await leaveToOthers(stores, record, tags)) keys.push(record.key);
  }
  let evicted = 0;
  for (const key of keys) {
    const deleted = calls.delete(key);
    if (deleted instanceof Promise ? await deleted : deleted) evicted++;
  }
  uses?.forget(keys);
  return evicted;
}

/**
 * Has a call that was computed or used with some tags not be of these any more, if it was also used with
 * others: then it is theirs.
 *
 * @param record Its record, with its uses.
 * @param tags The tags that are meant.
 * @returns Whether others have used it; if not, nothing was done.
 */
export async function leaveToOthers(
  { calls, uses, leases, readOnly }: Stores,
  record: CallRecord,
  tags: NonNullable<CallTemplate["tags"]>,
): Promise<boolean> {
  const { key, uses: all = [], metadata } = record;
  const isOwn = hasOwnTags(record, tags);
  const tagged = all.filter((use) => Object.keys(use.tags).length > 0);
  const meant = tagged.filter((use) => hasUseTags(use.tags, tags));
  const heir = tagged.findLast((use) => !meant.includes(use));
  if (isOwn && heir === undefined) return false;
  if (readOnly === true) throw new TypeError("Cannot forget a call of this cache: it is read-only");
  if (isOwn && heir !== undefined) {
    // Whoever computes it now stores a newer record.
    using lease = leases.tryAcquire(key);
    if (lease !== undefined) {
      const { signature: _, ...own } = withoutUses(record);
      await calls.put({ ...own, metadata: { ...metadata, tags: heir.tags } });
    }
  }
  if (meant.length > 0) uses?.forget([key], meant.map((use) => use.tags));
  return true;
}
