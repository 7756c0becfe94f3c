import type { RunResult } from "./worker.ts";

/** The kinds of answer that need no number of their own, by position. */
const CONSTANTS: readonly unknown[] = [undefined, null, false, true];
const NUMBER = CONSTANTS.length;
const REVOKED = NUMBER + 1;

/** The kind of an answer that is not small. */
export const NOT_SMALL = -1;

/**
 * Finds the kind of an answer: with it, the number, and how long the call took, a small one is told.
 *
 * @param result How a call ended.
 * @returns The kind, or {@linkcode NOT_SMALL}.
 */
export function toSmallKind(result: RunResult): number {
  if (result.type === "revoked") return REVOKED;
  if (result.type === "error" || result.note !== undefined || result.warnings.length > 0) {
    return NOT_SMALL;
  }
  if (result.heapBytes !== undefined) return NOT_SMALL;
  return typeof result.value === "number" ? NUMBER : CONSTANTS.indexOf(result.value);
}

/**
 * Reads a small answer.
 *
 * @param kind Its kind.
 * @param duration How long the call took.
 * @param number The value, if it is a number.
 * @returns How the call ended.
 */
export function fromSmallKind(kind: number, duration: number, number: number): RunResult {
  if (kind === REVOKED) return { type: "revoked" };
  return {
    type: "value",
    value: kind === NUMBER ? number : CONSTANTS[kind],
    duration,
    warnings: [],
  };
}
