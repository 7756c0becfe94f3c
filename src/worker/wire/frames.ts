import type { ProjectTable } from "../../call/projects.ts";
import type { BegunItems, CallRequest, RunResult, ThrownValue } from "../worker.ts";

// How calls and their answers travel: each as an array of its own, beside Comlink's messages.
//
// Comlink carries the callbacks of calls, and the end of a web worker. The calls themselves go beneath
// it, on the same endpoint: an answer has to be there when the next call begins, as that may never
// return, so that Comlink has to post each alone, with an id and promises of its own. That reaches a
// quarter of the rate of raw `postMessage`, and frames with answers in shared memory three quarters;
// and a worker would have to load Comlink before its first call.
//
// ```text
// call     [slot, module, task, args]  or  [slot, module, task, args, context]
//          or, where it cannot be given back, [slot, module, task, args, context, true]
// answer   [slot, duration, value]     or  [slot, result]
// control  [slot, "abort", reason]      to the call that runs
//          [slot, "callback", message]
//          [slot, "ping", undefined]    to the worker, which reports that it reads messages
// report   [slot, "report", kind, data] from the call that runs, before its answer
// ```

/** The kind of report by which a call calls its caller back, and of the frame with the answer. */
export const CALLBACK = "callback";

/** What a worker is asked whether it reads messages with, and the kind of report by which it says so. */
export const PING = "ping";

/** How many calls may be on their way to one worker at once: slots are numbered from 0. */
export const WORKER_CAPACITY = 1024;

/** What is told of a call without warnings, as nearly every one is. */
export const NO_WARNINGS: readonly string[] = [];

/** A call that brings nothing but its arguments, as most do. */
export type PlainCallFrame = readonly [
  slot: number,
  module: string,
  task: string,
  args: readonly unknown[],
];

/** A call as it is posted; the slot stands for it. */
export type CallFrame =
  | PlainCallFrame
  | readonly [
    slot: number,
    module: string,
    task: string,
    args: readonly unknown[],
    context: unknown,
    once?: true,
  ];

/**
 * What goes to a call that runs: that it is to end, with a reason that `fromThrown()` gave, or what
 * became of a callback that it has called; or a question to its worker.
 */
export type ControlFrame = readonly [
  slot: number,
  type: "abort" | typeof CALLBACK | typeof PING,
  data: unknown,
];

/** What a parent posts. */
export type ParentFrame = CallFrame | ControlFrame;

/** What a call says while it runs. */
export type ReportFrame = readonly [slot: number, report: "report", kind: string, data: unknown];

/** The slot of what concerns a worker, and no call. */
export const NO_CALL = -1;

/** What a worker posts that leaves. */
export const LEAVE: ReportFrame = [NO_CALL, "report", "leave", undefined];

/** An answer as it is posted: short for a plain value, which most are. */
export type AnswerFrame =
  | readonly [slot: number, duration: number, value: unknown]
  | readonly [slot: number, result: RunResult];

/** What a worker posts. */
export type WorkerFrame = AnswerFrame | ReportFrame;

/**
 * Tells what goes to a call that runs from a call, by its length.
 *
 * @param frame What a parent has posted.
 * @returns Whether it is for a call that runs.
 */
export function isControlFrame(frame: ParentFrame): frame is ControlFrame {
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
 * @param once Whether it can be sent only once, as its arguments have gone with it.
 */
export function toCallFrame(
  slot: number,
  { module, task, args, context }: CallRequest,
  once: boolean,
): CallFrame {
  if (once) return [slot, module, task, args, context, once];
  return context === undefined ? [slot, module, task, args] : [slot, module, task, args, context];
}

/**
 * Reads a call.
 *
 * @param frame What was posted.
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
 */
export function toAnswerFrame(slot: number, result: RunResult): AnswerFrame {
  if (result.type !== "value" || result.source !== undefined || result.warnings.length > 0) {
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

// What both sides of a worker's channel agree upon beside the frames; how, is the kind's own matter.

/** The parent's side of who owns which call. */
export interface SentClaims {
  /** A call is about to be sent in this slot, with so many items, if it has some. */
  send(slot: number, items?: number): void;
  /** Takes the call back; `false` when the worker has claimed it. */
  revoke(slot: number): boolean;
  /** Keeps the body of a claimed call from beginning; `false` when it has begun, or nothing is claimed. */
  forestall(slot: number): boolean;
  /** Whether the worker has claimed the call. */
  isClaimed(slot: number): boolean;
  /** Whether the body of the call has begun. */
  hasBegun(slot: number): boolean;
  /** Whether the worker has claimed the call, and its body has not begun, and perhaps will not. */
  isPreparing(slot: number): boolean;
  /** Whether the worker runs its close hook. */
  isClosing(): boolean;
  /** The call in this slot is to end; `false` when the worker has not claimed it. */
  abort(slot: number): boolean;
  /**
   * No further item of the call begins; gives which have, or `undefined` when the worker has not
   * claimed the call.
   */
  takeItems(slot: number): BegunItems | undefined;
  /** How many items of the call in this slot may have begun. */
  begunItems(slot: number): number;
}

/** The worker's side of who owns which call. */
export interface ServedClaims {
  /**
   * Takes the call; `false` when the parent has taken it back.
   *
   * @param begins Whether its body begins now; otherwise `begin()` tells later.
   */
  claim(slot: number, begins: boolean): boolean;
  /** The body of a claimed call begins; `false` when the parent no longer wants that. */
  begin(slot: number): boolean;
  /** Whether the parent wants the call to end, as far as that shows while its code never awaits. */
  isAborted(slot: number): boolean;
  /** The next item of the call begins; `false` when the parent has taken it back. */
  beginItem(slot: number): boolean;
  /** The item that has begun takes its time: no other counts as begun meanwhile. */
  awaitItem(slot: number): void;
  /** One more message was posted. */
  countPosted(): void;
  /** The close hook runs from now on. */
  close(): void;
}

/** A way for small answers that is shorter than that of frames. */
export interface SmallAnswers {
  /** Writes an answer if it is small; tells whether it was written. */
  write(slot: number, result: RunResult): boolean;
}

/** A worker's first message: it listens now, and this is how it is watched. */
export interface ReadyMessage {
  /** Tells the message from others. */
  readonly type: "quiver.ready";
  /** The name of the Web Lock that the worker holds for as long as it lives. */
  readonly lock: string;
  /** The memory of {@linkcode Claims}. */
  readonly claims: SharedArrayBuffer;
  /** The memory of {@linkcode AnswerRing}. */
  readonly ring: SharedArrayBuffer;
}

/** The first message to a worker: what it cannot know by itself, before any code of a call runs. */
export interface ProgramMessage {
  /** Tells the message from others. */
  readonly type: "quiver.program";
  /** The URL of the program's main module. */
  readonly mainModule: string;
  /** The projects that the program knows. */
  readonly projects: ProjectTable;
}

/** How the close hook ended. */
export type CloseReply = { readonly type: "closed" } | {
  readonly type: "failed";
  readonly error: ThrownValue;
};

/** What a worker exposes through Comlink; calls go beside it (`frames.ts`). */
export interface ExposedWorker {
  /** Runs the close hook. */
  close(): Promise<CloseReply>;
}

/**
 * Tells whether a message is a worker's first.
 *
 * @returns Whether it is.
 */
export function isReadyMessage(data: unknown): data is ReadyMessage {
  return typeof data === "object" && data !== null && "type" in data &&
    data.type === "quiver.ready";
}
