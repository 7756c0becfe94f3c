import type { ThrownValue } from "./worker.ts";

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
}

/** How the close hook ended. */
export type CloseReply = { readonly type: "closed" } | {
  readonly type: "failed";
  readonly error: ThrownValue;
};

/** What a worker exposes through Comlink; calls go beside it (`_call_frames.ts`). */
export interface ExposedWorker {
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
