/**
 * What a worker is: something that runs calls one at a time.
 *
 * @module
 */
import { type ArrivalCheck, leavable } from "../base/abortable.ts";
import { OBJECT, ofKind, type OptionRule, type OptionRules, TEXTS } from "../base/check_options.ts";
import type { TaskAddress } from "../call/call_record.ts";
import type { SharedMemory } from "../value/share.ts";
import type { SharedMessage } from "./wire/shared_values.ts";

/** A kind of worker. */
export type WorkerType = "web" | "process" | "inline";

/** The kinds of worker. */
export const WORKER_TYPES: readonly WorkerType[] = ["web", "process", "inline"];

/** What only a process can be given. */
export interface ProcessOptions {
  /** What the process may do. */
  readonly permissions?: Deno.PermissionOptions;
  /** Variables added to its environment. */
  readonly env?: { readonly [name: string]: string };
  /** Further flags of `deno run`. */
  readonly flags?: readonly string[];
}

/**
 * Checks that nothing else is given what only a process can be given.
 *
 * @param action What cannot be done with wrong ones, for messages.
 * @throws {TypeError} When another kind of worker is given such an option.
 */
export function checkProcessOptions(
  options: ProcessOptions,
  type: WorkerType,
  action: string,
): void {
  if (type === "process") return;
  const { permissions, env, flags } = options;
  for (const [name, option] of Object.entries({ permissions, env, flags })) {
    if (option === undefined) continue;
    throw new TypeError(
      `Cannot ${action}: \`${name}\` is for workers of the kind "process", not "${type}"`,
    );
  }
}

/** What only workers of the kind `"process"` can be given. */
export const PROCESS_RULES: OptionRules<ProcessOptions> = {
  permissions: ofKind(
    'an object, "inherit" or "none"',
    (value) => value === "inherit" || value === "none" || OBJECT.allows(value),
  ),
  env: ofKind(
    "an object of strings",
    (value) => OBJECT.allows(value) && TEXTS.allows(Object.values(Object(value))),
  ),
  flags: TEXTS,
};

/** A task that each worker runs, or a task and its arguments. */
export const HOOK: OptionRule = ofKind(
  "a task, or `{ task, args }`",
  (value) => typeof value === "function" || OBJECT.allows(value),
);

/** A function of the caller's that a task calls from its worker. */
export type Callback = (...args: unknown[]) => unknown;

/** One call as it goes to a worker: data that structured clone carries. */
export interface CallRequest {
  /** The URL of the task's module. */
  readonly module: string;
  /** The task's name in its module. */
  readonly task: string;
  /** The arguments. */
  readonly args: readonly unknown[];
  /** What the call needs beside its arguments (scope, key…); the protocol does not look inside. */
  readonly context: unknown;
  /** What the call's code may call here, by the numbers that stand for them; they stay here. */
  readonly callbacks?: readonly Callback[];
  /** The shared values that the arguments refer to: a worker that does not have one gets it before. */
  readonly shared?: readonly SharedMemory[] | undefined;
  /** How many items the call consists of, each of which begins by itself; none, if not given. */
  readonly items?: number;
}

/** A thrown value as data that structured clone carries. */
export interface ThrownValue {
  /** The value in a form that `toThrown()` turns back, class, stack, own fields and cause included. */
  readonly thrown: unknown;
}

/** Where a value comes from; or what was noted while it came to be, as data. */
export type ValueOrigin = string | { readonly notes: unknown };

/** How a call ended, as data; `duration` is in milliseconds. */
export type Outcome =
  | {
    readonly type: "value";
    readonly value: unknown;
    /** Whether something else travels in the place of the value; the protocol does not look inside. */
    readonly carried?: true;
    /** Where the value comes from, if that is told; the protocol does not look inside. */
    readonly source?: ValueOrigin;
    readonly duration: number;
    readonly warnings: readonly string[];
    /** How much memory the worker holds, told when that is more than it may: it is replaced. */
    readonly heapBytes?: number;
  }
  | {
    readonly type: "error";
    readonly error: ThrownValue;
    /** How often the call has run, if more than once; the protocol does not know. */
    readonly attempts?: number;
    readonly duration: number;
    readonly warnings: readonly string[];
    /** How much memory the worker holds, told when that is more than it may: it is replaced. */
    readonly heapBytes?: number;
  };

