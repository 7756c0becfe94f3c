import { type ChildProcess, spawn } from "node:child_process";
import { openSync } from "node:fs";
import { Readable } from "node:stream";
import type { WorkerDeath } from "../base/errors.ts";
import { AnswerReader, type AnswerReaderOptions } from "./_answer_pipe.ts";
import { toBytes } from "./_process_codec.ts";
import { toConfigFlags, toPermissionFlags } from "./_process_flags.ts";
import { ANSWER_FD, type ProcessFrame, toGreeting } from "./_process_protocol.ts";
import type { ProgramFlags } from "./_program_flags.ts";

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

/** Why a process ends that was told to. */
export const CLOSED = "it was closed";
/** How many turns of the event loop without a word a dead process's pipe gets. */
const QUIET_TURNS = 20;
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
export function openProcessChild(
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
export function checkRunPermission(): void {
  const command = Deno.execPath();
  if (Deno.permissions.querySync({ name: "run", command }).state === "granted") return;
  throw new Deno.errors.NotCapable(`Requires run access to "${command}"`);
}

/**
 * Opens the file of claims for both sides. They must not share a position in it, so each has its own.
 *
 * @returns The two descriptors.
 */
export function openClaimFile(): { readonly parent: number; readonly child: number } {
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
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pieces = 0;

  /**
   * Takes over a process.
   *
   * @param child The process.
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
      clearTimeout(this.#timer);
      void this.#drain(closed).then(() => this.#end(this.#toDeath(code, signal)));
    });
  }

  /**
   * Sends frames.
   *
   * @param batch The frames.
   * @throws When structured clone refuses one of them.
   */
  send(batch: readonly ProcessFrame[]): void {
    const bytes = toBytes(batch);
    // A process that has just ended takes no more; its end tells what becomes of the calls.
    if (this.#child.connected) this.#child.send(bytes, () => {});
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
    this.#child.kill("SIGKILL");
  }

  #endWithin(reason: string): void {
    // The end of the channel may be noticed after that of the process.
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#timer ??= setTimeout(() => {
      this.#reason ??= reason;
      this.#child.kill("SIGKILL");
    }, END_TIME);
  }

  #read(piece: Uint8Array): void {
    this.#pieces++;
    try {
      this.#reader.read(piece);
    } catch {
      this.stop("what it wrote could not be read");
    }
  }

  /**
   * Lets what the process wrote before its end arrive. Its pipe is closed then, unless a process
   * that a task has started still has it, too.
   */
  async #drain(closed: Promise<void>): Promise<void> {
    let over = false;
    void closed.then(() => over = true);
    let quiet = 0;
    for (let seen = this.#pieces; !over && quiet < QUIET_TURNS; seen = this.#pieces) {
      await new Promise<void>((resolve) => setTimeout(resolve));
      quiet = this.#pieces === seen ? quiet + 1 : 0;
    }
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
