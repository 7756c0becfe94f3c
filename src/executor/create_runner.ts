import { computeCall } from "../cache/compute_call.ts";
import type { Scope } from "../scope/scope.ts";
import type { CallRunner } from "../task/answer_call.ts";
import { toThrown } from "../value/thrown_value.ts";
import type { Outcome } from "../worker/worker.ts";
import { toCallContext } from "./call_context.ts";
import type { Dispatcher, Permit } from "./dispatcher.ts";

/**
 * Creates what runs the bodies of calls on workers.
 *
 * @param dispatcher Brings calls to workers.
 * @returns The runner.
 */
export function createRunner(dispatcher: Dispatcher): CallRunner<Permit> {
  return {
    admit: (cancellation) => dispatcher.admit(cancellation),
    run: ({ definition, scope, args, status }, remembered) => {
      const { module, name } = definition.address;
      const context = toCallContext(scope, remembered?.call);
      const options = {
        permit: remembered?.place,
        signal: status.cancellation,
        started: () => status.started(),
      };
      const send = () =>
        dispatcher.run({ module, task: name, args, context }, options)
          .then((outcome) => unwrap(outcome, scope));
      if (remembered === undefined || context.call !== undefined) return send();
      // A cache that cannot travel is filled from here.
      const { tags, warn } = scope;
      return computeCall(remembered.cache, remembered.call, send, { metadata: { tags }, warn });
    },
  };
}

function unwrap(outcome: Outcome, { warn }: Scope): unknown {
  for (const warning of outcome.warnings) warn(warning);
  if (outcome.type === "error") throw toThrown(outcome.error.thrown);
  return outcome.value;
}
