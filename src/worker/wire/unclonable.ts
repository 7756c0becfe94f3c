import { UnclonableError } from "../../base/errors.ts";
import { originalOf, toOriginals } from "../../value/carry_value.ts";
import { findShared, findUnclonable } from "../../value/digest/refusal.ts";
import type { CallRequest } from "../worker.ts";

/**
 * Says which part of a request structured clone refused.
 *
 * @param request The request that could not be sent.
 * @param cause What structured clone threw.
 * @returns The error for the caller.
 */
export function toRequestError(request: CallRequest, cause: unknown): UnclonableError {
  const { context } = request;
  const args = toOriginals(request.args);
  let found: { readonly path: string; readonly reason: string };
  try {
    found = findUnclonable(args, "args") ?? findUnclonable(context, "context") ??
      findShared(args, "args") ?? { path: findFailing(args, context), reason: toText(cause) };
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
  const original = originalOf(value);
  const found = findUnclonable(original, "result") ?? findShared(original, "result") ??
    { path: "result", reason: toText(cause) };
  return new UnclonableError(
    `Cannot send ${found.path} back from a worker: ${found.reason}`,
    found.path,
    { cause },
  );
}

/** Which part structured clone refuses for what no part of it is by itself. */
function findFailing(args: readonly unknown[], context: unknown): string {
  const parts: [path: string, value: unknown][] = [
    ...args.map((value, index): [string, unknown] => [`args[${index}]`, value]),
    ...Object.entries(Object(context)).map(([name, value]): [string, unknown] => {
      return [`context.${name}`, value];
    }),
  ];
  return parts.find(([, value]) => !isClonable(value))?.[0] ?? "args";
}

function isClonable(value: unknown): boolean {
  try {
    structuredClone(value);
    return true;
  } catch {
    return false;
  }
}

function toText(cause: unknown): string {
  if (cause instanceof RangeError && /call stack/.test(cause.message)) {
    return "it is nested too deeply; pass it flattened";
  }
  return cause instanceof Error ? cause.message : String(cause);
}

/**
 * Tells whether the arguments of a call can go to a worker, at the price of a copy: for where a
 * worker would be started only to learn that they cannot.
 *
 * @returns Why they cannot, or `undefined` when they can.
 */
export function checkRequest(request: CallRequest): UnclonableError | undefined {
  try {
    structuredClone(request.args);
    return undefined;
  } catch (cause) {
    return toRequestError(request, cause);
  }
}
