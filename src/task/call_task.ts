import { type Cache, voidCache } from "../cache/cache.ts";
import { importLater, LateModule } from "../base/lazy_import.ts";
import type { CallChain, CallNotes, Refresh, Scope } from "../scope/scope.ts";
import {
  findStandIns,
  freezeArguments,
  type FrozenArguments,
  hasFuture,
  resolveFutures,
} from "./call_arguments.ts";
import type { RunOptions } from "./attempts.ts";
import { type CallTracker, Future, type OnAbort } from "./future.ts";
import type { TaskDefinition } from "./definition.ts";
import type { CallRunner, ReadyCall } from "./remember_call.ts";
import { runInScope } from "../scope/current_scope.ts";
import { capture, copyLarge } from "../value/capture.ts";
import { giveShared, pinShared } from "../value/share.ts";
import type { Digest } from "../value/value.ts";
import type { CallControl, ProgressReport } from "../worker/worker.ts";
import { giveUpOn, pollWhenRead, settlingSymbol } from "../base/abortable.ts";

export type { CallRunner, ReadyCall, RememberedCall } from "./remember_call.ts";

type Remembering = typeof import("./remember_call.ts");

/** What only calls that are to be remembered need: keys, digests, and the parser of parameters. */
export const REMEMBERING: LateModule<Remembering> = new LateModule(() =>
  import("./remember_call.ts")
);

/**
 * Answers a call through the cache of a scope: futures among the arguments are awaited, the key is
 * made, and the cache answers or the runner runs the body. With or without workers, every call goes
 * this way.
 *
 * @param given The arguments, futures among them.
 * @param scope The scope that the call was made in.
 * @param runner Runs the body.
 * @param options Who keeps count of the call, and its arguments if they are frozen already.
 * @returns The future of the result.
 */
export function answerCall(
  definition: TaskDefinition,
  given: readonly unknown[],
  scope: Scope,
  runner: CallRunner,
  { tracker, frozen, onAbort, priority = 0, refresh }: AnswerOptions = {},
): Future<unknown> {
  return new Future(definition.name, (status) => {
    status.onAbort = onAbort;
    // Whoever made it waits for it, and is as urgent at least.
    status.priority = Math.max(priority, scope.priority ?? -Infinity);
    const shared = frozen?.holdsShared;
    return answer({ definition, scope, args: given, frozen, shared, status, refresh }, runner);
  }, tracker);
}

/** Options of {@linkcode answerCall}. */
export interface AnswerOptions {
  /** Keeps count of the call. */
  readonly tracker?: CallTracker;
  /** The arguments as they were when the call was made, if that was before. */
  readonly frozen?: FrozenArguments | undefined;
  /** What becomes of a worker when the call is given up while it runs there. */
  readonly onAbort?: OnAbort | undefined;
  /** Calls of a higher priority leave the queue first. */
  readonly priority?: number | undefined;
  /** Has the call run though it is known, and not those that it calls. */
  readonly refresh?: Refresh | undefined;
}

/** There may be futures among the arguments of the call. */
function answer(call: ReadyCall, runner: CallRunner): unknown {
  const { cache } = call.scope;
  if (cache === undefined || cache === voidCache) return runResolved(call, runner);
  const { loaded } = REMEMBERING;
  if (loaded !== undefined && !hasFuture(call.args)) {
    return loaded.rememberCall(cache, call, runner);
  }
  return rememberLater(cache, call, runner);
}

/** What has to wait before its key can be made is frozen before it waits. */
function rememberLater(cache: Cache, call: ReadyCall, runner: CallRunner): unknown {
  const { definition: { name }, args, scope: { warn }, status } = call;
  const tools = REMEMBERING.loaded?.BUFFER_TOOLS;
  const frozen = call.frozen ?? freezeArguments(name, args, warn, { tools });
  if (frozen === undefined) return runResolved(call, runner);
  return (async () => {
    // Futures first: one that failed while a module loads would count as looked at by nobody.
    const resolved = hasFuture(frozen.values) ? await frozen.resolved(name, status) : frozen;
    const { rememberCall } = await REMEMBERING.load();
    resolved.endTurn();
    const { values: args, holdsShared: shared } = resolved;
    return await rememberCall(cache, { ...call, args, frozen: resolved, shared }, runner);
  })();
}

function runResolved(call: ReadyCall, runner: CallRunner): unknown {
  const { future, shared } = findStandIns(call.args);
  const pinned = shared ? { ...call, args: pinShared(call.args), shared } : call;
  if (!future) return runner.run(pinned);
  const { name } = call.definition;
  const args = resolveFutures(pinned.args, name, { waiter: call.status });
  if (!(args instanceof Promise)) return runner.run({ ...pinned, args });
  // The results may be arrays of shared values, too.
  return args.then((args) => runResolved({ ...pinned, args }, runner));
}

/**
 * Gives a call up when a signal aborts, waiting or running, with the signal's reason. When that is a
 * timeout, an answer that has arrived meanwhile counts.
 */
export function followSignal(future: Future<unknown>, signal: AbortSignal): void {
  const status = future[settlingSymbol];
  const watch = giveUpOn(
    signal,
    (reason) => future.abort(reason),
    () => status.checkArrivals(),
  );
  status.onDone(() => watch[Symbol.dispose]());
}

/**
 * A call that was given up before it was made: nothing is looked up and no worker starts.
 *
 * @typeParam R What the call would have returned.
 * @param name What the call is named in messages.
 * @param reason Why it was given up.
 * @returns The future, which has rejected.
 */
export function toAborted<R>(name: string, reason: unknown): Future<R> {
  const future = new Future<R>(name, () => new Promise<R>(() => {}));
  future.abort(reason);
  return future;
}

