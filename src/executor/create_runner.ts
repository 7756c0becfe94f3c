import { computeAlone, computeLeased, type Recalled } from "../cache/recall.ts";
import type { Scope } from "../scope/scope.ts";
import { describeScope, toRecordMetadata } from "../scope/derive_scope.ts";
import type { CallRunner, ReadyCall, RememberedCall } from "../task/answer_call.ts";
import { toThrown } from "../value/thrown_value.ts";
import type { CallRequest, Outcome } from "../worker/worker.ts";
import {
  type CallContext,
  type CallWishes,
  toCallContext,
  toTravelling,
  type TravellingCall,
} from "./call_context.ts";
import type { CallObserver } from "./_dispatch_call.ts";
import { OptionedCall } from "./_optioned_call.ts";
import type { CallOptions } from "./call_options.ts";
import { encodeTasks, holdsTask } from "./encode_tasks.ts";

type ValueOutcome = Extract<Outcome, { type: "value" }>;

/** Brings calls to workers. */
export interface Dispatches {
  /**
   * Runs a call on a worker.
   *
   * @param request The call.
   * @param observer Gives the call up, and is told when it starts.
   * @returns How it ended.
   */
  run(request: CallRequest, observer: CallObserver): Promise<Outcome>;
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
 * @returns The runner.
 */
export function createRunner(dispatcher: Dispatches): EngineRunner {
  // Promises are chained by hand: an async function would make one more for each of many short calls.
  const send = (
    ready: ReadyCall,
    options: CallOptions | undefined,
    call?: TravellingCall,
  ): Promise<Outcome> => {
    const { definition: { address }, scope, args, status } = ready;
    const context = toCallContext(scope, call, toWishes(options));
    const observer = options === undefined ? status : new OptionedCall(status, options);
    const request = { module: address.module, task: address.name, args, context };
    return dispatcher.run(holdsTask(args) ? encodeRequest(request, scope) : request, observer);
  };
  // A cache that cannot travel is filled from here.
  const fillFromHere = <R>(
    compute: (...args: Parameters<typeof computeLeased>) => Promise<R>,
    remembered: RememberedCall,
    options: CallOptions | undefined,
  ): Promise<R> => {
    const { cache, call, scope } = remembered;
    const body = async () => unwrap(await send(remembered, options), scope).value;
    return compute(cache, call, body, { metadata: toRecordMetadata(scope), warn: scope.warn });
  };
  return {
    run: (ready, options) =>
      send(ready, options).then((outcome) => unwrap(outcome, ready.scope).value),
    attempt: async (remembered, options) => {
      const { cache, call, scope } = remembered;
      if (cache.secretDescription === undefined) {
        return await fillFromHere(computeLeased, remembered, options);
      }
      return toRecalled(unwrap(await send(remembered, options, toTravelling(call, true)), scope));
    },
    alone: async (remembered, options) => {
      const { cache, call, scope } = remembered;
      if (cache.secretDescription === undefined) {
        return await fillFromHere(computeAlone, remembered, options);
      }
      const { value } = unwrap(await send(remembered, options, toTravelling(call, false)), scope);
      return { value, hit: false };
    },
  };
}

function encodeRequest(
  request: CallRequest & { context: CallContext | undefined },
  scope: Scope,
): CallRequest {
  const { args, tasks } = encodeTasks(request.args);
  const context = request.context ?? describeScope(scope, undefined);
  return { ...request, args, context: { ...context, tasks } satisfies CallContext };
}

function toWishes(options: CallOptions | undefined): CallWishes | undefined {
  const { deadline = Infinity } = options ?? {};
  return deadline === Infinity ? undefined : { announce: true };
}

function unwrap(outcome: Outcome, { warn }: Scope): ValueOutcome {
  for (const warning of outcome.warnings) warn(warning);
  if (outcome.type === "error") throw toThrown(outcome.error.thrown);
  return outcome;
}

function toRecalled({ value, note }: ValueOutcome): Recalled | undefined {
  return note === "busy" ? undefined : { value, hit: note === "hit" };
}
