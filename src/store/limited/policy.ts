import type { QuiverWarning } from "../../base/warning.ts";
import type { Digest } from "../../value/value.ts";
import type { LimitDescription } from "../stores.ts";
import type { EvictionIndex, LimitedCall } from "./eviction_index.ts";

/** What stores are limited to. */
export interface StoreLimits extends Omit<LimitDescription, "policy"> {
  /** Which call goes first: the name of a policy, or a function that selects it. */
  policy?: LimitDescription["policy"] | VictimPolicy;
  /** Told when space could not be given back; by default written to standard error. */
  onWarning?: (warning: QuiverWarning) => void;
}

/**
 * Selects the call that goes first when there are too many.
 *
 * @param calls The remembered calls, the least recently used first; at least one.
 * @returns The key of the call that goes.
 */
export type VictimPolicy = (calls: Iterable<LimitedCall>) => Digest;

/** What a policy makes of uses, and whom it selects. */
export interface Selection {
  /** Whether a use of a call makes it newer. */
  readonly usesCount: boolean;
  /**
   * Selects the call that goes.
   *
   * @param index The remembered calls; at least one.
   * @returns Its key, or `undefined` when the policy gave the key of no call.
   */
  select(index: EvictionIndex): Digest | undefined;
}

/**
 * Makes what selects the calls that go.
 *
 * @param policy The policy, or its name.
 * @returns The selection.
 */
export function toSelection(policy: LimitDescription["policy"] | VictimPolicy): Selection {
  if (policy === "random") return createRandomSelection();
  if (typeof policy !== "function") {
    return { usesCount: policy !== "fifo", select: (index) => firstOf(index.keys()) };
  }
  return {
    usesCount: true,
    select(index) {
      const key = policy(index.entries());
      return index.has(key) ? key : undefined;
    },
  };
}

function firstOf(keys: Iterable<Digest>): Digest | undefined {
  for (const key of keys) return key;
  return undefined;
}

/** Shuffles all keys and goes through them; those that came since have their turn the next time. */
function createRandomSelection(): Selection {
  let queue: Digest[] = [];
  return {
    usesCount: false,
    select(index) {
      for (let round = 0; round < 2; round++) {
        for (let key = queue.pop(); key !== undefined; key = queue.pop()) {
          if (index.has(key)) return key;
        }
        queue = shuffle([...index.keys()]);
      }
      return queue.pop();
    },
  };
}

function shuffle(keys: Digest[]): Digest[] {
  for (let i = keys.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    const [a = "", b = ""] = [keys[i], keys[j]];
    keys[i] = b;
    keys[j] = a;
  }
  return keys;
}
