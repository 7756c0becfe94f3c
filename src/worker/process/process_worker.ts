/**
 * The parent's side of a process worker.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { Readable } from "node:stream";
import { abortable, type ArrivalCheck, GiveUpTimer, nextTurn } from "../../base/abortable.ts";
import { type WorkerDeath, WorkerInitError } from "../../base/errors.ts";
import {
  BaseWorker,
  PATIENCE,
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
import {
  ANSWER_FD,
  AnswerReader,
  type AnswerReaderOptions,
  type ProcessFrame,
  type ProcessNotice,
  READY,
  toBytes,
  toGreeting,
} from "./answer_pipe.ts";
import { SentClaimLog } from "./claim_log.ts";
import { toConfigFlags, toPermissionFlags } from "./process_flags.ts";
import { type ProgramFlags, ProgramFlagsReader } from "./program_flags.ts";

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
  const messages = new ProcessMessages(calls, claims);
  let child: ProcessChild;
  try {
    child = allowed(name, () => openProcessChild(entry, files.child, options, program, messages));
  } catch (error) {
    closeSync(files.parent);
    throw error;
  } finally {
    closeSync(files.child);
  }
  const worker = new BaseWorker(name, calls, new ProcessKind(child, calls, claims, messages));
  void worker.dead.then(() => closeSync(files.parent));
  await whenReady(child, messages.ready, entry, options);
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
  using _timer = new GiveUpTimer(
    startTimeout,
    () => fail(`it was not ready after ${startTimeout} ms`),
    { checkArrivals: () => child.checkArrivals() },
  );
  void child.ended.then(({ reason }) => fail(`${reason}; see its standard error`));
  try {
    await abortable(Promise.race([ready, failed.promise]), signal);
  } catch (error) {
    child.stop("it did not start");
    await child.ended;
    throw error;
  }
}

/** What a process has told, and who is to be told of it. */
class ProcessMessages implements AnswerReaderOptions {
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
    const message = frame as WorkerFrame | ProcessNotice;
    if (message === READY) this.#ready.resolve();
    else if ("type" in message) this.#closed.resolve(message);
    else {
      if (!isReportFrame(message)) this.#claims.answered();
      this.#calls.receive(message);
    }
  }
}

class ProcessKind implements WorkerTransport {
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

  /** What is large is on its way for a while. */
  get patience(): number {
    return PATIENCE + this.#child.unsentBytes / SLOWEST_PIPE;
  }

