import { computeAlone, computeLeased, type Recalled } from "../cache/recall.ts";
import type { Scope } from "../scope/scope.ts";
import type { CallRunner, ReadyCall, RememberedCall } from "../task/answer_call.ts";
import { toThrown } from "../value/thrown_value.ts";
import type { Outcome } from "../worker/worker.ts";
import { toCallContext, toTravelling, type TravellingCall } from "./call_context.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { WorkerShare } from "./_worker_share.ts";

type ValueOutcome = Extract<Outcome, { type: "value" }>;

/**
 * Creates what runs the bodies of calls on workers.
 *
 * @param dispatcher Brings calls to workers.
 * @param share Says what holds for calls on their workers.
 * @returns The runner.
 */
export function createRunner(dispatcher: Dispatcher, share: WorkerShare): CallRunner {
  // Promises are chained by hand: an async function would make one more for each of many short calls.
  const send = (ready: ReadyCall, call?: TravellingCall): Promise<Outcome> => {
    const { definition: { address }, scope, args, status } = ready;
    const context = toCallContext(scope, call, share.limits);
    return dispatcher.run({ module: address.module, task: address.name, args, context }, status);
  };
  // A cache that cannot travel is filled from here.
  const fillFromHere = <R>(
    compute: (...args: Parameters<typeof computeLeased>) => Promise<R>,
    remembered: RememberedCall,
  ): Promise<R> => {
    const { cache, call, scope } = remembered;
    const body = async () => unwrap(await send(remembered), scope).value;
    return compute(cache, call, body, { metadata: { tags: scope.tags }, warn: scope.warn });
  };
  return {
    run: (ready) => send(ready).then((outcome) => unwrap(outcome, ready.scope).value),
    attempt: async (remembered) => {
      const { cache, call, scope } = remembered;
      if (cache.secretDescription === undefined) {
        return await fillFromHere(computeLeased, remembered);
      }
      return toRecalled(unwrap(await send(remembered, toTravelling(call, true)), scope));
    },
    alone: async (remembered) => {
      const { cache, call, scope } = remembered;
      if (cache.secretDescription === undefined) {
        return await fillFromHere(computeAlone, remembered);
      }
      const { value } = unwrap(await send(remembered, toTravelling(call, false)), scope);
      return { value, hit: false };
    },
  };
}

function unwrap(outcome: Outcome, { warn }: Scope): ValueOutcome {
  for (const warning of outcome.warnings) warn(warning);
  if (outcome.type === "error") throw toThrown(outcome.error.thrown);
  return outcome;
}

function toRecalled({ value, note }: ValueOutcome): Recalled | undefined {
  return note === "busy" ? undefined : { value, hit: note === "hit" };
}
