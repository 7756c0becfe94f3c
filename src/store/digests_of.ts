import type { CallRecord } from "../call/call_record.ts";
import type { Digest } from "../value/value.ts";

/**
 * Lists the values that a record names: they are to stay for as long as the record does.
 *
 * @param record The record of a call.
 * @returns The digests of the result and of the arguments that are stored; some may be equal.
 */
export function digestsOf({ result, args }: CallRecord): Digest[] {
  const digests = [result];
  for (const { value } of args) if (value !== undefined) digests.push(value);
  return digests;
}