  stopped(signal: AbortSignal): Promise<boolean> {
    return abortable(this.ended, signal).then(() => true, () => false);
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

/** Options of {@linkcode openProcessChild}. */
export interface ProcessChildOptions {
  /** The worker's name. */
  name: string;
  /**
   * What the process may do: `"inherit"` what this program may, as far as that can be told, and never
   * more.
   *
   * @default {"inherit"}
   */
  permissions?: Deno.PermissionOptions;
  /** Variables added to its environment. */
  env?: { readonly [name: string]: string };
  /** Further flags of `deno run`. */
  flags?: readonly string[];
}

/** Whether the system has process groups. */
const HAS_GROUPS = Deno.build.os !== "windows";
/** Why a process ends that was told to. */
const CLOSED = "it was closed";
/** How many bytes go through a pipe in a millisecond at least, however busy the machine is. */
const SLOWEST_PIPE = 10_000;
/** How many turns of the event loop without a word a dead process's pipe gets. */
const QUIET_TURNS = 20;
/** The same of a process that lives, and is not in the middle of a message. */
const FEW_TURNS = 3;
/** How long a process whose channel is closed, or that was told to end, may take, in milliseconds. */
const END_TIME = 1000;

/**
 * Starts a process.
 *
 * @param entry The module to start with; it calls `exposeProcess()`.
 * @param claims The open file of claims.
 * @param options Its name, and what it may do.
 * @param program How this program was started, if that is known.
 * @param reading What to do with what it tells.
 * @returns The process, which may not listen yet.
 */
function openProcessChild(
  entry: URL,
  claims: number,
  options: ProcessChildOptions,
  program: ProgramFlags | undefined,
  reading: AnswerReaderOptions,
): ProcessChild {
  const { name, permissions = "inherit", env = {}, flags = [] } = options;
  const command = Deno.execPath();
  const args = [
    "run",
    "--quiet",
    "--no-prompt",
    ...program?.passed(flags) ?? [],
    ...toConfigFlags(program),
    ...toPermissionFlags(permissions, program),
    ...flags,
    entry.href,
    ...Deno.args,
  ];
  const child = spawn(command, args, {
    stdio: ["pipe", "inherit", "inherit", "ipc", "pipe", claims],
    serialization: "advanced",
    // What its calls start belongs to it, and can be ended with it.
    detached: HAS_GROUPS,
    env: { ...Deno.env.toObject(), ...env },
  });
  const opened = new ProcessChild(child, reading);
  opened.send([toGreeting(name)]);
  return opened;
}

/**
 * Checks that processes may be started: `spawn()` throws where nobody can catch it.
 *
 * @throws {Deno.errors.NotCapable} When they may not.
 */
function checkRunPermission(): void {
  const command = Deno.execPath();
  if (Deno.permissions.querySync({ name: "run", command }).state === "granted") return;
  throw new Deno.errors.NotCapable(`Requires run access to "${command}"`);
}

/**
 * Opens the file of claims for both sides. They must not share a position in it, so each has its own.
 *
 * @returns The two descriptors.
 */
function openClaimFile(): { readonly parent: number; readonly child: number } {
  const path = Deno.makeTempFileSync({ prefix: "quiver-" });
  try {
    const parent = openSync(path, "a+");
    return { parent, child: openSync(path, "a+") };
  } finally {
    Deno.removeSync(path);
  }
}

/** A process whose end is noticed however it comes. */
export class ProcessChild {
  /** Resolves when the process has ended and all that it has told was read. */
  readonly ended: Promise<WorkerDeath>;
  readonly #child: ChildProcess;
  readonly #end: (death: WorkerDeath) => void;
  readonly #reader: AnswerReader;
  /** Why this side has ended it. */
  #reason: string | undefined;
  #timer: GiveUpTimer | undefined;
  #pieces = 0;
  #unsentBytes = 0;

  /**
   * Takes over a process.
   *
   * @param reading What to do with what it tells.
   */
  constructor(child: ChildProcess, reading: AnswerReaderOptions) {
    this.#child = child;
    this.#reader = new AnswerReader(reading);
    const { promise, resolve } = Promise.withResolvers<WorkerDeath>();
    this.ended = promise;
    this.#end = resolve;
    // The death of a process breaks its channel in the middle of a message; its exit tells the rest.
    child.on("error", (error) => {
      if (child.pid === undefined) resolve({ reason: error.message });
    });
    const pipe = child.stdio[ANSWER_FD];
    if (!(pipe instanceof Readable)) throw new TypeError("Cannot read answers: there is no pipe");
    pipe.on("data", (piece: Uint8Array) => this.#read(piece));
    const closed = new Promise<void>((resolve) => pipe.on("close", resolve));
    // A task that closes the channel ends its worker; the end of the process closes it, too.
    child.on("disconnect", () => this.#endWithin("it closed the channel to its parent"));
    child.on("exit", (code, signal) => {
      this.#timer?.clear();
      void this.#drain(closed).then(() => this.#end(this.#toDeath(code, signal)));
    });
  }

  /** How many bytes are on their way to the process. */
  get unsentBytes(): number {
    return this.#unsentBytes;
  }

  /** Sends frames; throws when structured clone refuses one of them. */
  send(batch: readonly ProcessFrame[]): void {
    const bytes = toBytes(batch);
    // A process that has just ended takes no more; its end tells what becomes of the calls.
    if (!this.#child.connected) return;
    this.#unsentBytes += bytes.length;
    this.#child.send(bytes, () => this.#unsentBytes -= bytes.length);
  }

  /** The process says that it ends now. */
  leave(): void {
    this.#reason ??= CLOSED;
    this.#endWithin(CLOSED);
  }

  /**
   * Kills the process, unless it was killed or is leaving for the same reason.
   *
   * @param reason Why.
   */
  stop(reason: string): void {
    if (reason === this.#reason) return;
    this.#reason ??= reason;
    this.#kill();
  }

  /** Kills the process with all that its calls have started, if this program may. */
  #kill(): void {
    const { pid, exitCode, signalCode } = this.#child;
    const alive = pid !== undefined && exitCode === null && signalCode === null;
    if (alive && HAS_GROUPS && Deno.permissions.querySync({ name: "run" }).state === "granted") {
      try {
        Deno.kill(-pid, "SIGKILL");
      } catch {
        // Some commands it may not run, or the process has just ended.
      }
    }
    this.#child.kill("SIGKILL");
  }

  #endWithin(reason: string): void {
    // The end of the channel may be noticed after that of the process.
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#timer ??= new GiveUpTimer(END_TIME, () => {
      this.#reason ??= reason;
      this.#kill();
    }, { checkArrivals: () => this.checkArrivals() });
  }

  #read(piece: Uint8Array): void {
    this.#pieces++;
    try {
      this.#reader.read(piece);
    } catch {
      this.stop("what it wrote could not be read");
    }
  }

  /** Tells when what it has written by now has arrived: all of a message that has begun to. */
  checkArrivals(): ArrivalCheck {
    return this.#checkPieces(() => this.#reader.isWithin ? QUIET_TURNS : FEW_TURNS);
  }

  /** Nothing tells when a pipe is empty but that no piece comes for some turns. */
  #checkPieces(enough: () => number): ArrivalCheck {
    let seen = this.#pieces;
    let quiet = 0;
    return () => {
      quiet = this.#pieces === seen ? quiet + 1 : 0;
      seen = this.#pieces;
      return quiet >= enough();
    };
  }

  /**
   * Lets what the process wrote before its end arrive. Its pipe is closed then, unless a process
   * that a task has started still has it, too.
   */
  async #drain(closed: Promise<void>): Promise<void> {
    let over = false;
    void closed.then(() => over = true);
    const hasArrived = this.#checkPieces(() => QUIET_TURNS);
    while (!hasArrived() && !over) await nextTurn();
    this.#child.stdio[ANSWER_FD]?.destroy();
    this.#child.stdin?.destroy();
    // A channel that broke in the middle of a message does not close by itself.
    if (this.#child.connected) this.#child.disconnect();
  }

  #toDeath(code: number | null, signal: NodeJS.Signals | null): WorkerDeath {
    const reason = this.#reason ?? describe(code, signal);
    return {
      reason,
      ...(code !== null && { exitCode: code }),
      ...(signal !== null && { signal }),
    };
  }
}

function describe(code: number | null, signal: string | null): string {
  if (signal === "SIGTRAP" || signal === "SIGABRT" || signal === "SIGILL") {
    return `it crashed with ${signal}: it ran out of memory, say`;
  }
  if (signal !== null) return `it was killed by ${signal}`;
  return `it exited with code ${code}: a task called Deno.exit(), where it must return or throw, ` +
    "or an error was not caught";
}
