/**
 * The process of a process worker, as its parent sees it: how it starts, and how it ends.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { openSync } from "node:fs";
import { Readable } from "node:stream";
import { type ArrivalCheck, GiveUpTimer, nextTurn } from "../../base/abortable.ts";
import type { WorkerDeath } from "../../base/errors.ts";
import { findProjects } from "../../call/projects.ts";
import { isThread } from "../current_worker.ts";
import { requireOpenFiles } from "../open_files.ts";
import {
  ANSWER_FD,
  AnswerReader,
  type AnswerReaderOptions,
  type ProcessFrame,
  toBatch,
  toGreeting,
} from "./answer_pipe.ts";
import { ErrorOutput } from "./error_output.ts";
import { killGroup } from "./kill_group.ts";
import { toPieces } from "./pieces.ts";
import { mayReadAll, toConfigFlags, toPermissionFlags, toPreloadFlags } from "./process_flags.ts";
import { denoPath, type ProgramFlags } from "./program_flags.ts";

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
  /** Gives the URLs of the modules that it can load whatever it may read. */
  modules?: () => readonly string[];
}

/** What is done with what a process tells. */
export interface ProcessReading extends AnswerReaderOptions {
  /** The text of the error that it has told of as not caught, which ends it. */
  readonly uncaught: string | undefined;
}

/** Why a process ends that was told to. */
const CLOSED = "it was closed";
/** How many turns of the event loop without a word a dead process's pipe gets. */
const QUIET_TURNS = 20;
/** The same of a process that lives, and is not in the middle of a message. */
const FEW_TURNS = 3;
/** How long a process whose channel is closed, or that was told to end, may take, in milliseconds. */
const END_TIME = 1000;
/** How many files a start opens: both sides of three pipes and a channel, and what spawning takes. */
const FILES = 16;

/**
 * Starts a process.
 *
 * @param entry The module to start with; it calls `exposeProcess()`.
 * @param claims The open file of claims.
 * @param options Its name, and what it may do.
 * @param program How this program was started, if that is known.
 * @param reading What to do with what it tells.
 * @returns The process, which may not listen yet.
 * @throws What the system says that cannot start it.
 */
export async function openProcessChild(
  entry: URL,
  claims: number,
  options: ProcessChildOptions,
  program: ProgramFlags | undefined,
  reading: ProcessReading,
): Promise<ProcessChild> {
  const { name, permissions = "inherit", env = {}, flags = [], modules = () => [] } = options;
  const command = denoPath();
  const permissionFlags = toPermissionFlags(permissions, program);
  const loaded = modules();
  const args = [
    "run",
    "--quiet",
    "--no-prompt",
    ...program?.passed(flags) ?? [],
    ...toConfigFlags(program),
    ...permissionFlags,
    ...toPreloadFlags(permissionFlags, loaded),
    ...flags,
    entry.href,
    ...Deno.args,
  ];
  checkExecutable(command);
  requireOpenFiles(FILES);
  const child = spawn(command, args, {
    stdio: ["pipe", "inherit", "pipe", "ipc", "pipe", claims],
    serialization: "advanced",
    // What its calls start belongs to it, and can be ended with it.
    detached: leadsGroup(),
    env: { ...Deno.env.toObject(), ...env },
  });
  if (child.pid === undefined) {
    throw await new Promise<Error>((resolve) => child.on("error", resolve));
  }
  const known = mayReadAll(permissionFlags) ? undefined : { loaded: new Set(loaded), modules };
  const opened = new ProcessChild(child, reading, known);
  opened.send([toGreeting(name, findProjects(loaded))]);
  return opened;
}

/**
 * Whether processes lead groups of their own: where the system has such, and not beneath a web worker, at
 * whose end Deno 2.9.6 kills those of its group and closes no pipe to the others.
 */
function leadsGroup(): boolean {
  return Deno.build.os !== "windows" && !isThread();
}

