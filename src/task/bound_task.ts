import { voidCache } from "../cache/cache.ts";
import type { TaskAddress } from "../call/call_record.ts";
import { currentScope } from "../scope/current_scope.ts";
import { deriveScope, describeScope, type ScopeDescription } from "../scope/derive_scope.ts";
import type { Scope, ScopeOptions } from "../scope/scope.ts";
import type { StoreDescription } from "../store/stores.ts";
import { frozenScopeOf } from "./registry.ts";

/** A bound task as data that structured clone and JSON carry. */
export interface BoundDescription {
  /** What this is, as it may come out of a file. */
  readonly type: "bound-task";
  /** How the task is found. */
  readonly address: TaskAddress;
  /** The scope that the task is frozen with; signing keys are left out. */
  readonly scope: ScopeDescription;
}

/**
 * Freezes what a scope sets. The calls around it are none of that: they are those of whoever calls.
 *
 * @param outer The scope.
 * @param options What is set beside that.
 * @returns The frozen scope.
 * @throws {TypeError} When an option is unknown, or asks for workers.
 */
export function freezeScope(outer: Scope, options: ScopeOptions): Scope {
  if ("workers" in options) {
    throw new TypeError(
      "Cannot bind with workers of its own: they end with their scope, and what is bound has no end; " +
        "bind inside of the scope that has the workers",
    );
  }
  const { chain: _chain, control: _control, nesting: _nesting, ...frozen } = deriveScope(
    outer,
    options,
  );
  return frozen;
}

/**
 * Makes the scope of a call of what is bound: a bound task that waited for the very call that calls
 * it would otherwise wait unseen.
 *
 * @param frozen The frozen scope.
 * @returns The scope.
 */
export function thawScope(frozen: Scope): Scope {
  const { chain, control, nesting } = currentScope();
  if (chain === undefined) return frozen;
  return {
    ...frozen,
    chain,
    ...(control !== undefined && { control }),
    ...(nesting !== undefined && { nesting }),
  };
}

/**
 * The scope that a call of a task is in: the one it is bound to, or the one that holds here.
 *
 * @param task The task.
 * @returns The scope.
 */
export function scopeOf(task: object): Scope {
  const frozen = frozenScopeOf(task);
  return frozen === undefined ? currentScope() : thawScope(frozen);
}

/**
 * Describes a bound task.
 *
 * @param address The task's address.
 * @param frozen The scope.
 * @param cache How to open its cache: with the signing keys for a worker, without for anybody.
 * @returns The description.
 */
export function describeBound(
  address: TaskAddress,
  frozen: Scope,
  cache: StoreDescription | undefined,
): BoundDescription {
  if (cache === undefined && frozen.cache !== undefined && frozen.cache !== voidCache) {
    frozen.warn(
      `Cannot describe the cache of the bound task "${address.name}": it lives in this isolate, and ` +
        "calls elsewhere are not remembered; bind the task in the scope of a bag",
    );
  }
  return { type: "bound-task", address, scope: describeScope(frozen, cache) };
}
