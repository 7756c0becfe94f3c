/**
 * The parent's side of a process worker.
 *
 * @module
 */
import { closeSync } from "node:fs";
import { type WorkerDeath, WorkerInitError } from "../base/errors.ts";
import type { AnswerReaderOptions } from "./_answer_pipe.ts";
import {
  type AbortFrame,
  type CallFrame,
  fromCallFrame,
  isReportFrame,
  toCallFrame,
  type WorkerFrame,
} from "./_call_frames.ts";
import { SentClaimLog } from "./_claim_log.ts";
import { KindWorker, type WorkerKind } from "./_kind_worker.ts";
import {
  checkRunPermission,
  openClaimFile,
  openProcessChild,
  type ProcessChild,
  type ProcessChildOptions,
} from "./_process_child.ts";
import { toParcel } from "./_large_buffers.ts";
import { type ProcessNotice, READY } from "./_process_protocol.ts";
import type { CloseReply } from "./_protocol.ts";
import { ProgramFlagsReader } from "./_program_flags.ts";
import { refuseNesting } from "./_refuse_nesting.ts";
import { SentCalls } from "./_sent_calls.ts";
import { toRequestError } from "./_unclonable.ts";
import type { CallRequest, RunResult, Worker } from "./worker.ts";

/** Options of {@linkcode openProcessWorker}. */
export interface OpenProcessWorkerOptions extends ProcessChildOptions {
  /** Gives the start up, with the signal's reason. */
  signal?: AbortSignal;
  /**
   * After how many milliseconds a worker that says nothing counts as failed.
   *
   * @default {60000}
   */
  startTimeout?: number;
}

const PROGRAM = new ProgramFlagsReader();

/**
 * Starts a process of Deno's that is a worker.
 *
 * Requires `--allow-run` of Deno's own executable, `--allow-env`, and `--allow-read` and
 * `--allow-write` of the folder for temporary files.
 *
 * @param entry The module to start with; it calls `exposeProcess()`.
 * @param options Its name, what it may do, and when to give the start up.
 * @returns The worker, ready for calls.
 * @throws {WorkerInitError} When the worker cannot start.
 * @throws {NestedExecutorError} When a worker that imports a task's module would start it.
 */
export async function openProcessWorker(
  entry: URL,
  options: OpenProcessWorkerOptions,
): Promise<Worker> {
  refuseNesting();
  options.signal?.throwIfAborted();
  const { name } = options;
  allowed(name, checkRunPermission);
  const program = await PROGRAM.read();
  options.signal?.throwIfAborted();
  const files = allowed(name, openClaimFile);
  // Nobody has asked for this end; whoever closes the worker is told what went wrong.
  const claims = new SentClaimLog(files.parent, () => void worker.close().catch(() => {}));
  const calls = new SentCalls(name, claims);
  const told = new ToldByProcess(calls, claims);
  let child: ProcessChild;
  try {
    child = allowed(name, () => openProcessChild(entry, files.child, options, program, told));
  } catch (error) {
    closeSync(files.parent);
    throw error;
  } finally {
    closeSync(files.child);
  }
  const worker = new KindWorker(name, calls, new ProcessKind(child, calls, claims, told));
  void worker.dead.then(() => closeSync(files.parent));
  await whenReady(child, told.ready, entry, options);
  return worker;
}

/** Says what a process worker needs when it may not do something. */
function allowed<T>(name: string, open: () => T): T {
  try {
    return open();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
    throw new WorkerInitError(
      `Cannot start worker "${name}": ${error.message}; a worker of the kind "process" needs ` +
        `\`--allow-run=${Deno.execPath()} --allow-env --allow-read --allow-write\`, the last two at ` +
        "least of the folder for temporary files",
      { cause: error },
    );
  }
}

