import type { CallName } from "../cache/recall.ts";
import { DeadlockError } from "../base/errors.ts";
import type { CallChain, Scope } from "../scope/scope.ts";
import type { Digest } from "../value/value.ts";

/**
 * Refuses a call that is made, directly or not, by the body that computes the same call: each would
 * wait for the other.
 *
 * @param name What the call is named in errors.
 * @param key The key of the call.
 * @param scope The scope that the call is made in.
 * @throws {DeadlockError} When the call waits for itself.
 */
export function refuseRecursion(name: string, key: Digest, { chain }: Scope): void {
  const inner: CallName[] = [];
  for (let link = chain; link !== undefined; link = link.outer) {
    if (link.key !== undefined) inner.unshift({ task: link.task, key: link.key });
    if (link.key === key) throw new DeadlockError(`Cannot call "${name}"`, inner);
  }
}

/**
 * Finds the calls that others may wait for, and that cannot go on while a call made by their bodies
 * waits.
 *
 * @param chain The calls around the one that waits.
 * @param cache The cache that it waits in; what others wait for in another cache is another call.
 * @returns The calls, innermost first.
 */
export function findCallers(chain: CallChain | undefined, cache: string): CallName[] {
  const callers: CallName[] = [];
  for (let link = chain; link !== undefined; link = link.outer) {
    if (link.key !== undefined && link.cache === cache) {
      callers.push({ task: link.task, key: link.key });
    }
  }
  return callers;
}
