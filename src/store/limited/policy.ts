import type { Digest } from "../../value/value.ts";
import type { EvictionIndex } from "./eviction_index.ts";
import type { LimitedCall, LimitOptions } from "./limits.ts";

/** What a policy needs to know, and whom it selects. */
export interface Selection {
  /** Whether a use of a call makes it newer. */
  readonly usesCount: boolean;
  /** Whether it asks what the values of calls take. */
  readonly bytesCount: boolean;
  /** Ranks calls, if it goes by that: the lowest goes first. What a call is ranked by never makes it fall. */
  readonly rankOf?: (call: LimitedCall) => number;
  /**
   * Selects the call that goes.
   *
   * @param index The remembered calls; at least one.
   * @returns Its key, or `undefined` when the policy gave the key of no call.
   */
  select(index: EvictionIndex): Digest | undefined;
}

/** What a call takes beside its values, in bytes, so that one with hardly any is not worth everything. */
const CALL_BYTES = 256;

/**
 * Makes what selects the calls that go.
 *
 * @param policy The policy, or its name.
 */
export function toSelection(policy: LimitOptions["policy"] = "lru"): Selection {
  const select = (index: EvictionIndex) => index.first?.key;
  switch (policy) {
    case "random":
      return createRandomSelection();
    case "fifo":
      return { usesCount: false, bytesCount: false, select: (index) => index.keys().next().value };
    case "lru":
      return { usesCount: true, bytesCount: false, select, rankOf: ({ used }) => used };
    case "cost": {
      const rankOf = ({ duration, bytes }: LimitedCall) => duration / (bytes + CALL_BYTES);
      return { usesCount: false, bytesCount: true, select, rankOf };
    }
    default:
      return {
        usesCount: true,
        bytesCount: true,
        rankOf: ({ used }) => used,
        select(index) {
          const key = policy(index.ranked());
          return index.has(key) ? key : undefined;
        },
      };
  }
}

/** Shuffles all keys and goes through them; those that came since have their turn the next time. */
function createRandomSelection(): Selection {
  let queue: Digest[] = [];
  return {
    usesCount: false,
    bytesCount: false,
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
