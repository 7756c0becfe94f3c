/**
 * The parent's side of a process worker.
 *
 * @module
 */
import { closeSync } from "node:fs";
import { abortable, type ArrivalCheck, GiveUpTimer } from "../../base/abortable.ts";
import { type WorkerDeath, WorkerDiedError, WorkerInitError } from "../../base/errors.ts";
import {
  BaseWorker,
  LARGE,
  PATIENCE,
  READING,
  refuseNesting,
  SentCalls,
  type WorkerTransport,
} from "../base_worker.ts";
import {
  type CallFrame,
  type CloseReply,
  type ControlFrame,
  fromCallFrame,
  isReportFrame,
  toCallFrame,
  type WorkerFrame,
} from "../wire/frames.ts";
import { planTransfer } from "../wire/large_buffers.ts";
import { toRequestError } from "../wire/unclonable.ts";
import type { CallRequest, RunResult, Worker } from "../worker.ts";
import { type ProcessNotice, READY } from "./answer_pipe.ts";
import { SentClaimLog } from "./claim_log.ts";
import {
  checkRunPermission,
  openClaimFile,
  openProcessChild,
  type ProcessChild,
  type ProcessChildOptions,
  type ProcessReading,
} from "./process_child.ts";
import { denoPath, ProgramFlagsReader } from "./program_flags.ts";

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
/** How many bytes go through a pipe in a millisecond at least, however busy the machine is. */
const SLOWEST_PIPE = 10_000;

/**
 * Starts a process of Deno's that is a worker.
 *
 * Requires `--allow-run` of Deno's own executable, `--allow-env`, and `--allow-read` and
 * `--allow-write` of the folder for temporary files.
 *
 * @param entry The module to start with; it calls `exposeProcess()`.
 * @param options Its name, what it may do, and when to give the start up.
 * @returns The worker, ready for calls.
 * @throws {WorkerInitError} When the worker cannot start, or the program was compiled; what the system
 * says is an error of its own.
 * @throws {NestedExecutorError} When a worker that imports a task's module would start it.
 */
export async function openProcessWorker(
  entry: URL,
  options: OpenProcessWorkerOptions,
): Promise<Worker> {
  refuseNesting();
  options.signal?.throwIfAborted();
  const { name } = options;
  refuseCompiled(name);
  await allowed(name, checkRunPermission);
  const program = await PROGRAM.read();
  options.signal?.throwIfAborted();
  const files = await allowed(name, openClaimFile);
  // Nobody has asked for this end; whoever closes the worker is told what went wrong.
  const claims = new SentClaimLog(files.parent, () => void worker.close().catch(() => {}));
  const calls = new SentCalls(name, claims);
  const messages = new ProcessMessages(calls, claims);
  let child: ProcessChild;
  try {
    child = await allowed(
      name,
      () => openProcessChild(entry, files.child, options, program, messages),
    );
  } catch (error) {
    closeSync(files.parent);
    throw error;
  } finally {
    closeSync(files.child);
  }
  const kind = new ProcessKind(child, calls, claims, messages);
  const worker = new BaseWorker(name, calls, kind);
  void worker.dead.then(() => closeSync(files.parent));
  await whenReady(child, messages.ready, entry, options);
  child.started();
  return worker;
}

/** The executable of a compiled program is the program, which would start itself for ever. */
function refuseCompiled(name: string): void {
  if (!Deno.build.standalone) return;
  throw new WorkerInitError(
    `Cannot start worker "${name}": a program that \`deno compile\` has made cannot have workers of ` +
      'the kind "process", as its executable starts the program and not Deno; take the kind "web"',
  );
}

