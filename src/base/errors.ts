/**
 * Every error class that a caller may want to catch, in one place.
 *
 * @module
 */

/** Names the classes of Quiver's own: another copy of Quiver in the program has classes of its own. */
const CLASS = Symbol.for("quiver.error");

/** Base of all errors that Quiver itself raises; what a task throws keeps its own class. */
export class QuiverError extends Error {
  /**
   * Tells errors by `instanceof`, those of another copy of Quiver included.
   *
   * @param value Perhaps an error of the class.
   * @returns Whether it is one.
   */
  static override [Symbol.hasInstance](value: unknown): boolean {
    if (typeof value !== "object" || value === null) return false;
    const { prototype } = this;
    // A class of a user's own that extends one of these has no such name.
    const name: unknown = Object.getOwnPropertyDescriptor(prototype, CLASS)?.value;
    let above = prototypeOf(value);
    while (above !== null) {
      if (above === prototype) return true;
      if (
        name !== undefined && Object.getOwnPropertyDescriptor(above, CLASS)?.value === name
      ) return true;
      above = Object.getPrototypeOf(above);
    }
    return false;
  }

  /**
   * Creates the error; its name is that of its class.
   *
   * @param message What could not be done.
   * @param options The standard `cause`.
   */
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** A proxy that was revoked, which anybody may throw, has none. */
function prototypeOf(value: object): object | null {
  try {
    return Object.getPrototypeOf(value);
  } catch {
    return null;
  }
}

/** How a worker died, as far as that can be known. */
export interface WorkerDeath {
  /** What happened, in words. */
  reason: string;
  /**
   * Whether it was ended by the program (`terminate()`), or by itself or its system.
   *
   * @default {"crashed"}
   */
  ending?: "killed" | "crashed";
  /** The exit code of a process worker. */
  exitCode?: number;
  /** The signal that ended a process worker. */
  signal?: string;
  /** The last that a process worker printed to standard error, if it has ended by itself. */
  stderr?: string;
}

/**
 * The worker died while it ran the call; only that call fails.
 *
 * A call that does not end as its task would have it ends in one of four ways:
 *
 * | the call was | because of | its future rejects with |
 * | --- | --- | --- |
 * | killed | `executor.terminate()` | `ExecutorShutdownError` |
 * | crashed | its worker, which closed, exited or failed | `WorkerDiedError`, whose `ending` is `"crashed"` |
 * | timed out | its `deadline` | `DeadlineError` |
 * | cancelled | `future.cancel()`, `future.abort(reason)` or its signal | `CancelledError`, or the reason that was given |
 */
export class WorkerDiedError extends QuiverError {
  /** Whether it was ended by the program (`terminate()`), or by itself or its system. */
  readonly ending: "killed" | "crashed";
  /** What happened, in words. */
  readonly reason: string;
  /** The exit code of a process worker. */
  readonly exitCode?: number;
  /** The signal that ended a process worker. */
  readonly signal?: string;
  /**
   * The last that a process worker printed to standard error, without colours and 4 KiB of it at most,
   * if it has ended by itself.
   */
  readonly stderr?: string;

  /**
   * Creates the error.
   *
   * @param message What could not be done.
   * @param death How the worker died.
   * @param options The standard `cause`.
   */
  constructor(message: string, death: WorkerDeath, options?: ErrorOptions) {
    super(message, options);
    this.reason = death.reason;
    this.ending = death.ending ?? "crashed";
    if (death.exitCode !== undefined) this.exitCode = death.exitCode;
    if (death.signal !== undefined) this.signal = death.signal;
    if (death.stderr !== undefined) this.stderr = death.stderr;
  }
}

/** A worker could not be started or set up, or could not import the module of a task. */
export class WorkerInitError extends QuiverError {
  /** The task of the worker's own that has failed, if it was one. */
  readonly hook?: "init" | "retire";

  /**
   * Creates the error.
   *
   * @param message What could not be done.
   * @param options The standard `cause`, and the task of the worker's own that has failed.
   */
  constructor(message: string, options: ErrorOptions & { hook?: "init" | "retire" } = {}) {
    super(message, options);
    if (options.hook !== undefined) this.hook = options.hook;
  }
}

/** Workers did not end within the grace period, and were killed. */
export class WorkersKilledError extends QuiverError {
  /** How many. */
  readonly killed: number;

