import type { Scope } from "../scope/scope.ts";
import { type Carried, fromCarried } from "../value/carry_value.ts";
import { toThrown } from "../value/codec/thrown_value.ts";
import type { Outcome } from "../worker/worker.ts";

/**
 * Reads how a call ended.
 *
 * @param outcome The outcome.
 * @param scope The scope of the call, which is told of warnings.
 * @returns The outcome, when there is a value.
 * @throws What the task threw.
 */
export function unwrapOutcome(
  outcome: Outcome,
  { warn }: Scope,
): Extract<Outcome, { type: "value" }> {
  for (const warning of outcome.warnings) warn(warning);
  if (outcome.type === "error") throw toThrown(outcome.error.thrown);
  // What a worker says of it is what it has made of it.
  return outcome.carried ? { ...outcome, value: fromCarried(outcome.value as Carried) } : outcome;
}
