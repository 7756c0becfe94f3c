import type { UnclonableError } from "../base/errors.ts";
import { toRequestError } from "./_unclonable.ts";
import type { CallRequest } from "./worker.ts";

/**
 * Tells whether the arguments of a call can go to a worker, at the price of a copy: for where a
 * worker would be started only to learn that they cannot.
 *
 * @param request The call.
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
