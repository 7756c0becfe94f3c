/**
 * The parent's side of a process worker.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { Readable } from "node:stream";
import { setImmediate } from "node:timers";
import { fileURLToPath } from "node:url";
import { abortable } from "../../base/abortable.ts";
import { type WorkerDeath, WorkerInitError } from "../../base/errors.ts";
import { CallsInTurn } from "./calls_in_turn.ts";
import { BaseWorker, refuseNesting, SentCalls, type WorkerTransport } from "../base_worker.ts";
import {
  type CloseReply,
  type ControlFrame,
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
  CLOSE,
  type ProcessNotice,
  READY,
  toAbortWord,
  toBytes,
  toGreeting,
} from "./answer_pipe.ts";
import {
  PERMISSION_NAMES,
  type PermissionName,
  type ProgramFlags,
  ProgramFlagsReader,
} from "./program_flags.ts";

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
 * Requires `--allow-run` of Deno's own executable and `--allow-env`.
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
  const turns = new CallsInTurn({
    revoked: (slot) => calls.resolve(slot, { type: "revoked" }),
    aborted: (turn) => child.abort(turn),
  });
  const calls = new SentCalls(name, turns);
  const messages = new ProcessMessages(calls, turns, () => kind.advance());
  const child = allowed(name, () => openProcessChild(entry, options, program, messages));
  const kind = new ProcessKind(child, turns, messages);
  const worker = new BaseWorker(name, calls, kind);
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
        `\`--allow-run=${Deno.execPath()} --allow-env\``,
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
  const timer = setTimeout(() => fail(`it was not ready after ${startTimeout} ms`), startTimeout);
  void child.ended.then(({ reason }) => fail(`${reason}; see its standard error`));
  try {
    await abortable(Promise.race([ready, failed.promise]), signal);
  } catch (error) {
    child.stop("it did not start");
    await child.ended;
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** What a process has told, and who is to be told of it. */
class ProcessMessages implements AnswerReaderOptions {
  readonly ready: Promise<void>;
  readonly closed: Promise<CloseReply>;
  readonly #calls: SentCalls;
  readonly #turns: CallsInTurn;
  readonly #advance: () => void;
  readonly #ready = Promise.withResolvers<void>();
  readonly #closed = Promise.withResolvers<CloseReply>();

  constructor(calls: SentCalls, turns: CallsInTurn, advance: () => void) {
    this.#calls = calls;
    this.#turns = turns;
    this.#advance = advance;
    this.ready = this.#ready.promise;
    this.closed = this.#closed.promise;
  }

  begun(): void {
    this.#turns.begun();
  }

  answered(slot: number, result: RunResult): void {
    this.#answered();
    this.#calls.resolve(slot, result);
  }

  received(frame: unknown): void {
    // What a worker writes is what `exposeProcess()` makes.
    const message = frame as WorkerFrame | ProcessNotice;
    if (message === READY) this.#ready.resolve();
    else if ("type" in message) this.#closed.resolve(message);
    else {
      if (!isReportFrame(message)) this.#answered();
      this.#calls.receive(message);
    }
  }

  #answered(): void {
    this.#turns.answered();
    // The process gets the next call while this side looks at the answer.
    this.#advance();
  }
}

class ProcessKind implements WorkerTransport {
  readonly ended: Promise<WorkerDeath>;
  readonly #child: ProcessChild;
  readonly #turns: CallsInTurn;
  readonly #messages: ProcessMessages;
  #scheduled = false;

  constructor(child: ProcessChild, turns: CallsInTurn, messages: ProcessMessages) {
    this.ended = child.ended.then((death) => {
      turns.end();
      return death;
    });
    this.#child = child;
    this.#turns = turns;
    this.#messages = messages;
  }

