import { computeAlone, computeLeased, type Recalled } from "../cache/recall.ts";
import type { Scope } from "../scope/scope.ts";
import type { CallRunner, ReadyCall, RememberedCall } from "../task/answer_call.ts";
import { toThrown } from "../value/thrown_value.ts";
import type { Outcome } from "../worker/worker.ts";
import { toCallContext, toTravelling, type TravellingCall } from "./call_context.ts";
import type { Dispatcher } from "./dispatcher.ts";

type ValueOutcome = Extract<Outcome, { type: "value" }>;

/**
 * Creates what runs the bodies of calls on workers.
 *
 * @param dispatcher Brings calls to workers.
 * @returns The runner.
 */
export function createRunner(dispatcher: Dispatcher): CallRunner {
  const send = async (ready: ReadyCall, call?: TravellingCall): Promise<ValueOutcome> => {
    const { definition: { address }, scope, args, status } = ready;
    const context = toCallContext(scope, call);
    const outcome = await dispatcher.run(
      { module: address.module, task: address.name, args, context },
      { signal: status.cancellation, started: () => status.started() },
    );
    return unwrap(outcome, scope);
  };
  // A cache that cannot travel is filled from here.
  const fillFromHere = <R>(
    compute: (...args: Parameters<typeof computeLeased>) => Promise<R>,
    remembered: RememberedCall,
  ): Promise<R> => {
    const { cache, call, scope } = remembered;
    const body = async () => (await send(remembered)).value;
    return compute(cache, call, body, { metadata: { tags: scope.tags }, warn: scope.warn });
  };
  return {
    run: async (ready) => (await send(ready)).value,
    attempt: async (remembered) => {
      const { cache, call } = remembered;
      if (cache.description === undefined) return await fillFromHere(computeLeased, remembered);
      return toRecalled(await send(remembered, toTravelling(call, true)));
    },
    alone: async (remembered) => {
      const { cache, call } = remembered;
      if (cache.description === undefined) return await fillFromHere(computeAlone, remembered);
      const { value } = await send(remembered, toTravelling(call, false));
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