async function whenReady(
  child: ProcessChild,
  ready: Promise<void>,
  entry: URL,
  { name, signal, startTimeout = 60_000 }: OpenProcessWorkerOptions,
): Promise<void> {
  const failed = Promise.withResolvers<never>();
  const fail = (reason: string) =>
    failed.reject(
      new WorkerInitError(`Cannot start worker "${name}": its entry "${entry}" failed`, {
        cause: new Error(reason),
      }),
    );
  const abort = () => failed.reject(signal?.reason);
  const timer = setTimeout(() => fail(`it was not ready after ${startTimeout} ms`), startTimeout);
  signal?.addEventListener("abort", abort);
  void child.ended.then(({ reason }) => fail(`${reason}; see its standard error`));
  try {
    await Promise.race([ready, failed.promise]);
  } catch (error) {
    child.stop("it did not start");
    await child.ended;
    throw error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}

/** What a process has told, and who is to be told of it. */
class ToldByProcess implements AnswerReaderOptions {
  readonly ready: Promise<void>;
  readonly closed: Promise<CloseReply>;
  readonly #calls: SentCalls;
  readonly #claims: SentClaimLog;
  readonly #ready = Promise.withResolvers<void>();
  readonly #closed = Promise.withResolvers<CloseReply>();

  constructor(calls: SentCalls, claims: SentClaimLog) {
    this.#calls = calls;
    this.#claims = claims;
    this.ready = this.#ready.promise;
    this.closed = this.#closed.promise;
  }

  answered(slot: number, result: RunResult): void {
    this.#claims.answered();
    this.#calls.resolve(slot, result);
  }

  received(frame: unknown): void {
    // What a worker writes is what `exposeProcess()` makes.
    const told = frame as WorkerFrame | ProcessNotice;
    if (told === READY) this.#ready.resolve();
    else if ("type" in told) this.#closed.resolve(told);
    else {
      if (!isReportFrame(told)) this.#claims.answered();
      this.#calls.receive(told);
    }
  }
}

class ProcessKind implements WorkerKind {
  readonly ended: Promise<WorkerDeath>;
  readonly #child: ProcessChild;
  readonly #calls: SentCalls;
  readonly #claims: SentClaimLog;
  readonly #told: ToldByProcess;
  #batch: CallFrame[] = [];
  /** Buffers that were given away: they go as bytes, and are empty afterwards as on other kinds. */
  #moved: ArrayBuffer[] = [];

  constructor(child: ProcessChild, calls: SentCalls, claims: SentClaimLog, told: ToldByProcess) {
    this.ended = child.ended;
    this.#child = child;
    this.#calls = calls;
    this.#claims = claims;
    this.#told = told;
  }

  /** What is sent in one microtask checkpoint goes as one message. */
  send(slot: number, request: CallRequest): void {
    const parcel = toParcel(request.args, "keep");
    if (parcel !== undefined) this.#moved.push(...parcel.moved);
    const ready = parcel === undefined ? request : { ...request, args: parcel.values };
    const frame = toCallFrame(slot, ready);
    if (this.#batch.push(frame) === 1) queueMicrotask(() => this.#flush());
  }

  abort(frame: AbortFrame): void {
    // Behind the call that it is for.
    this.#flush();
    this.#child.send([frame]);
  }

  async close(): Promise<CloseReply> {
    this.#child.send(["close"]);
    const reply = await this.#told.closed;
    this.#child.leave();
    return reply;
  }

  stop(reason: string): undefined {
    this.#child.stop(reason);
  }

  async stopped(signal: AbortSignal): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const giveUp = () => resolve(false);
    signal.addEventListener("abort", giveUp);
    void this.ended.then(() => resolve(true));
    try {
      return signal.aborted ? false : await promise;
    } finally {
      signal.removeEventListener("abort", giveUp);
    }
  }

  #flush(): void {
    if (this.#batch.length === 0) return;
    const batch = this.#batch;
    this.#batch = [];
    try {
      this.#child.send(batch);
    } catch {
      // One frame spoils its batch: each goes alone, so that only the guilty one fails.
      for (const frame of batch) this.#sendAlone(frame);
    }
    for (const buffer of this.#moved.splice(0)) if (!buffer.detached) buffer.transfer();
  }

  #sendAlone(frame: CallFrame): void {
    try {
      this.#child.send([frame]);
    } catch (cause) {
      this.#claims.withdraw(frame[0]);
      this.#calls.reject(frame[0], toRequestError(fromCallFrame(frame), cause));
    }
  }
}
