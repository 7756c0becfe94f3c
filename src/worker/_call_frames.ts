/**
 * How calls and their answers travel: each as an array of its own, beside Comlink's messages.
 *
 * Comlink proxies the worker's other methods. A call through it costs as much as all the rest of a
 * short call taken together (an id, nested objects to copy, promises of its own), so calls go
 * beneath it, on the same endpoint.
 *
 * ```text
 * call     [slot, module, task, args]  or  [slot, module, task, args, context]
 * answer   [slot, duration, value]     or  [slot, result]
 * abort    [slot, "abort", reason]     to the call that runs
 * report   [slot, "report", kind, data] from the call that runs, before its answer
 * ```
 *
 * @module
 */
import type { CallRequest, RunResult } from "./worker.ts";

/** How many calls may be on their way to one worker at once: slots are numbered from 0. */
export const WORKER_CAPACITY = 1024;

/** What is told of a call without warnings, as nearly every one is. */
export const NO_WARNINGS: readonly string[] = [];

/** A call as it is posted; the slot stands for it. */
export type CallFrame =
  | readonly [slot: number, module: string, task: string, args: readonly unknown[]]
  | readonly [
    slot: number,
    module: string,
    task: string,
    args: readonly unknown[],
    context: unknown,
  ];

/** What tells a call that runs to end; the reason is what `fromThrown()` gave. */
export type AbortFrame = readonly [slot: number, abort: "abort", reason: unknown];

/** What a parent posts. */
export type ParentFrame = CallFrame | AbortFrame;

/** What a call says while it runs. */
export type ReportFrame = readonly [slot: number, report: "report", kind: string, data: unknown];

/** An answer as it is posted: short for a plain value, which most are. */
export type AnswerFrame =
  | readonly [slot: number, duration: number, value: unknown]
  | readonly [slot: number, result: RunResult];

/** What a worker posts. */
export type WorkerFrame = AnswerFrame | ReportFrame;

/**
 * Tells an abort from a call, by its length.
 *
 * @param frame What a parent has posted.
 * @returns Whether it is an abort.
 */
export function isAbortFrame(frame: ParentFrame): frame is AbortFrame {
  return frame.length === 3;
}

/**
 * Tells a report from an answer, by its length.
 *
 * @param frame What a worker has posted.
 * @returns Whether it is a report.
 */
export function isReportFrame(frame: WorkerFrame): frame is ReportFrame {
  return frame.length === 4;
}

/**
 * Makes what is posted for a call.
 *
 * @param slot What stands for the call.
 * @param request The call.
 * @returns The frame.
 */
export function toCallFrame(
  slot: number,
  { module, task, args, context }: CallRequest,
): CallFrame {
  return context === undefined ? [slot, module, task, args] : [slot, module, task, args, context];
}

/**
 * Reads a call.
 *
 * @param frame What was posted.
 * @returns The call.
 */
export function fromCallFrame(frame: CallFrame): CallRequest {
  // By their places: to take an array apart makes an iterator, for each call.
  return { module: frame[1], task: frame[2], args: frame[3], context: frame[4] };
}

/**
 * Makes what is posted for an answer.
 *
 * @param slot What stands for the call.
 * @param result How it ended.
 * @returns The frame.
 */
export function toAnswerFrame(slot: number, result: RunResult): AnswerFrame {
  if (result.type !== "value" || result.note !== undefined || result.warnings.length > 0) {
    return [slot, result];
  }
  if (result.heapBytes !== undefined || result.carried) return [slot, result];
  return [slot, result.duration, result.value];
}

/**
 * Finds the value in an answer.
 *
 * @param frame What is to be posted.
 * @returns The value; `undefined` if the call ended otherwise.
 */
export function valueOfAnswer(frame: AnswerFrame): unknown {
  if (frame.length === 3) return frame[2];
  const [, result] = frame;
  return result.type === "value" ? result.value : undefined;
}

/**
 * Puts another value into an answer.
 *
 * @param frame What is to be posted.
 * @param value What goes instead of its value.
 * @returns The answer with it.
 */
export function withValue(frame: AnswerFrame, value: unknown): AnswerFrame {
  if (frame.length === 3) return [frame[0], frame[1], value];
  const [slot, result] = frame;
  return result.type === "value" ? [slot, { ...result, value }] : frame;
}

/**
 * Reads an answer.
 *
 * @param frame What was posted.
 * @returns How the call ended.
 */
export function fromAnswerFrame(frame: AnswerFrame): RunResult {
  if (frame.length === 2) return frame[1];
  return { type: "value", duration: frame[1], value: frame[2], warnings: NO_WARNINGS };
}
