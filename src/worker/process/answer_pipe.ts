/**
 * What a process worker tells its parent, through a pipe of their own that the worker writes to
 * synchronously: an answer has left the worker when the next call starts, whatever that call does.
 *
 * ```text
 * message  header, then `length` bytes if the kind is `FRAME`
 * header   u32 slot, u32 kind, f64 duration or length, f64 number; little endian
 * ```
 *
 * A small answer is all in the header; otherwise the kind is `FRAME`, and a value follows.
 *
 * @module
 */
import { writeSync } from "node:fs";
import process from "node:process";
import { Deserializer, Serializer } from "node:v8";
import type { ProjectTable } from "../../call/projects.ts";
import { mainModule } from "../current_worker.ts";
import { PIECE_BYTES } from "./pieces.ts";
import type { CloseReply, ParentFrame, PlainCallFrame, SmallAnswers } from "../wire/frames.ts";
import { fromSmallKind, NOT_SMALL, toSmallKind } from "../wire/small_answers.ts";
import type { RunResult } from "../worker.ts";

const HEADER_BYTES = 24;
const FRAME = 0xffff;
/** Where the fields of a header begin. */
const SLOT = 0;
const KIND = 4;
const DURATION = 8;
const LENGTH = 8;
const NUMBER = 16;

/** The worker's end. */
export class AnswerWriter implements SmallAnswers {
  readonly #fd: number;
  readonly #most: number;
  readonly #header = new Uint8Array(HEADER_BYTES);
  readonly #view = new DataView(this.#header.buffer);

  /**
   * Takes over the pipe.
   *
   * @param most How many bytes are written at once.
   */
  constructor(fd: number, most: number = PIECE_BYTES) {
    this.#fd = fd;
    this.#most = most;
  }

  write(slot: number, result: RunResult): boolean {
    const kind = toSmallKind(result);
    if (kind === NOT_SMALL) return false;
    const view = this.#view;
    view.setUint32(SLOT, slot, true);
    view.setUint32(KIND, kind, true);
    if (result.type === "value") {
      view.setFloat64(DURATION, result.duration, true);
      if (typeof result.value === "number") view.setFloat64(NUMBER, result.value, true);
    }
    this.#write(this.#header);
    return true;
  }

  /**
   * Writes what is not small.
   *
   * @throws When structured clone refuses it.
   */
  writeFrame(frame: unknown): void {
    const bytes = toBytes(frame);
    this.#view.setFloat64(LENGTH, bytes.length, true);
    this.#view.setUint32(KIND, FRAME, true);
    this.#write(this.#header);
    this.#write(bytes);
  }

  #write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      at += writeSync(this.#fd, bytes, at, Math.min(bytes.length - at, this.#most));
    }
  }
}

/** What to do with what a worker tells. */
export interface AnswerReaderOptions {
  /** Is given each small answer. */
  answered: (slot: number, result: RunResult) => void;
  /** Is given each frame. */
  received: (frame: unknown) => void;
}

/** The parent's end: puts together what arrives in pieces. */
export class AnswerReader {
  readonly #options: AnswerReaderOptions;
  readonly #header = new Uint8Array(HEADER_BYTES);
  readonly #view = new DataView(this.#header.buffer);
  #headerLength = 0;
  /** There as soon as a header that announces bytes was read. */
  #body: Uint8Array | undefined;
  #bodyLength = 0;

  /**
   * Creates a reader at the beginning of a pipe.
   *
   * @param options What to do with what is read.
   */
  constructor(options: AnswerReaderOptions) {
    this.#options = options;
  }

  /**
   * Reads a piece.
   *
   * @param piece What has arrived.
   */
  read(piece: Uint8Array): void {
    for (let at = 0; at < piece.length;) {
      at += this.#body === undefined ? this.#readHeader(piece, at) : this.#readBody(piece, at);
    }
  }

  /** Whether only a part of a message was read. */
  get isWithin(): boolean {
    return this.#headerLength > 0 || this.#body !== undefined;
  }

