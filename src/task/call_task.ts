import type { computeLeased } from "../cache/recall.ts";
import type { Scope } from "../scope/scope.ts";
import { toRecordMetadata } from "../scope/scope_description.ts";
import { answerCall } from "./answer_call.ts";
import type { CallRunner, RememberedCall } from "./call_runner.ts";
import type { Future } from "./future.ts";
import { REMEMBERING } from "./remembering.ts";
import { runBody } from "./run_body.ts";
import type { TaskDefinition } from "./task_definition.ts";

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
