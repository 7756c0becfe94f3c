import { UnclonableError } from "../errors.ts";
import { findShared, findUnclonable } from "../value/find_unclonable.ts";

import type { CallRequest } from "./worker.ts";

/**
 * Says which part of a request structured clone refused.
 *
 * @param request The request that could not be sent.
 * @param cause What structured clone threw.
 * @returns The error for the caller.
 */
export function toRequestError(request: CallRequest, cause: unknown): UnclonableError {
  const { args, context } = request;
  let found: { readonly path: string; readonly reason: string };
  try {
    found = findUnclonable(args, "args") ?? findUnclonable(context, "context") ??
      findShared(args, "args") ?? { path: "args", reason: toText(cause) };
  } catch (thrown) {
    // A getter, which structured clone met before.
    found = { path: "args", reason: `reading it threw "${toText(thrown)}"` };
  }
  return new UnclonableError(
    `Cannot send ${found.path} of "${request.task}" to a worker: ${found.reason}`,
    found.path,
    { cause },
  );
}

/**
 * Says which part of a result structured clone refused.
 *
 * @param value The result that could not be sent.
 * @param cause What structured clone threw.
 * @returns The error for the caller.
 */
export function toResultError(value: unknown, cause: unknown): UnclonableError {
  const found = findUnclonable(value, "result") ?? findShared(value, "result") ??
    { path: "result", reason: toText(cause) };
  return new UnclonableError(
    `Cannot send ${found.path} back from a worker: ${found.reason}`,
    found.path,
    { cause },
  );
}

function toText(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