/**
 * Checks that processes may be started: `spawn()` throws where nobody can catch it.
 *
 * @throws {Deno.errors.NotCapable} When they may not.
 */
export function checkRunPermission(): void {
  const command = denoPath();
  if (Deno.permissions.querySync({ name: "run", command }).state === "granted") return;
  throw new Deno.errors.NotCapable(`Requires run access to "${command}"`);
}

/**
 * Checks that Deno is where it was: each `spawn()` that fails in Deno 2.9.6 leaves two files open.
 *
 * @throws {Deno.errors.NotFound} When it is not.
 */
function checkExecutable(path: string): void {
  if (Deno.permissions.querySync({ name: "read", path }).state === "granted") Deno.statSync(path);
}

/**
 * Opens the file of claims for both sides. They must not share a position in it, so each has its own.
 *
 * @returns The two descriptors.
 * @throws What the system says that opens no more files.
 */
export function openClaimFile(): { readonly parent: number; readonly child: number } {
  // So that not one of the two is opened.
  requireOpenFiles(FILES);
  const path = Deno.makeTempFileSync({ prefix: "quiver-" });
  try {
    return { parent: openSync(path, "a+"), child: openSync(path, "a+") };
  } finally {
    Deno.removeSync(path);
  }
}

/** What a process can load that may not read all files. */
interface KnownModules {
  /** The URLs of the modules. */
  readonly loaded: ReadonlySet<string>;
  /** What it would be for one that starts now. */
  readonly modules: () => readonly string[];
}

/** A process whose end is noticed however it comes. */
export class ProcessChild {
  /** Resolves when the process has ended and all that it has told was read. */
  readonly ended: Promise<WorkerDeath>;
  readonly #child: ChildProcess;
  readonly #end: (death: WorkerDeath) => void;
  readonly #reader: AnswerReader;
  readonly #reading: ProcessReading;
  readonly #errors = new ErrorOutput();
  readonly #known: KnownModules | undefined;
  /** Why this side has ended it. */
  #reason: string | undefined;
  #timer: GiveUpTimer | undefined;
  /** There as soon as what its calls have started is killed with it. */
  #groupKilled: Promise<void> | undefined;
  /** How often it has answered, and how often it has written anything, as far as that was read. */
  #answers = 0;
  #pieces = 0;
  #unsentBytes = 0;