/** Says what a process worker needs when it may not do something. */
async function allowed<T>(name: string, open: () => T | Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
    throw new WorkerInitError(
      `Cannot start worker "${name}": ${error.message}; a worker of the kind "process" needs ` +
        `\`--allow-run=${denoPath()} --allow-env --allow-read --allow-write\`, the last two at ` +
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
  const fail = (cause: Error) =>
    failed.reject(
      new WorkerInitError(
        `Cannot start worker "${name}": its entry "${entry}" failed: ${cause.message}`,
        { cause },
      ),
    );
  using _timer = new GiveUpTimer(
    startTimeout,
    () => fail(new Error(`it was not ready after ${startTimeout} ms`)),
    { checkArrivals: () => child.checkArrivals() },
  );
  void child.ended.then((death) => {
    const { reason, stderr } = death;
    fail(
      new WorkerDiedError(stderr === undefined ? reason : `${reason}; it says: ${stderr}`, death),
    );
  });
  try {
    await abortable(Promise.race([ready, failed.promise]), signal);
  } catch (error) {
    child.stop("it did not start");
    await child.ended;
    throw error;
  }
}

/** What a process has told, and who is to be told of it. */
class ProcessMessages implements ProcessReading {
  readonly ready: Promise<void>;
  readonly closed: Promise<CloseReply>;
  uncaught: string | undefined;
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
    const message = frame as WorkerFrame | ProcessNotice;
    if (message === READY) this.#ready.resolve();
    else if ("type" in message) {
      if (message.type === "uncaught") this.uncaught = message.text;
      else this.#closed.resolve(message);
    } else {
      if (!isReportFrame(message)) this.#claims.answered();
      this.#calls.receive(message);
    }
  }
}

class ProcessKind implements WorkerTransport {
  readonly patience = PATIENCE;
  readonly sharesMemory = false;
  readonly ended: Promise<WorkerDeath>;
  readonly #child: ProcessChild;
  readonly #calls: SentCalls;
  readonly #claims: SentClaimLog;
  readonly #messages: ProcessMessages;
  #batch: CallFrame[] = [];
  /** Buffers that were given away: they go as bytes, and are empty afterwards as on other kinds. */
  #moved: ArrayBuffer[] = [];

  constructor(
    child: ProcessChild,
    calls: SentCalls,
    claims: SentClaimLog,
    messages: ProcessMessages,
  ) {
    this.ended = child.ended;
    this.#child = child;
    this.#calls = calls;
    this.#claims = claims;
    this.#messages = messages;
  }

  loads(module: string): boolean {
    return this.#child.loads(module);
  }

  /** What is sent in one microtask checkpoint goes as one message. */
  send(slot: number, request: CallRequest, once: boolean): void {
    const plan = planTransfer(request.args, "keep");
    if (plan !== undefined) this.#moved.push(...plan.moved);
    const ready = plan === undefined ? request : { ...request, args: plan.values };
    const frame = toCallFrame(slot, ready, once);
    if (this.#batch.push(frame) === 1) queueMicrotask(() => this.#flush());
  }

  control(frame: ControlFrame): void {
    // Behind the call that it is for.
    this.#flush();
    this.#child.send([frame]);
  }

  async close(): Promise<CloseReply> {
    this.#child.send(["close"]);
    const reply = await this.#messages.closed;
    this.#child.leave();
    return reply;
  }

  stop(reason: string): undefined {
    this.#child.stop(reason);
  }

  checkArrivals(): ArrivalCheck {
    return this.#child.checkArrivals();
  }

  stopped(signal: AbortSignal): Promise<boolean> {
    return abortable(this.ended, signal).then(() => true, () => false);
  }

  #flush(): void {
    if (this.#batch.length === 0) return;
    const batch = this.#batch;
    this.#batch = [];
    try {
      this.#send(batch);
    } catch {
      // One frame spoils its batch: each goes alone, so that only the guilty one fails.
      for (const frame of batch) this.#sendAlone(frame);
    }
    for (const buffer of this.#moved.splice(0)) if (!buffer.detached) buffer.transfer();
  }

  #send(batch: readonly CallFrame[]): void {
    const begun = performance.now();
    const bytes = this.#child.send(batch);
    const time = READING * (performance.now() - begun);
    // What is large is on its way for a while, too.
    const large = time > READING * LARGE || bytes > LARGE * SLOWEST_PIPE;
    const [first] = batch;
    if (large && first !== undefined) {
      this.#calls.noteLarge(first[0], time + bytes / SLOWEST_PIPE);
    }
  }

  #sendAlone(frame: CallFrame): void {
    try {
      this.#send([frame]);
    } catch (cause) {
      this.#claims.withdraw(frame[0]);
      this.#calls.reject(frame[0], toRequestError(fromCallFrame(frame), cause));
    }
  }
}
