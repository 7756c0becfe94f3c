import { ScopeClosedError } from "../errors.ts";
import { deriveScope } from "./derive_scope.ts";
import { currentScope, runInScope } from "./current_scope.ts";
import type { Scope, ScopeOptions } from "./scope.ts";

/** A scope to hold in a variable: it sets nothing by itself, only what `run` runs is in it. */
export interface ScopeHandle extends AsyncDisposable {
  /** What holds in the scope. */
  readonly scope: Scope;
  /**
   * Runs a function in the scope.
   *
   * @typeParam T What the function returns.
   * @param fn The function.
   * @returns What the function returns.
   * @throws {ScopeClosedError} When the scope was disposed.
   */
  run<T>(fn: () => T | Promise<T>): Promise<T>;
}

/**
 * Opens a scope to hold in a variable. It inherits from the scope that holds here.
 *
 * @param options What the scope sets.
 * @returns The scope; disposing it waits for what runs in it, then ends workers of its own.
 *
 * @example Two scopes side by side
 * ```ts
 * import { createMemoryCache, currentScope, openScope } from "@quiver/quiver";
 * import { assertEquals } from "@std/assert";
 *
 * await using left = openScope({ cache: createMemoryCache(), tags: { side: "left" } });
 * await using right = openScope({ cache: createMemoryCache(), tags: { side: "right" } });
 * assertEquals(await left.run(() => currentScope().tags), { side: "left" });
 * assertEquals(await right.run(() => currentScope().tags), { side: "right" });
 * ```
 */
export function openScope(options: ScopeOptions): ScopeHandle {
  const scope = deriveScope(currentScope(), options);
  return new OpenScope(scope, options.workers === undefined ? undefined : scope.workers);
}

class OpenScope implements ScopeHandle {
  readonly scope: Scope;
  readonly #workers: AsyncDisposable | undefined;
  readonly #running = new Set<Promise<unknown>>();
  #closed = false;

  constructor(scope: Scope, workers: AsyncDisposable | undefined) {
    this.scope = scope;
    this.#workers = workers;
  }

  async run<T>(fn: () => T | Promise<T>): Promise<T> {
    if (this.#closed) {
      throw new ScopeClosedError("Cannot run in a scope: it was closed; open another one");
    }
    const run = (async () => await runInScope(this.scope, fn))();
    this.#running.add(run);
    try {
      return await run;
    } finally {
      this.#running.delete(run);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#running);
    await this.#workers?.[Symbol.asyncDispose]();
  }
}
