/**
 * What parent and process worker agree upon beside calls and answers.
 *
 * ```text
 * fd 0  pipe    nothing is ever written; its end tells the worker that the parent is gone
 * fd 3  ipc     a greeting, then calls: each message is a batch of frames, as bytes
 * fd 4  pipe    answers, written synchronously (`_answer_pipe.ts`)
 * fd 5  file    who owns which call (`_claim_log.ts`)
 * ```
 *
 * @module
 */
import process from "node:process";
import type { ParentFrame } from "./_call_frames.ts";
import type { CloseReply } from "./_protocol.ts";

/** The pipe of answers. */
export const ANSWER_FD = 4;
/** The file of claims. */
export const CLAIM_FD = 5;

/**
 * The first frame: what a process is told that its command line does not say, as that is for the
 * program's own arguments.
 */
export interface Greeting {
  /** The worker's name. */
  readonly name: string;
  /** The URL of the program's main module. */
  readonly mainModule: string;
  /** The path of that, as Node has it. */
  readonly script: string;
}

/**
 * What a batch consists of: the greeting, calls, the ends of calls, and the word to run the close hook.
 */
export type ProcessFrame = Greeting | ParentFrame | "close";

/**
 * Makes the first frame.
 *
 * @param name The worker's name.
 * @returns The frame.
 */
export function toGreeting(name: string): Greeting {
  return { name, mainModule: Deno.mainModule, script: process.argv[1] ?? "" };
}

/**
 * Tells whether a frame is the first.
 *
 * @param frame A frame.
 * @returns Whether it is.
 */
export function isGreeting(frame: Greeting | ParentFrame): frame is Greeting {
  return "mainModule" in frame;
}

/** What a process worker says when it listens. */
export const READY = "ready";

/** What a process worker says beside answers, which are arrays. */
export type ProcessNotice = typeof READY | CloseReply;
