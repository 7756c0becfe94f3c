import { computeAlone, computeLeased, type Recalled } from "../../cache/recall.ts";
import { runInScope } from "../../scope/current_scope.ts";
import { describeScope, type Scope, toRecordMetadata } from "../../scope/scope.ts";
import type { CallRunner, ReadyCall, RememberedCall } from "../../task/call_task.ts";
import { findTask } from "../../task/definition.ts";
import { CallAnswer, type CallStatus, type CancelSignal, type OnAbort } from "../../task/future.ts";
import { type Carried, fromCarried } from "../../value/carry_value.ts";
import { toThrown } from "../../value/codec/thrown_value.ts";
import type { CallRequest, Outcome } from "../../worker/worker.ts";
import type { CallOptions } from "../call_options.ts";
import type { CallObserver, OutcomeListener } from "../dispatch/call.ts";
import {
  type CallCheck,
  type CallContext,
  type CallFlags,
  type CallNote,
  type Remembering,
  toCallContext,
  toTravelling,
} from "../wire/call_context.ts";
import {
  encodeTasks,
  holdsTask,
  type TaskReference,
  type TaskReferences,
} from "../wire/task_arguments.ts";
import { CODE_SOURCES } from "./code_sources.ts";

/** The status of a call together with how it is made, as the dispatcher asks for them. */
class OptionedCall implements CallObserver {
  readonly deadline: number | undefined;
  readonly onAbort: OnAbort | undefined;
  readonly gracePeriod: number | undefined;
  readonly priority: number | undefined;
  readonly retries: number | undefined;
  readonly #status: CallStatus;

  /**
   * Joins the two.
   *
   * @param status Where the call stands.
   * @param options How it is made.
   */
  constructor(status: CallStatus, options: CallOptions) {
    this.#status = status;
    this.deadline = options.deadline;
    this.onAbort = options.onAbort;
    this.gracePeriod = options.gracePeriod;
    this.priority = options.priority;
    this.retries = options.retries;
  }

  get cancellation(): CancelSignal {
    return this.#status.cancellation;
  }

  started(worker: string): void {
    this.#status.started(worker);
  }

  waits(): void {
    this.#status.waits();
  }

  told(kind: string, data: unknown): void {
    this.#status.told(kind, data);
  }
}

/** The answer to a call that a dispatcher runs. */
class RunAnswer extends CallAnswer implements OutcomeListener {
  readonly #scope: Scope;

  /**
   * Creates an answer that is not there yet.
   *
   * @param scope The scope of the call, which is told of warnings.
   */
  constructor(scope: Scope) {
    super();
    this.#scope = scope;
  }

