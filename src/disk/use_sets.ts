import type { CallUse } from "../call/call_record.ts";
import type { Digest } from "../value/value.ts";
import type { UseSet } from "./stores.ts";

/** So many runs are known to have used a call with the same tags, where room is scarce: the last. */
const MOST_RUNS = 10;

/** A set that takes uses. */
interface OpenUseSet extends UseSet {
  readonly calls: Map<Digest, number>;
}

/** Whose uses a set has. */
type User = Pick<CallUse, "tags" | "run">;

/** Uses of calls, each kept once for its call, its tags and its run: the last counts. */
export class UseSets {
  /** By tags and run; a map keeps the order of insertion. */
  readonly #sets = new Map<string, OpenUseSet>();

  /** All of them; nothing may be changed. */
  sets(): UseSet[] {
    return [...this.#sets.values()];
  }

  /** How many uses there are. */
  get size(): number {
    return this.#sets.values().reduce((size, { calls }) => size + calls.size, 0);
  }

  /** Adds all uses of a set. */
  addAll(set: UseSet): void {
    const { calls } = this.#of(set);
    for (const [key, at] of set.calls) put(calls, key, at);
  }

  /** Finds when calls were used in one run with some tags. */
  find(tags: CallUse["tags"], run: string): ReadonlyMap<Digest, number> | undefined {
    return this.#sets.get(toName({ tags, run }))?.calls;
  }

  #of({ tags, run }: User): OpenUseSet {
    const name = toName({ tags, run });
    const known = this.#sets.get(name);
    if (known !== undefined) return known;
    const set = { tags, run, calls: new Map<Digest, number>() };
    this.#sets.set(name, set);
    return set;
  }

  /**
   * Forgets uses of calls, of whatever run.
   *
   * @param tags The names of the sets of tags; all, if not given.
   */
  forget(keys: readonly Digest[], tags?: ReadonlySet<string>): void {
    for (const { tags: own, calls } of this.#sets.values()) {
      if (tags?.has(nameTags(own)) === false) continue;
      for (const key of keys) calls.delete(key);
    }
  }

  /** Forgets the uses of a set that are not later than there. */
  remove({ tags, run, calls }: UseSet): void {
    const own = this.#sets.get(toName({ tags, run }))?.calls;
    if (own === undefined) return;
    for (const [key, at] of calls) if ((own.get(key) ?? Infinity) <= at) own.delete(key);
  }

  /** Forgets the uses of calls that are not known any more, and of each those by its oldest runs. */
  prune(isKnown: (key: Digest) => boolean): void {
    const runs = new Map<string, Map<Digest, number>>();
    const newestFirst = [...this.#sets].sort(([, a], [, b]) => lastOf(b) - lastOf(a));
    for (const [name, { tags, calls }] of newestFirst) {
      const most = Object.keys(tags).length === 0 ? 1 : MOST_RUNS;
      const counts = runs.getOrInsertComputed(nameTags(tags), () => new Map());
      for (const key of calls.keys()) {
        const count = (counts.get(key) ?? 0) + 1;
        counts.set(key, count);
        if (count > most || !isKnown(key)) calls.delete(key);
      }
      if (calls.size === 0) this.#sets.delete(name);
    }
  }

  /** Forgets all. */
  clear(): void {
    this.#sets.clear();
  }
}

function toName({ tags, run }: User): string {
  return `${run} ${nameTags(tags)}`;
}

function lastOf({ calls }: UseSet): number {
  let last = -Infinity;
  for (const at of calls.values()) last = Math.max(last, at);
  return last;
}

function put(calls: Map<Digest, number>, key: Digest, at: number): void {
  // What is used again comes last.
  if ((calls.get(key) ?? -Infinity) >= at) return;
  calls.delete(key);
  calls.set(key, at);
}

/** Names a set of tags: the same for equal ones, in whatever order they are. */
export function nameTags(tags: CallUse["tags"]): string {
  return JSON.stringify(Object.entries(tags).sort(([a], [b]) => a < b ? -1 : 1));
}