  /**
   * Takes over a process.
   *
   * @param reading What to do with what it tells.
   * @param known The modules that it can load, where it cannot load all.
   */
  constructor(child: ChildProcess, reading: ProcessReading, known: KnownModules | undefined) {
    this.#child = child;
    this.#known = known;
    this.#reading = reading;
    this.#reader = new AnswerReader(reading);
    const { promise, resolve } = Promise.withResolvers<WorkerDeath>();
    this.ended = promise;
    this.#end = resolve;
    // The death of a process breaks its channel in the middle of a message; its exit tells the rest.
    child.on("error", () => {});
    const closed = [
      this.#follow(child.stdio[ANSWER_FD], (piece) => this.#read(piece)),
      this.#follow(child.stderr, (piece) => this.#errors.read(piece)),
    ];
    // A task that closes the channel ends its worker; the end of the process closes it, too.
    child.on("disconnect", () => this.#endWithin("it closed the channel to its parent"));
    child.on("exit", (code, signal) => {
      this.#timer?.clear();
      void this.#drain(Promise.all(closed)).then(() => this.#groupKilled)
        .then(() => this.#end(this.#toDeath(code, signal)));
    });
  }

  /**
   * Tells whether the process can load a module.
   *
   * @param module Its URL.
   * @returns Whether it can; also where one that starts now cannot either.
   */
  loads(module: string): boolean {
    const known = this.#known;
    return known === undefined || known.loaded.has(module) || !known.modules().includes(module);
  }

  /** The process has started: what it prints is printed. */
  started(): void {
    this.#errors.release();
  }

  /** How many bytes are on their way to the process. */
  get unsentBytes(): number {
    return this.#unsentBytes;
  }

  /** Sends frames; throws when structured clone refuses one of them. */
  send(batch: readonly ProcessFrame[]): void {
    const bytes = toBatch(batch);
    // A process that has just ended takes no more; its end tells what becomes of the calls.
    if (!this.#child.connected) return;
    for (const piece of toPieces(bytes)) {
      const { length } = piece;
      this.#unsentBytes += length;
      this.#child.send(piece, () => this.#unsentBytes -= length);
    }
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

  /** Kills the process with all that its calls have started. */
  #kill(): void {
    const { pid, exitCode, signalCode } = this.#child;
    const alive = pid !== undefined && exitCode === null && signalCode === null;
    if (alive && leadsGroup()) this.#groupKilled ??= killGroup(pid);
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

  /** Tells when what it has answered by now has arrived: all of a message that has begun to. */
  checkArrivals(): ArrivalCheck {
    return checkQuiet(() => this.#answers, () => this.#reader.isWithin ? QUIET_TURNS : FEW_TURNS);
  }

  /** Reads a pipe; resolves when that is closed. */
  #follow(pipe: unknown, read: (piece: Uint8Array) => void): Promise<void> {
    if (!(pipe instanceof Readable)) throw new TypeError("Cannot read a worker: there is no pipe");
    pipe.on("data", (piece: Uint8Array) => {
      this.#pieces++;
      read(piece);
    });
    return new Promise<void>((resolve) => pipe.on("close", resolve));
  }

  #read(piece: Uint8Array): void {
    this.#answers++;
    try {
      this.#reader.read(piece);
    } catch (error) {
      const why = error instanceof Error ? error.message : error;
      this.stop(`what it wrote could not be read: ${why}`);
    }
  }

  /**
   * Lets what the process wrote before its end arrive. Its pipes are closed then, unless a process
   * that a task has started still has them, too.
   */
  async #drain(closed: Promise<unknown>): Promise<void> {
    let over = false;
    void closed.then(() => over = true);
    const hasArrived = checkQuiet(() => this.#pieces, () => QUIET_TURNS);
    while (!hasArrived() && !over) await nextTurn();
    for (const pipe of this.#child.stdio) pipe?.destroy();
    // A channel that broke in the middle of a message does not close by itself.
    if (this.#child.connected) this.#child.disconnect();
  }

  #toDeath(code: number | null, signal: NodeJS.Signals | null): WorkerDeath {
    const reason = this.#reason ?? describe(code, signal, this.#reading.uncaught);
    const stderr = this.#reason === undefined ? this.#errors.text : undefined;
    return {
      reason,
      ...(code !== null && { exitCode: code }),
      ...(signal !== null && { signal }),
      ...(stderr !== undefined && { stderr }),
    };
  }
}

/**
 * Tells when a pipe is empty, which nothing shows but that no piece comes for some turns.
 *
 * @param pieces How many have come.
 * @param enough For how many turns none may come.
 */
function checkQuiet(pieces: () => number, enough: () => number): ArrivalCheck {
  let seen = pieces();
  let quiet = 0;
  return () => {
    const now = pieces();
    quiet = now === seen ? quiet + 1 : 0;
    seen = now;
    return quiet >= enough();
  };
}

function describe(
  code: number | null,
  signal: string | null,
  uncaught: string | undefined,
): string {
  if (signal === "SIGTRAP" || signal === "SIGABRT" || signal === "SIGILL") {
    return `it crashed with ${signal}: it ran out of memory, say`;
  }
  if (signal !== null) return `it was killed by ${signal}`;
  if (code === 1 && uncaught !== undefined) {
    return `it exited with code 1: an error was not caught (${uncaught}), in a timer, say, or in a ` +
      "promise that nobody awaits";
  }
  return `it exited with code ${code}: a task called Deno.exit(), where it must return or throw, ` +
    "or an error was not caught";
}
