import { computeAlone, computeLeased, type Recalled } from "../cache/recall.ts";
import type { Scope } from "../scope/scope.ts";
import type { CallRunner, ReadyCall, RememberedCall } from "../task/answer_call.ts";
import { toThrown } from "../value/thrown_value.ts";
import type { Outcome } from "../worker/worker.ts";
import {
  type CallWishes,
  toCallContext,
  toTravelling,
  type TravellingCall,
} from "./call_context.ts";
import type { CallOptions } from "./call_options.ts";
import { OptionedCall } from "./_optioned_call.ts";
import type { WorkerOutputLine } from "./output.ts";
import type { Dispatcher } from "./dispatcher.ts";

type ValueOutcome = Extract<Outcome, { type: "value" }>;

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
 * @param output Takes what tasks print; it is printed by the workers when left out.
 * @returns The runner.
 */
export function createRunner(
  dispatcher: Dispatcher,
  output?: (line: WorkerOutputLine) => void,
): EngineRunner {
  // Promises are chained by hand: an async function would make one more for each of many short calls.
  const send = (
    ready: ReadyCall,
    options: CallOptions | undefined,
    call?: TravellingCall,
  ): Promise<Outcome> => {
    const { definition: { address }, scope, args, status } = ready;
    const context = toCallContext(scope, call, toWishes(options, output !== undefined));
    const printed = output && ((data: unknown, worker: string) => {
      handOver(output, { ...data as Printed, worker, task: address.name }, scope);
    });
    const observer = options === undefined && printed === undefined
      ? status
      : new OptionedCall(status, options ?? {}, printed);
    return dispatcher.run({ module: address.module, task: address.name, args, context }, observer);
  };
  // A cache that cannot travel is filled from here.
  const fillFromHere = <R>(
    compute: (...args: Parameters<typeof computeLeased>) => Promise<R>,
    remembered: RememberedCall,
    options: CallOptions | undefined,
  ): Promise<R> => {
    const { cache, call, scope } = remembered;
    const body = async () => unwrap(await send(remembered, options), scope).value;
    return compute(cache, call, body, { metadata: { tags: scope.tags }, warn: scope.warn });
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

function toWishes(options: CallOptions | undefined, output: boolean): CallWishes | undefined {
  const announce = (options?.deadline ?? Infinity) !== Infinity;
  return announce || output ? { announce, output } : undefined;
}

/** What a worker sends of what a task prints. */
type Printed = Pick<WorkerOutputLine, "text" | "stream">;

function handOver(
  output: (line: WorkerOutputLine) => void,
  line: WorkerOutputLine,
  { warn }: Scope,
): void {
  try {
    output(line);
  } catch (error) {
    // Whoever takes what is printed must not end the program, nor the call.
    warn(`Cannot hand over what "${line.task}" has printed`, error);
  }
}

function unwrap(outcome: Outcome, { warn }: Scope): ValueOutcome {
  for (const warning of outcome.warnings) warn(warning);
  if (outcome.type === "error") throw toThrown(outcome.error.thrown);
  return outcome;
}

function toRecalled({ value, note }: ValueOutcome): Recalled | undefined {
  return note === "busy" ? undefined : { value, hit: note === "hit" };
}