/** How a run on a worker ended: an outcome, or the call never started and may go elsewhere. */
export type RunResult = Outcome | { readonly type: "revoked" };

/** What a call says of how far it is; what is left out stays as it was. */
export interface ProgressReport {
  /** How much is done, from 0 to 1. */
  readonly fraction?: number;
  /** What is being done. */
  readonly message?: string;
  /** What has come out so far, such as `{ loss: 0.2 }`. */
  readonly values?: ProgressValues;
}

/** What a call says of what has come out so far. */
export interface ProgressValues {
  /** One of the values. */
  readonly [name: string]: number | string | boolean | null;
}

/** What the code of a call that runs knows of who waits for it. */
export interface CallControl {
  /** Whether the call is to end: as the signal says, which need not be made for it. */
  readonly aborted: boolean;
  /** Aborted when the call is to end; made when first asked for. */
  readonly signal: AbortSignal;
  /**
   * The body of the call begins, where that was not clear when the worker took it.
   *
   * @returns Whether it may; `false` when the call was given up before.
   */
  begin?(): boolean;
  /** Says how far the call is: the latest word arrives, not every one. */
  report(progress: ProgressReport): void;
  /**
   * Says something at once, before this returns; the protocol does not look inside.
   *
   * @returns Whether somebody is there to hear it: `false` after the end of the call.
   */
  send(kind: string, data: unknown): boolean;
  /**
   * Has the answers of callbacks go to a listener; only calls that come from elsewhere can have some.
   *
   * @param listener Told of each answer, and when there are no more.
   */
  listen?(listener: CallbackListener): void;
  /**
   * The next item of the call begins.
   *
   * @returns Whether it may; `false` when the parent has taken back it and those after it.
   */
  beginItem?(): boolean;
  /** The item that has begun takes its time: no other counts as begun meanwhile. */
  awaitItem?(): void;
}

/** Who waits for the answers of callbacks where a call's code runs. */
export interface CallbackListener {
  /** An answer has come. */
  answered(message: unknown): void;
  /** The call has ended, or is to end: nobody answers any more. */
  ended(reason: unknown): void;
}

/** Who follows a call that runs. */
export interface CallFollower {
  /** Told of what the call says: `"progress"` with a {@linkcode ProgressReport}, or what `send` was given. */
  onMessage(kind: string, data: unknown): void;
  /** Told that its body has begun, a while after that, where it has not said so itself; perhaps again. */
  noteBegun?(): void;
  /** Whether its body has ended, and nobody else watches for what its worker still does with it. */
  readonly finishing?: boolean;
}

/** Who waits for a call that was sent to a worker. */
export interface CallListener {
  /** Told of what the call says; it also stands for the call in `abort()`. */
  readonly follower?: CallFollower | undefined;
  /** The call has ended, or never started and may go elsewhere. */
  ended(result: RunResult): void;
  /**
   * It could not be sent, or its worker died during it.
   *
   * @param begun Which of its items had begun, if it has items.
   */
  failed(error: unknown, begun?: BegunItems): void;
}

/** Which items of a call have begun. */
export interface BegunItems {
  /** How many may have: no other does any more. */
  readonly count: number;
  /** How many certainly have. The two differ only of a process, and there only for tiny items. */
  readonly sure: number;
}

/** Who waits for a call by a promise. */
export class PromisedCall implements CallListener {
  readonly follower: CallFollower | undefined;
  readonly #result = Promise.withResolvers<RunResult>();

  /**
   * Creates the promise.
   *
   * @param follower Told of what the call says.
   */
  constructor(follower: CallFollower | undefined) {
    this.follower = follower;
  }

  /** How the call ended; rejects when it failed. */
  get result(): Promise<RunResult> {
    return this.#result.promise;
  }

  ended(result: RunResult): void {
    this.#result.resolve(result);
  }

  failed(error: unknown): void {
    this.#result.reject(error);
  }
}

/** Does the work of one call where the worker runs; what a task throws becomes an outcome. */
export type RunCall = (
  request: CallRequest,
  control: CallControl,
) => Outcome | Promise<Outcome>;

