import type { CallRecord, CallUse } from "../call/call_record.ts";
import type { Digest } from "../value/value.ts";
import type { UseSet } from "./stores.ts";

/** So few sets are asked one by one. */
const FEW_SETS = 8;

/** Finds the uses of a call. */
export class KnownUses {
  readonly #sets: readonly UseSet[];
  #ofCalls: Map<Digest, UseSet[]> | undefined;

  /**
   * Takes what a store has given.
   *
   * @param sets All uses.
   */
  constructor(sets: readonly UseSet[]) {
    this.#sets = sets;
  }

  /**
   * Adds to a record who has used the call.
   *
   * @param record The record.
   * @returns The same where nobody has, or the call has failed.
   */
  addTo(record: CallRecord): CallRecord {
    const uses = record.failure === undefined ? this.of(record.key) : [];
    const lastUsed = uses.at(-1)?.at;
    return lastUsed === undefined ? record : { ...record, uses, lastUsed };
  }

  /**
   * Finds who has used a call.
   *
   * @param key The key of the call.
   * @returns The uses, the last of them last.
   */
  of(key: Digest): CallUse[] {
    const sets = this.#sets.length <= FEW_SETS ? this.#sets : this.#index().get(key) ?? [];
    const uses = new Map<string, CallUse>();
    for (const { tags, run, calls } of sets) {
      const at = calls.get(key);
      if (at === undefined) continue;
      const name = `${run} ${JSON.stringify(tags)}`;
      if ((uses.get(name)?.at ?? -Infinity) < at) uses.set(name, { tags, run, at });
    }
    return [...uses.values()].sort((a, b) => a.at - b.at);
  }

  #index(): Map<Digest, UseSet[]> {
    if (this.#ofCalls !== undefined) return this.#ofCalls;
    const ofCalls = new Map<Digest, UseSet[]>();
    for (const set of this.#sets) {
      for (const key of set.calls.keys()) ofCalls.getOrInsertComputed(key, () => []).push(set);
    }
    return this.#ofCalls = ofCalls;
  }

  /**
   * Finds calls by the tags that they were used with.
   *
   * @param matches Tells of a set of tags.
   * @returns Their keys.
   */
  keysWith(matches: (tags: CallUse["tags"]) => boolean): Set<Digest> {
    const keys = new Set<Digest>();
    for (const { tags, calls } of this.#sets) {
      if (matches(tags)) { for (const key of calls.keys()) keys.add(key); }
    }
    return keys;
  }
}

/** A record as it is stored: without what a look-up has added to it. */
export function withoutUses({ uses: _, lastUsed: __, ...record }: CallRecord): CallRecord {
  return record;
}

/**
 * Gives the uses of a call to another cache, or to another key.
 *
 * @param uses Them.
 * @param key The key that they are of there.
 */
export function toUseSets(uses: readonly CallUse[], key: Digest): UseSet[] {
  return uses.map(({ tags, run, at }) => ({ tags, run, calls: new Map([[key, at]]) }));
}