  #readHeader(piece: Uint8Array, at: number): number {
    const length = Math.min(HEADER_BYTES - this.#headerLength, piece.length - at);
    for (let index = 0; index < length; index++) {
      this.#header[this.#headerLength + index] = piece[at + index] ?? 0;
    }
    this.#headerLength += length;
    if (this.#headerLength < HEADER_BYTES) return length;
    this.#headerLength = 0;
    const view = this.#view;
    const kind = view.getUint32(KIND, true);
    if (kind === FRAME) {
      this.#body = new Uint8Array(view.getFloat64(LENGTH, true));
      this.#bodyLength = 0;
    } else {
      const duration = view.getFloat64(DURATION, true);
      const result = fromSmallKind(kind, duration, view.getFloat64(NUMBER, true));
      this.#options.answered(view.getUint32(SLOT, true), result);
    }
    return length;
  }

  #readBody(piece: Uint8Array, at: number): number {
    const body = this.#body;
    if (body === undefined) return 0;
    const part = piece.subarray(at, at + body.length - this.#bodyLength);
    body.set(part, this.#bodyLength);
    this.#bodyLength += part.length;
    if (this.#bodyLength === body.length) {
      this.#body = undefined;
      this.#options.received(fromBytes(body));
    }
    return part.length;
  }
}

// How values cross to another process: as what structured clone would make of them.

/**
 * Makes bytes of a value.
 *
 * @throws What structured clone throws, or nearly so, when the value cannot be cloned.
 */
export function toBytes(value: unknown): Uint8Array {
  // Not the module's own `serialize()`, which tells neither which views share a buffer, nor where in
  // it a DataView begins.
  const serializer = new Serializer();
  serializer.writeHeader();
  serializer.writeValue(value);
  return serializer.releaseBuffer();
}

/**
 * Makes a value of bytes.
 *
 * @param bytes What {@linkcode toBytes} gave.
 */
export function fromBytes(bytes: Uint8Array): unknown {
  const deserializer = new Deserializer(bytes);
  deserializer.readHeader();
  return deserializer.readValue();
}

// What parent and process worker agree upon beside calls and answers.
//
// ```text
// fd 0  pipe    nothing is ever written; its end tells the worker that the parent is gone
// fd 3  ipc     a greeting, then calls: each message is a batch of frames, as bytes (`pieces.ts`)
// fd 4  pipe    answers, written synchronously (`answer_pipe.ts`)
// fd 5  file    who owns which call (`claim_log.ts`)
// ```

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
  /** The projects of the modules of its tasks. */
  readonly projects: ProjectTable;
  /** The path of that, as Node has it. */
  readonly script: string;
}

/**
 * What a batch consists of: the greeting, calls, the ends of calls, and the word to run the close hook.
 */
export type ProcessFrame = Greeting | ParentFrame | "close";

/** A call of the task that the call before it in the batch is of, as it crosses: names take longer. */
type SameTaskFrame = readonly [slot: number, args: readonly unknown[]];

/**
 * Makes bytes of a batch.
 *
 * @throws What {@linkcode toBytes} throws.
 */
export function toBatch(frames: readonly ProcessFrame[]): Uint8Array {
  let module: string | undefined;
  let task: string | undefined;
  return toBytes(frames.map((frame): ProcessFrame | SameTaskFrame => {
    if (!isPlainCall(frame)) return frame;
    if (frame[1] === module && frame[2] === task) return [frame[0], frame[3]];
    [, module, task] = frame;
    return frame;
  }));
}

/**
 * Reads a batch.
 *
 * @param bytes What {@linkcode toBatch} gave.
 */
export function fromBatch(bytes: Uint8Array): readonly ProcessFrame[] {
  let module = "";
  let task = "";
  // What the parent sent is what `toBatch()` made.
  const frames = fromBytes(bytes) as readonly (ProcessFrame | SameTaskFrame)[];
  return frames.map((frame) => {
    if (isSameTask(frame)) return [frame[0], module, task, frame[1]];
    if (isPlainCall(frame)) [, module, task] = frame;
    return frame;
  });
}

/** Whether it is a call that brings nothing but its arguments. */
function isPlainCall(frame: ProcessFrame): frame is PlainCallFrame {
  return Array.isArray(frame) && frame.length === 4;
}

function isSameTask(frame: ProcessFrame | SameTaskFrame): frame is SameTaskFrame {
  return Array.isArray(frame) && frame.length === 2;
}

/** Makes the first frame. */
export function toGreeting(name: string, projects: ProjectTable): Greeting {
  return { name, mainModule: mainModule(), projects, script: process.argv[1] ?? "" };
}

/**
 * Tells whether a frame is the first.
 *
 * @returns Whether it is.
 */
export function isGreeting(frame: Greeting | ParentFrame): frame is Greeting {
  return "mainModule" in frame;
}

/** What a process worker says when it listens. */
export const READY = "ready";

/** The last word of a process worker that ends because of an error which nobody has caught. */
export interface UncaughtNotice {
  /** Tells it from other notices. */
  readonly type: "uncaught";
  /** What was thrown, in words. */
  readonly text: string;
}

/** What a process worker says beside answers, which are arrays. */
export type ProcessNotice = typeof READY | CloseReply | UncaughtNotice;