  send(slot: number, request: CallRequest, once: boolean): void {
    const plan = planTransfer(request.args, "keep");
    const ready = plan === undefined ? request : { ...request, args: plan.values };
    let bytes: Uint8Array;
    try {
      bytes = toBytes(toCallFrame(slot, ready, once));
    } catch (cause) {
      throw toRequestError(request, cause);
    }
    // What was given away goes as bytes, and is empty afterwards as on other kinds.
    for (const buffer of plan?.moved ?? []) if (!buffer.detached) buffer.transfer();
    this.#turns.add(slot, bytes);
    if (this.#scheduled) return;
    this.#scheduled = true;
    // Whoever gives a call up in the turn in which it was made can still take it back.
    setImmediate(() => {
      this.#scheduled = false;
      this.advance();
    });
  }

  /** Sends the next call, if the process has none. */
  advance(): void {
    const bytes = this.#turns.take();
    if (bytes !== undefined) this.#child.send(bytes);
  }

  control(frame: ControlFrame): void {
    this.#child.send(toBytes(frame));
  }

  async close(): Promise<CloseReply> {
    this.#child.send(toBytes(CLOSE));
    const reply = await this.#messages.closed;
    this.#child.leave();
    return reply;
  }

  stop(reason: string): undefined {
    this.#child.stop(reason);
  }

  stopped(signal: AbortSignal): Promise<boolean> {
    return abortable(this.ended, signal).then(() => true, () => false);
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

/** Why a process ends that was told to. */
const CLOSED = "it was closed";
/** How many turns of the event loop without a word a dead process's pipe gets. */
const QUIET_TURNS = 20;
/** How long a process whose channel is closed, or that was told to end, may take, in milliseconds. */
const END_TIME = 1000;

/**
 * Starts a process.
 *
 * @param entry The module to start with; it calls `exposeProcess()`.
 * @param options Its name, and what it may do.
 * @param program How this program was started, if that is known.
 * @param reading What to do with what it tells.
 * @returns The process, which may not listen yet.
 */
function openProcessChild(
  entry: URL,
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
    stdio: ["pipe", "inherit", "inherit", "ipc", "pipe"],
    serialization: "advanced",
    env: { ...Deno.env.toObject(), ...env },
  });
  const opened = new ProcessChild(child, reading);
  opened.send(toBytes(toGreeting(name)));
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
   * @param reading What to do with what it tells.
   */
  constructor(child: ChildProcess, reading: AnswerReaderOptions) {
    this.#child = child;
    this.#reader = new AnswerReader(reading);
    const { promise, resolve } = Promise.withResolvers<WorkerDeath>();
    this.ended = promise;
    this.#end = resolve;
    // A word to a process that has just ended is none too many.
    child.stdin?.on("error", () => {});
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

  /** Sends a frame. */
  send(bytes: Uint8Array): void {
    // A process that has just ended takes no more; its end tells what becomes of the calls.
    if (this.#child.connected) this.#child.send(bytes, () => {});
  }

  /**
   * Tells a call to end whose code may never await.
   *
   * @param turn The how manieth of the calls that were sent it is.
   */
  abort(turn: number): void {
    const { stdin } = this.#child;
    if (stdin?.writable) stdin.write(toAbortWord(turn));
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

type Grant = "inherit" | boolean | readonly (string | URL)[];

/** The names of the files in which Deno's configuration stands, in the order of its search. */
const CONFIG_NAMES = ["deno.json", "deno.jsonc"];

/** Quiver's own files, which a worker must be able to read whatever else it may. */
const OWN = new URL("../../", import.meta.url);

/** The hosts that every program may import from unless it was said otherwise. */
const IMPORT_HOSTS = [
  "deno.land:443",
  "jsr.io:443",
  "esm.sh:443",
  "raw.esm.sh:443",
  "cdn.jsdelivr.net:443",
  "raw.githubusercontent.com:443",
  "gist.githubusercontent.com:443",
];

/** How Deno is asked about a part of a permission. */
const PARTS: { readonly [N in PermissionName]: (part: string) => Deno.PermissionDescriptor } = {
  env: (variable) => ({ name: "env", variable }),
  ffi: (path) => ({ name: "ffi", path }),
  import: (host) => ({ name: "import", host }),
  net: (host) => ({ name: "net", host }),
  read: (path) => ({ name: "read", path }),
  run: (command) => ({ name: "run", command }),
  // What is no such kind is refused when it is asked for.
  sys: (kind) => ({ name: "sys", kind } as Deno.SysPermissionDescriptor),
  write: (path) => ({ name: "write", path }),
};

/**
 * Makes flags of permissions. What is inherited is never more than the program may at this moment:
 * its flags say which parts there are, and Deno whether they still hold.
 *
 * @param permissions What a process may do.
 * @param program How the program was started, if that is known.
 * @returns The flags of `deno run`.
 * @throws {TypeError} When there is no such permission.
 */
function toPermissionFlags(
  permissions: Deno.PermissionOptions,
  program: ProgramFlags | undefined,
): string[] {
  const grants = toGrants(permissions);
  return PERMISSION_NAMES.flatMap((name) => {
    const grant = grants[name] ?? false;
    if (grant === "inherit") return inherit(name, toTold(name, grants, program));
    if (grant === true) return [`--allow-${name}`];
    if (grant !== false) return allow(name, grant.map(toText));
    return name === "import" ? limitImports(IMPORT_HOSTS) : allow(name, []);
  });
}

/**
 * Finds the configuration that this program runs with, as Deno does: upwards from the main module.
 * The worker's own main module is Quiver's, so that it would find another one.
 *
 * @param program How the program was started, if that is known.
 * @returns The flag that names it, or says that there is none, unless it may not be looked for or the
 * program's own flags say it.
 */
function toConfigFlags(program: ProgramFlags | undefined): string[] {
  if (program?.namesConfig) return [];
  try {
    const { protocol, href } = new URL(Deno.mainModule);
    let folder = new URL(protocol === "file:" ? "./" : toFolder(Deno.cwd()), href);
    let packaged = false;
    for (;;) {
      const found = CONFIG_NAMES.map((name) => new URL(name, folder)).find(isFile);
      if (found !== undefined) return [`--config=${fileURLToPath(found)}`];
      packaged ||= isFile(new URL("package.json", folder));
      const above = new URL("../", folder);
      // Where nothing is to be found, the worker would find Quiver's own.
      if (above.href === folder.href) {
        return program === undefined || packaged ? [] : ["--no-config"];
      }
      folder = above;
    }
  } catch (error) {
    // What the program may not read, its workers do without.
    if (error instanceof Deno.errors.NotCapable) return [];
    throw error;
  }
}

function toGrants(
  permissions: Deno.PermissionOptions,
): { readonly [N in PermissionName]?: Grant } {
  if (permissions === "none") return {};
  if (permissions === "inherit") {
    return Object.fromEntries(PERMISSION_NAMES.map((name) => [name, "inherit"]));
  }
  for (const name of Object.keys(permissions)) {
    if (PERMISSION_NAMES.some((known) => known === name)) continue;
    throw new TypeError(
      `Cannot start a process worker: there is no permission "${name}"; ` +
        `the permissions are ${PERMISSION_NAMES.join(", ")}`,
    );
  }
  return permissions;
}

/** What flags tell of a permission: nothing where they do not tell all. */
function toTold(
  name: PermissionName,
  grants: { readonly [N in PermissionName]?: Grant },
  program: ProgramFlags | undefined,
): ProgramFlags | undefined {
  // A set of permissions in the configuration may bar more.
  if (program === undefined || program.takesPermissionSet) return undefined;
  // Deno bars writing to programs that may be run, and so it does in a process that may run them.
  if (name === "write" && grants.run !== "inherit") return undefined;
  // Where the program has gone to another folder, a path may not be the one that was meant.
  return isPath(name) && !program.barred(name).every((part) => isBarred(name, part))
    ? undefined
    : program;
}

/** What the program itself may; what is barred in a part is barred in the process, or the part is. */
function inherit(name: PermissionName, told: ProgramFlags | undefined): string[] {
  const { state, partial } = Deno.permissions.querySync({ name });
  if (state === "granted" && partial !== true) return [`--allow-${name}`];
  const barring = told?.barringFlags(name) ?? [];
  if (state === "denied") {
    if (name === "import") return limitImports(IMPORT_HOSTS);
    return barring.includes(`--ignore-${name}`) ? [`--ignore-${name}`] : [`--deny-${name}`];
  }
  if (state === "granted" && told !== undefined) return [`--allow-${name}`, ...barring];
  const allowed = told?.allowed(name) ?? [];
  if (name === "import") return limitImports(allowed.length === 0 ? IMPORT_HOSTS : allowed);
  return [...allow(name, allowed.filter((part) => isGranted(name, part))), ...barring];
}

function allow(name: PermissionName, parts: readonly string[]): string[] {
  const own = name === "read" && OWN.protocol === "file:" ? [toText(OWN)] : [];
  // A comma would end a path.
  const text = [...parts, ...own].map((part) => part.replaceAll(",", ",,")).join(",");
  return text === "" ? [] : [`--allow-${name}=${text}`];
}

/** A process to which nothing is said may import from the usual hosts, whatever its program may. */
function limitImports(hosts: readonly string[]): string[] {
  const granted = hosts.filter((host) => isGranted("import", host));
  // Alone the second bars all but the usual hosts.
  if (granted.length === 0) return ["--allow-import", "--deny-import"];
  if (Deno.permissions.querySync({ name: "import" }).state === "denied") return ["--deny-import"];
  return hosts === IMPORT_HOSTS && granted.length === hosts.length ? [] : allow("import", granted);
}

function isPath(name: PermissionName): boolean {
  return name === "read" || name === "write" || name === "ffi" || name === "run";
}

/** Whether the program may still do a part. */
function isGranted(name: PermissionName, part: string): boolean {
  try {
    return Deno.permissions.querySync(PARTS[name](part)).state === "granted";
  } catch {
    // Deno allows such a part by a flag, and cannot tell whether it does: a host with a `*`, say.
    return false;
  }
}

function isBarred(name: PermissionName, part: string): boolean {
  return Deno.permissions.querySync(PARTS[name](part)).state === "denied";
}

function toText(part: string | URL): string {
  return part instanceof URL ? fileURLToPath(part) : part;
}

function toFolder(path: string): string {
  return `file://${path.replaceAll("\\", "/")}/`;
}

function isFile(url: URL): boolean {
  try {
    return Deno.statSync(url).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
