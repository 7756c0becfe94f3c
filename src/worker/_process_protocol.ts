/**
 * What parent and process worker agree upon beside calls and answers.
 *
 * ```text
 * fd 0  pipe    nothing is ever written; its end tells the worker that the parent is gone
 * fd 3  ipc     calls: each message is a batch of frames, as bytes
 * fd 4  pipe    answers, written synchronously (`_answer_pipe.ts`)
 * fd 5  file    who owns which call (`_claim_log.ts`)
 * ```
 *
 * @module
 */
import type { ParentFrame } from "./_call_frames.ts";
import type { CloseReply } from "./_protocol.ts";

/** The pipe of answers. */
export const ANSWER_FD = 4;
/** The file of claims. */
export const CLAIM_FD = 5;

/** What a batch consists of: calls, the ends of calls, and the word to run the close hook. */
export type ProcessFrame = ParentFrame | "close";

/** What a process worker says when it listens. */
export const READY = "ready";

/** What a process worker says beside answers, which are arrays. */
export type ProcessNotice = typeof READY | CloseReply;
