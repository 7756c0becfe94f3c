import { checkOptions, type OptionRules } from "../base/check_options.ts";
import { type CallTemplate, toMatcher } from "../call/call_query.ts";
import type { TaskAddress } from "../call/call_record.ts";
import type { Stores, SweepResult } from "../store/stores.ts";
import { type Rewrite, sweepStores } from "../store/sweep.ts";
import type { Digest } from "../value/value.ts";

export { endOf, toMatcher } from "../call/call_query.ts";
export { createFinder } from "./find_calls.ts";
export { checkRecordKey, compareKeys, digestBy, toKeyReader } from "./record_keys.ts";
export { CallValues } from "./call_values.ts";

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
  { calls, failures, readOnly = false }: Pick<Stores, "calls" | "failures" | "readOnly">,
  template: CallTemplate | { readonly address: TaskAddress },
): Promise<number> {
  const matches = toMatcher(template);
  const { state = "done" } = "address" in template ? {} : template;
  const all = "address" in template ? { task: template } : template;
  const hasFailed = toMatcher({ ...all, state: "failed" });
  let cleared = 0;
  for (const record of await failures?.records() ?? []) {
    if (!hasFailed(record)) continue;
    if (readOnly) throw new TypeError("Cannot forget a call of this cache: it is read-only");
    if (await failures?.delete(record.key)) cleared++;
  }
  if (state === "failed") return cleared;
  const keys: Digest[] = [];
  const records = calls.records();
  // A promise for each record of a store that answers at once would cost more than the rest.
  if (Symbol.iterator in records) {
    for (const record of records) if (matches(record)) keys.push(record.key);
  } else {
    for await (const record of records) if (matches(record)) keys.push(record.key);
  }
  let evicted = 0;
  for (const key of keys) {
    const known = calls.delete(key);
    if (known instanceof Promise ? await known : known) evicted++;
  }
  return evicted;
}