  resolve(outcome: Outcome): void {
    const plain = outcome.type === "value" && outcome.warnings.length === 0;
    if (plain && !outcome.carried) this.succeed(outcome.value);
    // Who is warned, and classes of errors, are the user's: they run when the dispatcher is done.
    else queueMicrotask(() => this.#unwrap(outcome));
  }

  reject(reason: unknown): void {
    this.fail(reason);
  }

  #unwrap(outcome: Outcome): void {
    let value: unknown;
    try {
      ({ value } = unwrapOutcome(outcome, this.#scope));
    } catch (error) {
      return this.fail(error);
    }
    this.succeed(value);
  }
}

type ValueOutcome = Extract<Outcome, { type: "value" }>;

/** Brings calls to workers. */
interface Dispatches {
  /**
   * Runs a call on a worker.
   *
   * @param request The call.
   * @param observer Gives the call up, and is told when it starts.
   * @param listener Told how it ended.
   */
  dispatch(request: CallRequest, observer: CallObserver, listener: OutcomeListener): void;
}

/** Runs the bodies of calls that may be made with options. */
export interface EngineRunner extends CallRunner {
  run(ready: ReadyCall, options?: CallOptions): unknown;
  attempt(remembered: RememberedCall, options?: CallOptions): Promise<Recalled | undefined>;
  alone(remembered: RememberedCall, options?: CallOptions): Promise<Recalled>;
}

/**
 * Creates what runs the bodies of calls on workers.
 *
 * @param dispatcher Brings calls to workers.
 * @param loadsCode Whether the workers import the code of tasks by themselves.
 * @returns The runner.
 */
export function createRunner(dispatcher: Dispatches, loadsCode: boolean): EngineRunner {
  const remembering = (
    { definition, args, frozen }: RememberedCall,
  ): Remembering | Promise<Remembering> => {
    const lent = (frozen?.lent.length ?? 0) > 0 ? { lent: true } : {};
    if (!loadsCode) return lent;
    const sources = holdsTask(args)
      ? witnessTasks(args, definition.name).then(() => CODE_SOURCES.get(definition))
      : CODE_SOURCES.get(definition);
    return sources instanceof Promise
      ? sources.then((sources) => ({ ...lent, sources }))
      : { ...lent, sources };
  };
  const dispatch = (
    ready: ReadyCall,
    options: CallOptions | undefined,
    listener: OutcomeListener,
    travelling?: Remembering,
  ): void => {
    const { definition: { address }, scope, args, status } = ready;
    const context = toCallContext(scope, travelling?.call, toFlags(options, travelling));
    const observer = options === undefined ? status : new OptionedCall(status, options);
    const request = { module: address.module, task: address.name, args, context };
    const encoded = holdsTask(args) ? encodeRequest(request, scope) : request;
    dispatcher.dispatch(encoded, observer, listener);
  };
  const send = (
    ready: ReadyCall,
    options: CallOptions | undefined,
    travelling: Remembering,
  ): Promise<Outcome> => {
    const result = Promise.withResolvers<Outcome>();
    dispatch(ready, options, result, travelling);
    return result.promise;
  };
  // A cache that cannot travel is filled from here; the worker compares what it got with the key.
  const fillFromHere = <R>(
    compute: (...args: Parameters<typeof computeLeased>) => Promise<R>,
    remembered: RememberedCall,
    options: CallOptions | undefined,
  ): Promise<R> => {
    const { cache, call, scope } = remembered;
    let note: string | undefined;
    const body = async () => {
      const code = remembering(remembered);
      const own = { check: toCheck(remembered), ...code instanceof Promise ? await code : code };
      const sent = await send(remembered, options, own);
      const outcome = unwrapOutcome(sent, scope);
      note = outcome.note;
      return outcome.value;
    };
    return compute(cache, call, body, {
      metadata: toRecordMetadata(scope),
      warn: scope.warn,
      unfit: () => note === "unfit",
      unstorable: () => note === "unstored",
    });
  };
  const compute = async (
    remembered: RememberedCall,
    options: CallOptions | undefined,
    leased: boolean,
  ): Promise<Recalled | undefined> => {
    const { cache, call, scope } = remembered;
    if (cache.secretDescription === undefined) {
      return await fillFromHere(leased ? computeLeased : computeAlone, remembered, options);
    }
    const code = remembering(remembered);
    const own = {
      call: toTravelling(call, leased),
      ...code instanceof Promise ? await code : code,
    };
    const sent = await send(remembered, options, own);
    return toRecalled(unwrapOutcome(sent, scope));
  };
  return {
    run: (ready, options) => {
      const answer = new RunAnswer(ready.scope);
      dispatch(ready, options, answer);
      return answer;
    },
    attempt: (remembered, options) => compute(remembered, options, true),
    alone: async (remembered, options) => {
      const recalled = await compute(remembered, options, false);
      if (recalled === undefined) throw new TypeError("A call without a lease waits for nobody");
      return recalled;
    },
  };
}

/** What was copied when the call was made is what the worker gets; the rest is looked at there. */
function toCheck({ call, frozen }: RememberedCall): CallCheck {
  const loose = new Set([...frozen?.kept ?? [], ...frozen?.lent ?? []]);
  const digests = call.positions.flatMap((position, index) => {
    const digest = call.args[index]?.digest;
    const isLoose = loose.has(position) || typeof call.values[position] === "function";
    return isLoose && digest !== undefined ? [[position, digest] as const] : [];
  });
  return { digests };
}

/** The key is made of the code of tasks among the arguments, too. */
async function witnessTasks(args: readonly unknown[], name: string): Promise<void> {
  for (const { address } of tasksOf(args, name)) {
    const definition = findTask(address);
    if (definition !== undefined) await CODE_SOURCES.get(definition);
  }
}

function tasksOf(args: readonly unknown[], name: string): readonly TaskReference[] {
  try {
    return Object.values(encodeTasks(args, name).tasks).flat();
  } catch {
    // Something in them cannot travel: whoever sends them says so.
    return [];
  }
}

function withSources(references: TaskReferences): TaskReferences {
  const entries = Object.entries(references).map(([token, tasks]) => {
    const witnessed = tasks.map((reference) => {
      const sources = CODE_SOURCES.known(reference.address.module);
      return sources === undefined ? reference : { ...reference, sources };
    });
    return [token, witnessed] as const;
  });
  return Object.fromEntries(entries);
}

function encodeRequest(
  request: CallRequest & { context: CallContext | undefined },
  scope: Scope,
): CallRequest {
  const { args, tasks, callbacks } = encodeTasks(request.args, request.task);
  const context: CallContext = request.context ?? describeScope(scope, undefined);
  const remembered = context.sources !== undefined;
  const references = remembered ? withSources(tasks) : tasks;
  const encoded = { ...request, args, context: { ...context, tasks: references } };
  if (callbacks.length === 0) return encoded;
  return {
    ...encoded,
    context: { ...encoded.context, callbacks: true } satisfies CallContext,
    callbacks: callbacks.map((call) => (...args) => runInScope(scope, () => call(...args))),
  };
}

function toFlags(
  options: CallOptions | undefined,
  remembering: Remembering | undefined,
): CallFlags | undefined {
  const announces = options !== undefined && (options.deadline ?? Infinity) !== Infinity;
  if (remembering === undefined) return announces ? { announce: true } : undefined;
  const { call: _, ...flags } = remembering;
  return announces ? { ...flags, announce: true } : flags;
}

function toRecalled({ value, note }: ValueOutcome): Recalled | undefined {
  switch (note as CallNote | undefined) {
    case "busy":
      return undefined;
    case "hit":
      return { value, hit: true };
    default:
      return { value, hit: false, stored: note === "stored", unfit: note === "unfit" };
  }
}

/**
 * Reads how a call ended.
 *
 * @param outcome The outcome.
 * @param scope The scope of the call, which is told of warnings.
 * @returns The outcome, when there is a value.
 * @throws What the task threw.
 */
function unwrapOutcome(
  outcome: Outcome,
  { warn }: Scope,
): Extract<Outcome, { type: "value" }> {
  for (const warning of outcome.warnings) warn(warning);
  if (outcome.type === "error") throw toThrown(outcome.error.thrown);
  // What a worker says of it is what it has made of it.
  return outcome.carried ? { ...outcome, value: fromCarried(outcome.value as Carried) } : outcome;
}