  /**
   * Creates the error.
   *
   * @param message What could not be done.
   * @param killed How many workers were killed.
   * @param options The standard `cause`.
   */
  constructor(message: string, killed: number, options?: ErrorOptions) {
    super(message, options);
    this.killed = killed;
  }
}

/** A worker was about to start workers while it only imports a task's module. */
export class NestedExecutorError extends QuiverError {}

/** The executor takes no more calls, or was terminated before the call had ended. */
export class ExecutorShutdownError extends QuiverError {}

/** The call was cancelled before it had a result. */
export class CancelledError extends QuiverError {}

/** The body of a call ran for longer than the call's `deadline`; only that call fails. */
export class DeadlineError extends QuiverError {
  /** How long it was given, in milliseconds. */
  readonly deadline: number;

  /**
   * Creates the error.
   *
   * @param message What could not be done.
   * @param deadline How long it was given, in milliseconds.
   * @param options The standard `cause`.
   */
  constructor(message: string, deadline: number, options?: ErrorOptions) {
    super(message, options);
    this.deadline = deadline;
  }
}

/** A future among the arguments failed, so the call never ran; `cause` is the first failure. */
export class DependencyError extends QuiverError {
  /** The names of the tasks from the one that failed first to the last that waited for it. */
  readonly chain: readonly string[];

  /**
   * Creates the error.
   *
   * @param message What could not be done.
   * @param chain The tasks from the first failure on.
   * @param options The standard `cause`.
   */
  constructor(message: string, chain: readonly string[], options?: ErrorOptions) {
    super(message, options);
    this.chain = chain;
  }
}

/**
 * Calls of an executor have failed, and nobody has looked at their futures: neither awaited them nor
 * caught what they throw. The executor says so at its end, so that no failure ends a program in the
 * middle, and none is silent.
 */
export class UnhandledFailuresError extends QuiverError {
  /** How many calls. */
  readonly count: number;
  /** What they have thrown: the first hundred, of which the last is that of the last call. */
  readonly errors: readonly unknown[];

  /**
   * Creates the error.
   *
   * @param message What could not be done.
   * @param count How many calls.
   * @param errors What they have thrown.
   * @param options The standard `cause`.
   */
  constructor(message: string, count: number, errors: readonly unknown[], options?: ErrorOptions) {
    super(message, options);
    this.count = count;
    this.errors = errors;
  }
}

/** Calls that wait for one another, in one isolate or in several processes: none could ever end. */
export class DeadlockError extends QuiverError {
  /** The calls, by task and key; each waits for the next, and the last for the first. */
  readonly cycle: readonly { readonly task: string; readonly key: string }[];

  /**
   * Creates the error.
   *
   * @param action What could not be done, without the reason; the cycle is added.
   * @param cycle The calls that wait.
   * @param options The standard `cause`.
   */
  constructor(action: string, cycle: DeadlockError["cycle"], options?: ErrorOptions) {
    const names = cycle.map(({ task, key }) => `"${task}" (${key.slice(0, 8)})`);
    const way = [...names, ...names.slice(0, 1)].join(" → ");
    super(
      `${action}: the call waits for itself, as its bodies wait for one another: ${way}; ` +
        "call it with other arguments, or call the plain function",
      options,
    );
    this.cycle = cycle;
  }
}

/** A value that has no digest, and so cannot be part of a key or be stored. */
export class IndigestibleError extends QuiverError {
  /** Where in the value the culprit is, such as `args[0].solver.callback`. */
  readonly path: string;

  /**
   * Creates the error.
   *
   * @param message What could not be done.
   * @param path Where the culprit is.
   * @param options The standard `cause`.
   */
  constructor(message: string, path: string, options?: ErrorOptions) {
    super(message, options);
    this.path = path;
  }
}

/** A value that structured clone refuses, and so cannot go to a worker or come back. */
export class UnclonableError extends QuiverError {
  /** Where in the value the culprit is, such as `args[0].solver.callback`. */
  readonly path: string;

  /**
   * Creates the error.
   *
   * @param message What could not be done.
   * @param path Where the culprit is.
   * @param options The standard `cause`.
   */
  constructor(message: string, path: string, options?: ErrorOptions) {
    super(message, options);
    this.path = path;
  }
}

/** What is known of the class of an {@linkcode InstanceError}. */
interface InstanceFailure extends ErrorOptions {
  /** The name that the class is registered by. */
  readonly className: string;
  /** The version of the data. */
  readonly version: string | number;
  /** What is the matter. */
  readonly reason: "unknown" | "version" | "failed";
}

/**
 * An instance of a class that `registerClass()` makes known cannot be taken apart or made: its class
 * is not registered here, or in another version only, or its `toData` or `fromData` fails. What is
 * stored stays as it is.
 */
export class InstanceError extends QuiverError {
  /** The name that the class is registered by. */
  readonly className: string;
  /** The version of the data. */
  readonly version: string | number;
  /**
   * What is the matter: `"unknown"` for a class that is not registered, `"version"` for one that is so
   * in another version and does not read this one, `"failed"` for what its own functions do.
   */
  readonly reason: "unknown" | "version" | "failed";

