import type { Digest } from "../value/value.ts";

/** Data that JSON carries. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** What is known of the failure of a call. */
export interface CallFailure {
  /** What was thrown. */
  readonly error: FailureError;
  /** How often the call has run. */
  readonly attempts: number;
  /** What those of its arguments take that are stored, in bytes. */
  readonly bytes: number;
  /** The last that was captured of what it has printed. */
  readonly output?: string;
}

/** What was thrown, as texts. */
export interface FailureError {
  /** The name of its class; of what is no error, its type. */
  readonly name: string;
  /** Its message; of what is no error, its text. */
  readonly message: string;
  /** Its stack. */
  readonly stack?: string;
  /** What it was caused by. */
  readonly cause?: FailureError;
  /** The first of the errors that it stands for. */
  readonly errors?: readonly FailureError[];
}

/** That a call was answered without running. */
export interface CallUse {
  /** The tags of the scope in which it was made. */
  readonly tags: { readonly [name: string]: Json };
  /** What the run of the program is known by: another one for each time it is started. */
  readonly run: string;
  /** When that was last, in milliseconds since 1970. */
  readonly at: number;
}

/** What is known of one call: one line of the call log. */
export interface CallRecord {
  /** The digest of task and arguments. */
  readonly key: Digest;
  /** Which rules made the key. */
  readonly scheme: number;
  /**
   * What the task's module is known by: the name of its project and its path in it; where the project has
   * no name, its URL; what comes before the last slash of the task's option `id`, if it has one.
   */
  readonly module: string;
  /** The task's name in its module, or what comes after the last slash of its `id`. */
  readonly task: string;
  /** The version that the task was given. */
  readonly version?: string | number;
  /** The digest of the task's code, where it counts. */
  readonly code?: Digest;
  /**
   * What the code consists of, if that is more than the task's function: for each part its name, which
   * begins with the path of its module from the task's, a space, and the first digits of its digest, or
   * the version of a package.
   */
  readonly parts?: readonly string[];
  /**
   * The arguments, ignored ones left out: the parameter's name, or its position (`"2"`) where it has
   * none; its position among all arguments, which records of old versions do not tell; the argument
   * digest, which the key is made of; and the digest under which the argument itself is stored, if it
   * is, or was until a repair found it damaged (`lost`).
   */
  readonly args: readonly {
    readonly name: string;
    readonly position?: number;
    readonly digest: Digest;
    readonly value?: Digest;
    readonly lost?: Digest;
  }[];
  /**
   * The positions of the parameters that the task ignores, in ascending order, that of a rest parameter
   * as `"...2"`; absent for none.
   */
  readonly ignored?: readonly (number | `...${number}`)[];
  /**
   * The files and environment variables that the task reads by name, as it says: of a file its name, for
   * people, and the digest of its content; of a variable its name and a digest of that and the value.
   * Absent for none.
   */
  readonly reads?: readonly {
    readonly kind: "file" | "env";
    readonly name: string;
    readonly digest: Digest;
  }[];
  /** The digest under which the result is stored. */
  readonly result: Digest;
  /**
   * When the body started, in milliseconds since 1970; with fractions, so that `started + duration`
   * tells which of two calls ended first.
   */
  readonly started: number;
  /** How long the body took, in milliseconds. */
  readonly duration: number;
  /**
   * When the body ended by the wall clock, in milliseconds since 1970, where that had been set back since
   * another call ended: then `started` and `duration` only tell the order. Absent for nearly all.
   */
  readonly wall?: number;
  /** Tags and what metadata collectors found; never part of the key. */
  readonly metadata: { readonly [name: string]: Json };
  /**
   * Who has used the result since it was recorded, the last of them last: for each set of tags and each
   * run of the program when that was last, to a minute. Absent where nobody has, and where a record is
   * not asked for by a query or by its key.
   */
  readonly uses?: readonly CallUse[];
  /** When the last of them was, in milliseconds since 1970; absent where there are none. */
  readonly lastUsed?: number;
  /** That the call has failed, and how: then `result` is empty, and it is known to no look-up. */
  readonly failure?: CallFailure;
  /** What proves that all other fields are as the holder of a signing key wrote them. */
  readonly signature?: string;
}

/** One argument as a record knows it. */
export type ArgumentRecord = CallRecord["args"][number];

/** A file or environment variable as a record knows it. */
export type ReadRecord = NonNullable<CallRecord["reads"]>[number];

/** The position of a parameter that does not count. */
export type IgnoredPosition = NonNullable<CallRecord["ignored"]>[number];

/** What keys and records know a task by, wherever its project lies: the fields of its records. */
export type RecordedTask = Pick<CallRecord, "module" | "task">;

/** How a worker finds a task: import the module, then ask for the name. */
export interface TaskAddress {
  /** The URL of the module. */
  readonly module: string;
  /** The task's name in its module. */
  readonly name: string;
}
