import type { CallRequest, Outcome, RunResult, ThrownValue } from "./worker.ts";

/** A worker's first message: it listens now, and this is how it is watched. */
export interface ReadyMessage {
  /** Tells the message from others. */
  readonly type: "quiver.ready";
  /** The name of the Web Lock that the worker holds for as long as it lives. */
  readonly lock: string;
  /** The memory of {@linkcode Claims}. */
  readonly claims: SharedArrayBuffer;
}

/** How the running of a call was answered. */
export type Reply = RunResult | {
  /** The request never left the parent. */
  readonly type: "unsendable";
  /** What structured clone threw. */
  readonly cause: unknown;
};

/** How the close hook ended. */
export type CloseReply = { readonly type: "closed" } | {
  readonly type: "failed";
  readonly error: ThrownValue;
};

/** What a worker exposes. */
export interface ExposedWorker {
  /** Runs a call after those before it, unless its slot says that it was taken back. */
  run(request: CallRequest, slot: number): Promise<Reply>;
  /** Runs the close hook. */
  close(): Promise<CloseReply>;
}

/**
 * Tells whether a message is a worker's first.
 *
 * @param data The message.
 * @returns Whether it is.
 */
export function isReadyMessage(data: unknown): data is ReadyMessage {
  return typeof data === "object" && data !== null && "type" in data &&
    data.type === "quiver.ready";
}

/**
 * Makes the message with which Comlink answers a request, for answers that Comlink cannot give.
 *
 * @param message The request, or an answer whose value could not be sent.
 * @param value The value to answer with.
 * @returns The answer, to the same call as the message.
 */
export function toAnswer(message: unknown, value: Reply): unknown {
  return { ...Object(message), type: "RAW", value };
}

/**
 * Reads the outcome out of an answer of Comlink's that structured clone refused.
 *
 * @param message The answer.
 * @returns The outcome: of all that a worker answers, only an outcome holds a task's own data.
 */
export function fromAnswer(message: unknown): Outcome {
  return Object(message).value;
}