/** What a worker does beside running calls. */
export interface WorkerHooks {
  /**
   * Whether the body of a call begins as soon as it is run; otherwise `CallControl.begin()` tells.
   *
   * @default {it does}
   */
  beginsAtOnce?: (request: CallRequest) => boolean;
  /**
   * Runs after each call, when its answer is on its way and before the next one is claimed; it must not
   * throw. Where it gives `true` the worker leaves: it gives back the calls that it has, but for those
   * that can be sent only once, and is closed.
   */
  afterCall?: (request: CallRequest) => boolean | Promise<boolean>;
  /** Takes what the parent tells of a shared value; it must not throw. */
  takeShared?: (message: SharedMessage) => void;
  /** Lets go of what the calls opened, such as a bag; runs once, after the last call. */
  close?: () => void | Promise<void>;
}

/**
/**
 * What became of a call that was not to begin: the worker does not get it, and its listener is told
 * nothing more; the worker has it, and ends it without having run its body; or the body had begun.
 */
export type Cancellation = "withdrawn" | "forestalled" | "begun";

/**
 * By whom a worker was ended: by its owner, who closed it when its calls had ended, has killed it, or has
 * waited in vain for it to take up what it was sent, or to begin it; by its `retire` task; for
 * another worker that is to load what it cannot; or by none of these, when it has crashed.
 */
export type WorkerEndedBy =
  | "closed"
  | "killed"
  | "unresponsive"
  | "retired"
  | "replaced"
  | "crashed";

/** A worker of any kind. */
export interface Worker extends AsyncDisposable {
  /** A name for messages, such as `quiver-worker-3`. */
  readonly name: string;
  /**
   * Runs a call after those it was given before. It fails with `WorkerDiedError` when the worker
   * dies during this call; ends as `revoked` when it dies, or is closing, before the call started;
   * fails with `UnclonableError` when an argument cannot be sent, and with `RangeError` when as many
   * calls are on their way as a worker takes. The worker survives what a task throws.
   *
   * @param listener Told once how it ended, and never before this returns. It must not throw.
   */
  send(request: CallRequest, listener: CallListener): void;
  /**
   * The same, for one who waits by a promise, which costs as much as all else that is done for a short call.
   *
   * @param follower Told of what the call says; it also stands for the call in `abort()`.
   */
  run(request: CallRequest, follower?: CallFollower): Promise<RunResult>;
  /**
   * Tells a call that runs to end: its signal aborts. Whether it ends is up to its code; one that
   * never awaits sees it when it reads `aborted` of its signal, where memory is shared.
   *
   * @param follower What stands for the call.
   * @param reason Why.
   */
  abort(follower: CallFollower, reason: unknown): void;
  /** Takes back the newest call that has not started, if any: its run resolves to `revoked`. */
  revoke(): boolean;
  /**
   * Keeps the body of a call from beginning, wherever the call stands among the others.
   *
   * @param follower What stands for the call.
   * @returns What became of it; `"begun"`, too, when the worker has no such call.
   */
  cancel(follower: CallFollower): Cancellation;
  /**
   * Whether the body of a call has begun.
   *
   * @param follower What stands for the call.
   */
  hasBegun(follower: CallFollower): boolean;
  /**
   * Takes back the items of a call that have not begun: the call ends after the one that runs.
   *
   * @param follower What stands for the call.
   * @returns Which items have begun; `undefined` when the worker has not come to the call.
   */
  takeItems(follower: CallFollower): BegunItems | undefined;
  /**
   * How many items of a call may have begun.
   *
   * @param follower What stands for the call.
   * @returns How many; none when the worker has not come to the call.
   */
  begunItems(follower: CallFollower): number;
  /** How many more calls can be sent; one that was taken back counts until the worker has seen that. */
  readonly room: number;
  /** Tells when what the worker has said by now was read, however long this isolate was busy. */
  checkArrivals(): ArrivalCheck;
  /** Resolves when the worker is dead, for whatever reason, with the reason; never rejects. */
  readonly dead: Promise<string>;
  /** By whom it was ended, or is being ended; absent while it takes calls. */
  readonly endedBy?: WorkerEndedBy | undefined;
  /** Lets the calls that were given end, then ends the worker; rejects when its close hook does. */
  close(): Promise<void>;
  /** Ends the worker now, as far as the kind allows; the running call rejects, its signal aborts. */
  terminate(): void;
  /**
   * Waits until none of a dead worker's code runs any more. A web worker that is busy when it is
   * terminated goes on until its code returns, and no program ends by itself before that.
   *
   * @param signal Ends the wait, which keeps the program alive.
   * @returns Whether the code has stopped; `false` when the signal ended the wait.
   */
  stopped(signal: AbortSignal): Promise<boolean>;
}