/** Runs the bodies of calls in this isolate. */
export const IN_THIS_ISOLATE: CallRunner = { run: (ready) => runHere(ready) };

/** Does so as their tasks say: how often they are tried, for how long, and how many begin in a time. */
export const AS_THE_TASK_SAYS: CallRunner = {
  run: (ready) => {
    const { comforts } = ready.definition;
    if (comforts === undefined) return runHere(ready);
    // Before anything is awaited: a remembered one has its arguments already.
    const own = ready.remembered === undefined ? { ...ready, args: copyArguments(ready) } : ready;
    return importLater<Attempts>("attempts").then(({ attempt }) =>
      attempt(own, comforts, { run: runHere, copy: copyArguments })
    );
  },
};

/** Arguments for one that has to wait, as they are now, or for one more attempt. */
function copyArguments({ args, shared }: ReadyCall): readonly unknown[] {
  if (shared === true) return args;
  try {
    return capture(args, { large: copyLarge, bare: true }).values;
  } catch {
    // They cannot be read: the body gets them as they are.
    return args;
  }
}

type Attempts = typeof import("./attempts.ts");

/**
 * Runs the body of a call in this isolate.
 *
 * @returns What it gives, or what the cache makes of that.
 */
function runHere(
  { definition, scope, args, status, remembered, shared }: ReadyCall,
  { watch, again = false }: RunOptions = {},
): unknown {
  const give = shared === true ? giveShared : (values: readonly unknown[]) => values;
  const own = watch?.control ?? status;
  const start = (values: readonly unknown[], control: CallControl, running?: RunningCall) => {
    const given = give(values);
    status.started();
    const body = () => runBody(definition, scope, given, control, running);
    return watch === undefined ? body() : watch.run(body);
  };
  if (remembered === undefined) return start(args, own);
  const { call: { key }, leased, notes } = remembered;
  const control = new BodyControl(own, scope.control);
  const refuse = () => control.interrupted ? "unfit" : undefined;
  const body = (values: readonly unknown[]) => start(values, control, { key, leased, notes });
  return remembered.compute(body, { copies: true, again, refuse });
}

/** A call whose body runs, and whose result is remembered. */
interface RunningCall {
  /** The key of the call, where it is known to whoever runs the body. */
  readonly key?: Digest;
  /** Whether the body runs under the lease of the key, so that others may wait for it. */
  readonly leased?: boolean;
  /** Takes what is noted of the call. */
  readonly notes: CallNotes;
}

/**
 * Makes the scope that a task's function runs in.
 *
 * @param scope The scope that the call was made in.
 * @param own What the function can know of who waits for the call.
 * @param running The call, if it is remembered.
 */
export function toBodyScope(
  definition: TaskDefinition,
  scope: Scope,
  own: CallControl,
  running?: RunningCall,
): Scope {
  const { control: outer } = scope;
  const chain: CallChain = running === undefined && scope.chain === undefined
    ? { task: definition.name }
    : {
      task: definition.name,
      ...(running?.key !== undefined && { key: running.key }),
      ...(running?.leased && scope.cache !== undefined && { cache: scope.cache.id }),
      ...(scope.chain !== undefined && { outer: scope.chain }),
    };
  const joined = outer === undefined || own instanceof BodyControl;
  // Calls made beneath one that is not remembered are those of the one around it.
  const notes = running?.notes ?? (scope.notes && { around: scope.notes });
  const control = joined ? own : new BodyControl(own, outer);
  return notes === undefined ? { ...scope, chain, control } : { ...scope, chain, control, notes };
}

/**
 * Runs a task's function in a scope.
 *
 * @param scope The scope that tasks called by the function are in.
 * @param own What the function can know of who waits for the call.
 * @param running The call, if it is remembered: a call inside that waits for it would wait for ever.
 * @returns What the function returns.
 */
export function runBody(
  definition: TaskDefinition,
  scope: Scope,
  args: readonly unknown[],
  own: CallControl,
  running?: RunningCall,
): unknown {
  const { fn } = definition;
  // Called as a plain function: \`this\` is undefined.
  return runInScope(toBodyScope(definition, scope, own, running), () => fn(...args));
}

/**
 * What the body of a call knows of who waits for it. One that was called by another body in the same
 * isolate ends with that one.
 */
export class BodyControl implements CallControl {
  readonly #own: CallControl;
  readonly #outer: CallControl | undefined;
  #signal: AbortSignal | undefined;

  /**
   * Joins what is known of a call and of the one around it.
   *
   * @param own Of the call itself.
   * @param outer Of the call around it, if there is one.
   */
  constructor(own: CallControl, outer: CallControl | undefined) {
    this.#own = own;
    this.#outer = outer;
  }

  get aborted(): boolean {
    return this.#own.aborted || this.#outer?.aborted === true;
  }

  /** Whether the body was told to stop and could know it: what it returns then may be a part only. */
  get interrupted(): boolean {
    return this.#signal !== undefined && this.aborted;
  }

  get signal(): AbortSignal {
    if (this.#signal === undefined) {
      // The body around this one depends on what this one returns: it has looked, too.
      const outer = this.#outer?.signal;
      const own = this.#own.signal;
      // Reading the outer one is what makes it look; it then aborts this one, too.
      this.#signal = outer === undefined
        ? own
        : pollWhenRead(AbortSignal.any([own, outer]), () => void this.#outer?.aborted);
    }
    return this.#signal;
  }

  report(progress: ProgressReport): void {
    this.#own.report(progress);
  }

  send(kind: string, data: unknown): boolean {
    return this.#own.send(kind, data);
  }
}
