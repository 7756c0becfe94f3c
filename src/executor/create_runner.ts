import { computeAlone, computeLeased, type Recalled } from "../cache/recall.ts";
import type { Scope } from "../scope/scope.ts";
import { describeScope, toRecordMetadata } from "../scope/derive_scope.ts";
import type { CallRunner, ReadyCall, RememberedCall } from "../task/answer_call.ts";
import type { CallRequest, Outcome } from "../worker/worker.ts";
import {
  type CallContext,
  type CallWishes,
  toCallContext,
  toTravelling,
  type TravellingCall,
} from "./call_context.ts";
import type { CallObserver, OutcomeTaker } from "./_dispatch_call.ts";
import { RunAnswer } from "./_run_answer.ts";
import { OptionedCall } from "./_optioned_call.ts";
import type { CallOptions } from "./call_options.ts";
import { encodeTasks, holdsTask } from "./encode_tasks.ts";
import { unwrapOutcome } from "./unwrap_outcome.ts";

type ValueOutcome = Extract<Outcome, { type: "value" }>;

/** Brings calls to workers. */
export interface Dispatches {
  /**
   * Runs a call on a worker.
   *
   * @param request The call.
   * @param observer Gives the call up, and is told when it starts.
   * @param taker Told how it ended.
   */
  dispatch(request: CallRequest, observer: CallObserver, taker: OutcomeTaker): void;
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
  const dispatch = (
    ready: ReadyCall,
    options: CallOptions | undefined,
    taker: OutcomeTaker,
    call?: TravellingCall,
  ): void => {
    const { definition: { address }, scope, args, status } = ready;
    const context = toCallContext(scope, call, toWishes(options));
    const observer = options === undefined ? status : new OptionedCall(status, options);
    const request = { module: address.module, task: address.name, args, context };
    const encoded = holdsTask(args) ? encodeRequest(request, scope) : request;
    dispatcher.dispatch(encoded, observer, taker);
  };
  const send = (
    ready: ReadyCall,
    options: CallOptions | undefined,
    call?: TravellingCall,
  ): Promise<Outcome> => {
    const result = Promise.withResolvers<Outcome>();
    dispatch(ready, options, result, call);
    return result.promise;
  };
  // A cache that cannot travel is filled from here.
  const fillFromHere = <R>(
    compute: (...args: Parameters<typeof computeLeased>) => Promise<R>,
    remembered: RememberedCall,
    options: CallOptions | undefined,
  ): Promise<R> => {
    const { cache, call, scope } = remembered;
    const body = async () => unwrapOutcome(await send(remembered, options), scope).value;
    return compute(cache, call, body, { metadata: toRecordMetadata(scope), warn: scope.warn });
  };
  return {
    run: (ready, options) => {
      const answer = new RunAnswer(ready.scope);
      dispatch(ready, options, answer);
      return answer;
    },
    attempt: async (remembered, options) => {
      const { cache, call, scope } = remembered;
      if (cache.secretDescription === undefined) {
        return await fillFromHere(computeLeased, remembered, options);
      }
      return toRecalled(
        unwrapOutcome(await send(remembered, options, toTravelling(call, true)), scope),
      );
    },
    alone: async (remembered, options) => {
      const { cache, call, scope } = remembered;
      if (cache.secretDescription === undefined) {
        return await fillFromHere(computeAlone, remembered, options);
      }
      const { value } = unwrapOutcome(
        await send(remembered, options, toTravelling(call, false)),
        scope,
      );
      return { value, hit: false };
    },
  };
}

function encodeRequest(
  request: CallRequest & { context: CallContext | undefined },
  scope: Scope,
): CallRequest {
  const { args, tasks } = encodeTasks(request.args, request.task);
  const context = request.context ?? describeScope(scope, undefined);
  return { ...request, args, context: { ...context, tasks } satisfies CallContext };
}

function toWishes(options: CallOptions | undefined): CallWishes | undefined {
  const { deadline = Infinity } = options ?? {};
  return deadline === Infinity ? undefined : { announce: true };
}

function toRecalled({ value, note }: ValueOutcome): Recalled | undefined {
  return note === "busy" ? undefined : { value, hit: note === "hit" };
}
