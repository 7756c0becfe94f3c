import type { Digest } from "../../value/value.ts";
import type { EvictionIndex } from "./eviction_index.ts";
import type { LimitOptions } from "./limits.ts";

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
 */
export function toSelection(policy: LimitOptions["policy"]): Selection {
  if (policy === "random") return createRandomSelection();
  if (typeof policy !== "function") {
    return { usesCount: policy !== "fifo", select: (index) => index.keys().next().value };
  }
  return {
    usesCount: true,
    select(index) {
      const key = policy(index.entries());
      return index.has(key) ? key : undefined;
    },
  };
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