  /**
   * Creates the error.
   *
   * @param message What could not be done.
   * @param failure What is known of the class, and the standard `cause`.
   */
  constructor(message: string, failure: InstanceFailure) {
    const { className, version, reason, ...options } = failure;
    super(message, options);
    this.className = className;
    this.version = version;
    this.reason = reason;
  }
}

/**
 * An argument of a call that is to be remembered is not what its key was made of: its caller has
 * changed it while the call waited, or it was something else each time it was read, or a worker cannot
 * get it as it is. The body did not run. So it is, and nothing is remembered, when a file that counts or
 * a variable that the task reads is another one than that of the key: then the body may have run, if
 * that was found out behind it. Others who make the same call are not concerned.
 */
export class ChangedArgumentError extends QuiverError {
  /** Where among the arguments the culprit is, such as `args[0].samples`. */
  readonly path: string;

  /**
   * Creates the error.
   *
   * @param message What could not be done.
   * @param path Where the culprit is.
   * @param options The standard `cause`.
   */
  constructor(message: string, path: string, options?: ErrorOptions) {
    super(message, options);
    this.path = path;
  }
}

/**
 * A file cannot be what it was given as: it is missing, is no file, cannot be read, does not stop
 * changing, has other bytes than it stands for, or cannot be put back where it was.
 */
export class FileError extends QuiverError {
  /** Where the file is. */
  readonly path: string;

  /**
   * Creates the error.
   *
   * @param message What could not be done.
   * @param path Where the file is.
   * @param options The standard `cause`.
   */
  constructor(message: string, path: string, options?: ErrorOptions) {
    super(message, options);
    this.path = path;
  }
}

/** The cache does not know the result that was asked for. */
export class CacheMissError extends QuiverError {
  /** The key of the call, or the digest of the value. */
  readonly key: string;

  /**
   * Creates the error.
   *
   * @param message What could not be done.
   * @param key What was looked for.
   * @param options The standard `cause`.
   */
  constructor(message: string, key: string, options?: ErrorOptions) {
    super(message, options);
    this.key = key;
  }
}

/** Several values or calls of a cache have digests that begin as the one that was asked for. */
export class AmbiguousDigestError extends QuiverError {
  /** How the digest was said to begin. */
  readonly short: string;
  /** The digests that begin so, in full and in their order. */
  readonly matches: readonly string[];
  /** How many characters tell each of them from the others. */
  readonly needed: number;

  /**
   * Creates the error.
   *
   * @param message What could not be done.
   * @param found What was asked for, and what was found.
   * @param options The standard `cause`.
   */
  constructor(
    message: string,
    found: Pick<AmbiguousDigestError, "short" | "matches" | "needed">,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.short = found.short;
    this.matches = found.matches;
    this.needed = found.needed;
  }
}

/** A path that is not a cache of the kind it was opened as, or one of a format that is not known. */
export class CacheFormatError extends QuiverError {}

/** A directory that is not a bag, or a bag of a format that this version cannot use. */
export class BagFormatError extends CacheFormatError {}

/** A damaged file in a bag. */
export class BagCorruptError extends QuiverError {
  /** The damaged file. */
  readonly file: string;
  /** Where in the file the damage begins, in bytes. */
  readonly offset: number;

  /**
   * Creates the error.
   *
   * @param message What could not be done.
   * @param file The damaged file.
   * @param offset Where the damage begins, in bytes.
   * @param options The standard `cause`.
   */
  constructor(message: string, file: string, offset: number, options?: ErrorOptions) {
    super(message, options);
    this.file = file;
    this.offset = offset;
  }
}

/** The scope, or the worker context, was closed before the call was made. */
export class ScopeClosedError extends QuiverError {}

for (
  const Class of [
    AmbiguousDigestError,
    BagCorruptError,
    BagFormatError,
    CacheFormatError,
    CacheMissError,
    CancelledError,
    ChangedArgumentError,
    DeadlineError,
    DeadlockError,
    DependencyError,
    ExecutorShutdownError,
    FileError,
    IndigestibleError,
    InstanceError,
    NestedExecutorError,
    QuiverError,
    ScopeClosedError,
    UnclonableError,
    UnhandledFailuresError,
    WorkerDiedError,
    WorkerInitError,
    WorkersKilledError,
  ]
) {
  Object.defineProperty(Class.prototype, CLASS, { value: Class.name });
}
