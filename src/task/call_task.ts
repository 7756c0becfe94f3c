import type { computeLeased } from "../cache/recall.ts";
import type { CallChain, Scope } from "../scope/scope.ts";
import { toRecordMetadata } from "../scope/derive_scope.ts";
import { answerCall, REMEMBERING } from "./answer_call.ts";
import type { CallRunner, RememberedCall } from "./call_runner.ts";
import type { Future } from "./future.ts";
import type { TaskDefinition } from "./task_definition.ts";
import { runInScope } from "../scope/current_scope.ts";
import type { Digest } from "../value/encoded_value.ts";
import type { CallControl, ProgressReport } from "../worker/worker.ts";
import { pollWhenRead } from "../worker/polled_signal.ts";

/** Runs the bodies of calls in this isolate. */
export const IN_THIS_ISOLATE: CallRunner = {
  run: ({ definition, scope, args, status }) => {
    status.started();
    return runBody(definition, scope, args, status);
  },
  attempt: async (remembered) => {
    const { computeLeased } = await REMEMBERING.load();
    return await computeLeased(...toComputation(remembered, true));
  },
  alone: async (remembered) => {
    const { computeAlone } = await REMEMBERING.load();
    return await computeAlone(...toComputation(remembered, false));
  },
};

function toComputation(
  { definition, scope, args, status, cache, call }: RememberedCall,
  leased: boolean,
): Parameters<typeof computeLeased> {
  const body = () => {
    status.started();
    return runBody(definition, scope, args, status, { key: call.key, leased });
  };
  return [cache, call, body, { metadata: toRecordMetadata(scope), warn: scope.warn }];
}

/**
 * Calls a task in this isolate, through the cache of a scope.
 *
 * @param definition The task.
 * @param given The arguments, futures among them.
 * @param scope The scope.
 * @returns The future of the result.
 */
export function callTask(
  definition: TaskDefinition,
  given: readonly unknown[],
  scope: Scope,
): Future<unknown> {
  return answerCall(definition, given, scope, IN_THIS_ISOLATE);
}

/** A call whose body runs, and that has a key. */
export interface RunningCall {
  /** The key. */
  readonly key: Digest;
  /** Whether it runs under the lease of the key, so that others may wait for it. */
  readonly leased: boolean;
}

/**
 * Makes the scope that a task's function runs in.
 *
 * @param definition The task.
 * @param scope The scope that the call was made in.
 * @param own What the function can know of who waits for the call.
 * @param running The call, if it has a key.
 * @returns The scope.
 */
export function toBodyScope(
  definition: TaskDefinition,
  scope: Scope,
  own: CallControl,
  running?: RunningCall,
): Scope {
  const chain: CallChain = running === undefined && scope.chain === undefined
    ? { task: definition.name }
    : {
      task: definition.name,
      ...(running !== undefined && { key: running.key }),
      ...(running?.leased && scope.cache !== undefined && { cache: scope.cache.id }),
      ...(scope.chain !== undefined && { outer: scope.chain }),
    };
  const control = scope.control === undefined ? own : new NestedControl(own, scope.control);
  return { ...scope, chain, control };
}

/**
 * Runs a task's function in a scope.
 *
 * @param definition The task.
 * @param scope The scope that tasks called by the function are in.
 * @param args The arguments.
 * @param own What the function can know of who waits for the call.
 * @param running The call, if it has a key: a call inside that waits for it would wait for ever.
 * @returns What the function returns.
 */
export function runBody(
  definition: TaskDefinition,
  scope: Scope,
  args: readonly unknown[],
  own: CallControl,
  running?: RunningCall,
): unknown {
  const body = toBodyScope(definition, scope, own, running);
  return runInScope(body, () => definition.fn(...args));
}

/** A call whose body was called by another body in the same isolate: it ends with that one. */
export class NestedControl implements CallControl {
  readonly #own: CallControl;
  readonly #outer: CallControl;
  #signal: AbortSignal | undefined;

  /**
   * Joins two controls.
   *
   * @param own Of the call itself.
   * @param outer Of the call around it.
   */
  constructor(own: CallControl, outer: CallControl) {
    this.#own = own;
    this.#outer = outer;
  }

  get aborted(): boolean {
    return this.#own.aborted || this.#outer.aborted;
  }

  get signal(): AbortSignal {
    if (this.#signal === undefined) {
      const { signal: outer } = this.#outer;
      const signal = AbortSignal.any([this.#own.signal, outer]);
      // Reading the outer one is what makes it look; it then aborts this one, too.
      this.#signal = pollWhenRead(signal, () => void outer.aborted);
    }
    return this.#signal;
  }

  report(progress: ProgressReport): void {
    this.#own.report(progress);
  }

  tell(kind: string, data: unknown): boolean {
    return this.#own.tell(kind, data);
  }
}