/** A task that each worker calls by itself, with arguments if it takes any. */
export type WorkerHook = { readonly address: TaskAddress } | {
  /** The task. */
  readonly task: { readonly address: TaskAddress };
  /** Its arguments: data that structured clone carries. */
  readonly args: readonly unknown[];
};

/** A call that a worker makes by itself, as data that can be sent to it. */
export interface HookCall {
  /** The URL of the task's module. */
  readonly module: string;
  /** The task's name in its module. */
  readonly task: string;
  /** The arguments. */
  readonly args: readonly unknown[];
}

/**
 * Makes what a user gave as a hook data that can be sent to a worker.
 *
 * @param hook What the user gave.
 * @param action What cannot be done without it, for the message.
 * @param option The name of the option.
 * @throws {TypeError} When it is not a task.
 */
export function toHookCall(hook: WorkerHook, action: string, option: string): HookCall {
  const { task, args } = "task" in hook ? hook : { task: hook, args: [] };
  // Types do not hold where a program has none.
  const { address }: { readonly address?: TaskAddress } = task ?? {};
  if (address === undefined || !Array.isArray(args)) {
    throw new TypeError(
      `Cannot ${action}: \`${option}\` is no task, and a worker finds nothing else; define it with ` +
        `\`task(import.meta, fn)\` at the top level of a module, and give its arguments as ` +
        `\`{ task, args: [] }\``,
    );
  }
  return { module: address.module, task: address.name, args };
}

/** Whether workers may read less than this program. */
export function mayReadLess(
  workerType: WorkerType,
  { permissions = "inherit" }: ProcessOptions = {},
): boolean {
  if (workerType !== "process") return false;
  // Of what is inherited a part may be left out.
  if (permissions === "inherit") {
    return Deno.permissions.querySync({ name: "read" }).state !== "granted";
  }
  return permissions === "none" || permissions.read !== true;
}

/**
 * How far a call is, as its task says by `reportProgress()`.
 *
 * @example Follow a call
 * ```ts
 * import { reportProgress, task } from "@quiver/quiver";
 * import { assertEquals } from "@std/assert";
 *
 * const climb = task(import.meta, async () => {
 *   for (const fraction of [0.5, 1]) {
 *     reportProgress(fraction);
 *     await new Promise((resolve) => setTimeout(resolve));
 *   }
 * }, { name: "climb" });
 *
 * const fractions = [];
 * for await (const { fraction } of climb().progress) fractions.push(fraction);
 * assertEquals(fractions, [0.5, 1]);
 * ```
 */
export class CallProgress implements AsyncIterable<ProgressReport> {
  #latest: ProgressReport = {};
  #count = 0;
  #ended = false;
  /** Those that wait for the next report. */
  readonly #waiting = new Set<() => void>();

  /** The latest fraction and the latest message; what was never reported is absent. */
  get latest(): ProgressReport {
    return this.#latest;
  }

  /**
   * Takes a report.
   *
   * @param progress The report; what it leaves out stays as it was.
   * @internal
   */
  update(progress: ProgressReport): void {
    this.#latest = { ...this.#latest, ...progress };
    this.#count++;
    this.#announce();
  }

  /**
   * The call has ended.
   *
   * @internal
   */
  end(): void {
    this.#ended = true;
    this.#announce();
  }

  /**
   * Gives each change from the first on, and ends with the call, however that ends; who is slow gets
   * the latest and misses what was between.
   */
  [Symbol.asyncIterator](): AsyncGenerator<ProgressReport, void, void> {
    return leavable((left) => this.#reports(left));
  }

  async *#reports(left: AbortSignal): AsyncGenerator<ProgressReport, void, void> {
    for (let seen = 0; !left.aborted;) {
      if (seen !== this.#count) {
        seen = this.#count;
        yield this.#latest;
      } else if (this.#ended) return;
      else await this.#change(left);
    }
  }

  async #change(left: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.add(resolve);
    left.addEventListener("abort", () => resolve(), { once: true });
    await promise;
    this.#waiting.delete(resolve);
  }

  #announce(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}
