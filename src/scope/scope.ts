import {
  ANYTHING,
  BOOLEAN,
  checkOptions,
  COUNT_OR_INFINITY,
  describe,
  FUNCTION,
  isPlainObject,
  LONGEST_TIMEOUT,
  NOT_NEGATIVE,
  numeric,
  OBJECT,
  oneOf,
  type OptionRules,
  TIMEOUT,
  toFacts,
} from "../base/check_options.ts";
import { NestedExecutorError, QuiverError } from "../base/errors.ts";
import { type QuiverWarning, toSafeWarning, type Warn } from "../base/warning.ts";
import { type Cache, checkCache, COLLECTOR_NAMES, type CollectorName } from "../cache/cache.ts";
import type { Json, TaskAddress } from "../call/call_record.ts";
import type { StoreDescription } from "../store/stores.ts";
import { toAbsolute, toPath } from "../value/file/file_handle.ts";
import type { Digest } from "../value/value.ts";
import { currentWorker } from "../worker/current_worker.ts";
import {
  type CallControl,
  checkProcessOptions,
  HOOK,
  type HookCall,
  PROCESS_RULES,
  type ProcessOptions,
  toHookCall,
  WORKER_TYPES,
  type WorkerHook,
  type WorkerType,
} from "../worker/worker.ts";

/** What a scope may set for everything beneath it; what it does not set it inherits. */
export interface ScopeOptions {
  /** Where calls are remembered; `undefined` (given as such) means: not at all. */
  cache?: Cache | undefined;
  /** Goes into the record of every call, beside the tags of outer scopes; never part of a key. */
  tags?: { readonly [name: string]: Json };
  /**
   * Goes into the record of every call by its own names, beside that of outer scopes; never part of a
   * key. The names `tags`, `calls` and `annotations` are taken, and so are those of the scope's collectors.
   */
  metadata?: { readonly [name: string]: Json };
  /**
   * What is collected of each call that runs, into its record and under the collector's name; `[]` for
   * nothing. `"runtime"` has when the body ran, what it took of the processor, how much memory the process
   * has had at most, and on which worker it ran; `"environment"` the machine, the user, the working
   * directory, the versions of Deno and Quiver, and of the packages in the lock file; `"git"` the commit,
   * the branch, and whether files differ from it, as it was when the program first asked. What lacks a
   * permission is left out, and nobody is asked. Beside these there may be collectors of one's own.
   *
   * @default {those of the outer scope, or of the configuration that names the cache}
   */
  collect?: readonly ScopeCollector[];
  /**
   * Whether a fault of the cache is thrown instead of warned of.
   *
   * @default {false}
   */
  strict?: boolean;
  /**
   * Whether calls run though they are known, and what they give takes the place of what is known: each
   * once, and those that they call in turn, here and on workers.
   *
   * @default {false}
   */
  refresh?: boolean;
  /**
   * Whether the cache keeps what has failed, for people: `query(cache, { state: "failed" })` shows the
   * error, and `task.reproduce(key)` runs the call again. None of that answers a call, and the next
   * success clears it. The newest 1000 are kept, and 16 MiB of them with their arguments. Bags and memory
   * caches keep failures.
   *
   * @default {for calls that an executor runs, in the scope of a bag}
   */
  keepFailures?: boolean;
  /**
   * Whether a call that is computed already, here or in another process, is waited for; if not,
   * whoever asks for it computes it.
   *
   * @default {true}
   */
  singleFlight?: boolean;
  /**
   * How long a call waits for another that computes its key, in milliseconds. After that it warns and
   * computes too: a holder that hangs holds up nobody for ever. (One that dies holds up nobody at
   * all, and calls that wait for one another are told so by a `DeadlockError`.)
   *
   * @default {Infinity}
   */
  leaseTimeout?: number;
  /**
   * Workers of the scope's own, for `runInWorker` beneath it in this isolate; they end with the scope,
   * after the calls that run. `undefined` (given as such) means: those of the program.
   */
  workers?: WorkerContextOptions | undefined;
  /**
   * The directory of output files, a path or a `file:` URL: those with a relative path lie in it, and a
   * hit writes nothing outside of it, but where an argument of the call is the very path of the file, or
   * of the directory that it is in. See `outputFile()`.
   *
   * @default {Deno.cwd()}
   */
  outputs?: string | URL;
  /**
   * Which arguments of calls are stored beside their results: all, those of up to 64 KiB each
   * (65,536 bytes, with all arrays in it), or none. Of the others a record has the digests only: they
   * count for the key, but nobody can read what they were, and `rekey()` cannot carry their calls over
   * should the rules of digests change. A failure that is kept has no arguments where none are to be
   * stored, else those of up to 1 MiB each. The same option of a task goes before it.
   *
   * @default {"small"}
   */
  storeArguments?: "all" | "small" | "none";
  /**
   * Told of each warning once; by default warnings are written to standard error, as are those that it
   * was not told because it throws.
   */
  onWarning?: (warning: QuiverWarning) => void;
}

/** What a collector is told of the call. */
export interface CollectedCall {
  /** The task's name. */
  readonly task: string;
  /** The URL of the task's module. */
  readonly module: string;
  /** Whether an inline worker runs it. */
  readonly inline: boolean;
}

/** What a collector has found: an object that JSON carries; nothing leaves it out. */
export type CollectedFacts = { readonly [name: string]: Json } | undefined | void;

/**
 * Collects something of each call that runs, for its record, under its own name: called as the body is
 * about to run, it returns what it has found, or a function that finds it when the body has ended. Either
 * may be a promise, and is waited for up to 2 seconds after the body has ended. What it throws is a
 * warning, and so is one that takes longer, which is passed over from then on.
 *
 * A task travels to workers. A plain function is called for calls that are remembered from here: those
 * that run here, and those whose cache is in memory.
 *
 * @param call Which call.
 */
export type Collector = (
  call: CollectedCall,
) =>
  | CollectedFacts
  | (() => CollectedFacts | Promise<CollectedFacts>)
  | Promise<CollectedFacts | (() => CollectedFacts | Promise<CollectedFacts>)>;

/** A collector as a scope has it: one of Quiver's, a function, a task, or the address of a task. */
export type ScopeCollector = CollectorName | Collector | TaskAddress;

/** What is noted of a call while its body runs, as data; made by whoever runs the body. */
export interface CallNotes {
  /** What the body has said of its call. */
  annotations?: { readonly [name: string]: Json };
  /** The keys of calls that the body has made, each once. */
  made?: Digest[];
  /** How many calls it has made beyond those. */
  more?: number;
  /** What collectors have found, by their names. */
  collected?: { readonly [name: string]: Json };
  /** Those of the call around one that is not recorded itself; they stay in this isolate. */
  readonly around?: CallNotes;
}

/** The calls whose bodies run around some code, innermost first. */
export interface CallChain {
  /** The task's name. */
  readonly task: string;
  /** The key of the call, if it has one. */
  readonly key?: Digest;
  /** The cache in which others may wait for the key; absent when the call runs without its lease. */
  readonly cache?: string;
  /** The call around it. */
  readonly outer?: CallChain;
}

/** The workers that executors may start here, all together. */
export interface WorkerAllowance {
  /** How many are left. */
  readonly left: number;
  /** Takes workers, no more than are left. */
  take(count: number): void;
  /** Gives workers back. */
  give(count: number): void;
}

/** Where code stands beneath executors. */
interface Nesting {
  /** How many executors' calls are around it. */
  readonly depth: number;
  /** What executors opened here may start. */
  readonly allowance: WorkerAllowance;
  /** Those that run the calls around it in this isolate, if there are any. */
  readonly within?: readonly string[];
  /** The calls around it in this isolate that have taken something of what their executors have. */
  readonly holds?: readonly (readonly [owner: string, id: number])[];
}

/** What holds for the code that runs now. */
export interface Scope {
  /** The directory of the body that runs, if it has one of its own. */
  readonly directory?: string;
  /** Where calls are remembered. */
  readonly cache?: Cache;
  /** Goes into the record of every call. */
  readonly tags: { readonly [name: string]: Json };
  /** Goes into the record of every call too, if there is any. */
  readonly metadata?: { readonly [name: string]: Json };
  /** What is collected of calls, if anything is. */
  readonly collect?: readonly ScopeCollector[];
  /** Whether a fault of the cache is thrown instead of warned of. */
  readonly strict: boolean;
  /**
   * Has calls run though they are known: only results count whose body began at `since` or later, in
   * milliseconds since 1970, which is set by the first call that is looked up.
   */
  readonly refresh?: { since?: number };
  /** Whether failures are kept; if not given, those of calls on an executor, where there is a bag. */
  readonly keepFailures?: boolean;
  /** Whether a call that is computed already is waited for. */
  readonly singleFlight: boolean;
  /** How long a call waits for another that computes its key, in milliseconds. */
  readonly leaseTimeout: number;
  /** The directory of output files, if it is not the working directory. */
  readonly outputs?: string;
  /** Which arguments are stored, if the scope says so. */
  readonly storeArguments?: "all" | "small" | "none";
  /**
   * The workers of the scope's own.
   *
   * @internal
   */
  readonly workers?: ScopeWorkers;
  /**
   * Told of faults; warns once of each, or throws when the scope is strict.
   *
   * @internal
   */
  readonly warn: Warn;
  /**
   * The calls whose bodies run now, around this one.
   *
   * @internal
   */
  readonly chain?: CallChain;
  /**
   * What is noted of the innermost of them that is recorded.
   *
   * @internal
   */
  readonly notes?: CallNotes;
  /**
   * What the innermost of them knows of who waits for it.
   *
   * @internal
   */
  readonly control?: CallControl;
  /**
   * How urgent the innermost of them is, if it is more than others.
   *
   * @internal
   */
  readonly priority?: number;
  /**
   * The call that takes what `console` prints, if it is not printed here.
   *
   * @internal
   */
  readonly output?: CallControl;
  /**
   * Where the code stands beneath executors, in a call of one.
   *
   * @internal
   */
  readonly nesting?: Nesting;
}

/** What has calls run though they are known. */
export type Refresh = NonNullable<Scope["refresh"]>;

const RULES: OptionRules<ScopeOptions> = {
  cache: ANYTHING,
  tags: ANYTHING,
  metadata: ANYTHING,
  collect: ANYTHING,
  strict: BOOLEAN,
  refresh: BOOLEAN,
  keepFailures: BOOLEAN,
  singleFlight: BOOLEAN,
  leaseTimeout: numeric(
    `must be Infinity or an integer from 0 to ${LONGEST_TIMEOUT}`,
    (value) => value === Infinity || (Number.isInteger(value) && TIMEOUT.allows(value)),
  ),
  workers: OBJECT,
  outputs: ANYTHING,
  storeArguments: oneOf(["all", "small", "none"]),
  onWarning: FUNCTION,
};

/**
 * Makes the scope that a nested one with these options is.
 *
 * @param options What the nested one sets.
 * @throws {TypeError} When an option is unknown, `cache` is no cache, tags or metadata are no JSON, a
 * collector is none, or metadata has a name that is taken.
 * @throws {RangeError} When `leaseTimeout` is no time.
 */
export function deriveScope(outer: Scope | undefined, options: ScopeOptions): Scope {
  checkOptions("open a scope", options, RULES);
  const {
    strict = outer?.strict ?? false,
    keepFailures = outer?.keepFailures,
    singleFlight = outer?.singleFlight ?? true,
    leaseTimeout = outer?.leaseTimeout ?? Infinity,
    onWarning,
  } = options;
  if (options.cache !== undefined) checkCache(options.cache, "open a scope as `cache`");
  const {
    cache: outerCache,
    workers: outerWorkers,
    refresh: outerRefresh,
    collect: _,
    ...others
  }: Partial<Scope> = outer ?? {};
  const metadata = deriveMetadata(outer?.metadata, options.metadata);
  const collect = options.collect === undefined ? outer?.collect : toCollectors(options.collect);
  refuseTakenNames(metadata, collect);
  const cache = "cache" in options ? options.cache : outerCache;
  const workers = "workers" in options ? toScopeWorkers(options) : outerWorkers;
  const refresh = options.refresh === undefined ? outerRefresh : options.refresh ? {} : undefined;
  const keepsWarn = outer !== undefined && strict === outer.strict && onWarning === undefined;
  return {
    ...others,
    ...(cache !== undefined && { cache }),
    ...(workers !== undefined && { workers }),
    tags: options.tags === undefined
      ? { ...outer?.tags }
      : { ...outer?.tags, ...toFacts(options.tags, "tags") },
    ...(metadata !== undefined && { metadata }),
    ...(collect !== undefined && collect.length > 0 && { collect }),
    strict,
    ...(refresh !== undefined && { refresh }),
    ...(keepFailures !== undefined && { keepFailures }),
    singleFlight,
    leaseTimeout,
    ...(options.outputs !== undefined && {
      outputs: toAbsolute(toPath(options.outputs, "open a scope as `outputs`")).replace(
        /(?<=.)\/+$/,
        "",
      ),
    }),
    ...(options.storeArguments !== undefined && { storeArguments: options.storeArguments }),
    warn: keepsWarn ? outer.warn : createWarn(strict, toSafeWarning(onWarning)),
  };
}

function deriveMetadata(
  outer: Scope["metadata"],
  own: Scope["metadata"],
): Scope["metadata"] {
  if (own === undefined) return outer;
  const facts = toFacts(own, "metadata");
  if ("tags" in facts) {
    throw new TypeError(
      'Cannot open a scope: the metadata "tags" are the tags of the scope; set them with `tags`',
    );
  }
  return { ...outer, ...facts };
}

/** What Quiver itself writes into records. */
const TAKEN_NAMES = ["calls", "annotations"];

function refuseTakenNames(metadata: Scope["metadata"], collect: Scope["collect"] = []): void {
  const taken = [...TAKEN_NAMES, ...collect.map(nameOfCollector)];
  const twice = taken.find((name, index) => taken.indexOf(name) < index);
  if (twice !== undefined) {
    throw new TypeError(
      `Cannot open a scope: a collector is called "${twice}", and so is something else in records; ` +
        "give it another name",
    );
  }
  const name = taken.find((name) => Object.hasOwn(metadata ?? {}, name));
  if (name === undefined) return;
  const whose = TAKEN_NAMES.includes(name) ? "noted by Quiver" : "of a collector of the scope";
  throw new TypeError(
    `Cannot open a scope: the metadata "${name}" are ${whose}; give yours another name`,
  );
}

function toCollectors(collect: unknown): readonly ScopeCollector[] {
  if (!Array.isArray(collect)) {
    throw new TypeError(
      `Cannot open a scope as \`collect\` must be an array of collectors: it is ${
        describe(collect)
      }`,
    );
  }
  for (const one of collect) {
    if (!isCollector(one)) {
      const what = typeof one === "string" ? `"${one}"` : describeGiven(one);
      throw new TypeError(
        `Cannot open a scope: ${what} in \`collect\` is no collector; they are ` +
          `${COLLECTOR_NAMES.join(", ")}, tasks, and functions`,
      );
    }
    if (nameOfCollector(one) === "" || nameOfCollector(one) === "tags") {
      throw new TypeError(
        "Cannot open a scope: a collector is to have a name of its own, under which records have " +
          `what it finds, not "${nameOfCollector(one)}"`,
      );
    }
  }
  return [...new Set(collect)];
}

function describeGiven(value: unknown): string {
  return isPlainObject(value) ? "an object without `module` and `name`" : describe(value);
}

function isCollector(value: unknown): value is ScopeCollector {
  if (typeof value === "string") return COLLECTOR_NAMES.some((name) => name === value);
  if (typeof value === "function") return true;
  const { module, name }: Partial<TaskAddress> = Object(value);
  return typeof module === "string" && typeof name === "string";
}

/** Where a collector is found by others, if it is a task. */
function addressOf(collector: Collector): TaskAddress | undefined {
  const { address }: { readonly address?: TaskAddress } = Object(collector);
  return address;
}

/** The name under which a record has what a collector finds. */
export function nameOfCollector(collector: ScopeCollector): string {
  if (typeof collector === "string") return collector;
  return typeof collector === "function" && addressOf(collector)?.name || collector.name;
}

/** Whether a collector is a function that no other isolate could find. */
export function isFunctionOfHere(collector: ScopeCollector): collector is Collector {
  return typeof collector === "function" && addressOf(collector) === undefined;
}

/** Collectors as data; of functions that are no tasks there is none. */
function describeCollectors(collect: NonNullable<Scope["collect"]>) {
  return collect.flatMap((one) =>
    typeof one === "function" ? addressOf(one) ?? [] : typeof one === "string" ? one : [one]
  );
}

function toScopeWorkers({ workers }: ScopeOptions): ScopeWorkers | undefined {
  return workers === undefined ? undefined : new ScopeWorkers(workers);
}

/**
 * Creates what is told of faults: each message once for a scope and those that inherit from it, as a
 * broken disk warns once, not a million times.
 *
 * @param strict Whether faults are thrown instead.
 * @param onWarning Told of each warning.
 * @returns What is told.
 */
export function createWarn(strict: boolean, onWarning: (warning: QuiverWarning) => void): Warn {
  // A worker makes a scope for each call, and next to none of them warns.
  let seen: Set<string> | undefined;
  return (message, cause, isFault = true) => {
    if (strict && isFault) throw new QuiverError(message, { cause });
    if (seen?.has(message)) return;
    (seen ??= new Set()).add(message);
    onWarning(cause === undefined ? { message } : { message, cause });
  };
}

/** A scope as data that structured clone and JSON carry. */
export interface ScopeDescription {
  /** How to open the scope's cache; absent when there is none, or none that can travel. */
  readonly cache?: StoreDescription;
  /** The scope's tags. */
  readonly tags: { readonly [name: string]: Json };
  /** The scope's metadata, if there is any. */
  readonly metadata?: { readonly [name: string]: Json };
  /** What is collected of calls, if anything is. */
  readonly collect?: readonly (CollectorName | TaskAddress)[];
  /** Whether a fault of the cache is thrown. */
  readonly strict: boolean;
  /** Whether failures are kept; as is usual, if not given. */
  readonly keepFailures?: boolean;
  /** That calls run though they are known; those that count are of this moment or later, if given. */
  readonly refresh?: Refresh;
  /** Whether calls that are computed already are waited for; they are, if not given. */
  readonly singleFlight?: boolean;
  /** How long they are waited for; without end, if not given. */
  readonly leaseTimeout?: number;
  /** The directory of output files; the working directory, if not given. */
  readonly outputs?: string;
  /** Which arguments are stored, if the scope says so. */
  readonly storeArguments?: "all" | "small" | "none";
}

/**
 * Describes a scope, so that another isolate can restore it.
 *
 * @param cache How to open its cache, if another isolate is to.
 */
export function describeScope(
  scope: Scope,
  cache: StoreDescription | undefined,
): ScopeDescription {
  const { tags, metadata, strict, refresh, keepFailures, outputs, storeArguments } = scope;
  const { singleFlight, leaseTimeout, collect } = scope;
  return {
    tags,
    strict,
    ...(metadata !== undefined && { metadata }),
    ...(collect !== undefined && { collect: describeCollectors(collect) }),
    ...(refresh !== undefined && { refresh }),
    ...(keepFailures !== undefined && { keepFailures }),
    ...(!singleFlight && { singleFlight }),
    ...(leaseTimeout !== Infinity && { leaseTimeout }),
    ...(outputs !== undefined && { outputs }),
    ...(storeArguments !== undefined && { storeArguments }),
    ...(cache !== undefined && { cache }),
  };
}

/**
 * Restores a scope that was described; whoever does so opens its cache.
 *
 * @param description What {@linkcode describeScope} has made.
 * @param onWarning Told of each warning.
 * @returns The scope, without a cache.
 */
export function restoreScope(
  { singleFlight = true, leaseTimeout = Infinity, ...description }: ScopeDescription,
  onWarning: (warning: QuiverWarning) => void,
): Scope {
  const { tags, metadata, strict, refresh, keepFailures, outputs, storeArguments } = description;
  const { collect } = description;
  return {
    tags,
    ...(metadata !== undefined && { metadata }),
    ...(collect !== undefined && { collect }),
    strict,
    ...(refresh !== undefined && { refresh }),
    ...(keepFailures !== undefined && { keepFailures }),
    singleFlight,
    leaseTimeout,
    ...(outputs !== undefined && { outputs }),
    ...(storeArguments !== undefined && { storeArguments }),
    warn: createWarn(strict, onWarning),
  };
}

/** How deep calls may be nested if nobody says otherwise. */
export const MAX_DEPTH = 10;

/**
 * Refuses a call in a worker that is in no call: what a module leaves running behind its import is
 * in none, either.
 *
 * @param scope The scope that the call is made in.
 * @throws {NestedExecutorError} When a module that a worker imports would start workers for ever.
 */
export function assertInsideCall(name: string, { chain }: Scope): undefined {
  const worker = currentWorker();
  if (worker === undefined || chain !== undefined) return undefined;
  const where = worker.importing === undefined ? "" : `, while it imports "${worker.importing}"`;
  throw new NestedExecutorError(
    `Cannot submit "${name}" in a worker outside of a call${where}: put the module's main part ` +
      "under `if (import.meta.main)`",
  );
}

/**
 * Refuses a call that is nested too deep, as one that a task makes of itself for ever would be.
 *
 * @param scope The scope that the call is made in.
 * @param maxDepth How many calls on workers may be around it.
 * @throws {NestedExecutorError} When there are more.
 */
export function assertDepth(name: string, { nesting }: Scope, maxDepth = MAX_DEPTH): void {
  if (nesting === undefined || nesting.depth < maxDepth) return;
  throw new NestedExecutorError(
    `Cannot submit "${name}": ${nesting.depth} executors' calls are around it, and \`maxDepth\` is ` +
      `${maxDepth}; does a task submit itself for ever?`,
  );
}

/** Options of `openWorkerContext`, of `configureDefaultContext`, and of the workers of a scope. */
export interface WorkerContextOptions {
  /**
   * What a worker is: `"web"` a Web Worker, `"process"` a process of its own, which can be killed
   * and takes nobody with it when it crashes, `"inline"` this isolate (for tests and debugging).
   *
   * Workers of the kind `"process"` require `--allow-run` of Deno's own executable, `--allow-env`,
   * and `--allow-read` and `--allow-write` of the folder for temporary files.
   *
   * @default {"web"}
   */
  workerType?: WorkerType;
  /**
   * What a worker of the kind `"process"` may do. `"inherit"` passes on what this program may when the
   * worker starts, and never more: each permission that it has in full and, on Linux, what its flags
   * say of certain paths or hosts (`--allow-read=data`, `--deny-net=…`). What was granted at a prompt
   * or by a set of permissions (`-P`), hosts with a `*` and ranges of addresses are to be named here.
   * Whatever it may read, it loads Quiver and the modules of the program's tasks with all that these
   * import, but for what stands in an `import()` of something else than a text. A path may not have a
   * comma, unless as seen from the current folder it has none.
   *
   * @default {"inherit"}
   */
  permissions?: Deno.PermissionOptions;
  /** Variables added to the environment of workers of the kind `"process"`. */
  env?: { readonly [name: string]: string };
  /**
   * Further flags of `deno run` for workers of the kind `"process"`, such as
   * `--v8-flags=--max-old-space-size=512`; on Linux those of this program are passed on by themselves.
   */
  flags?: readonly string[];
  /**
   * How long a worker stays without work before it is ended, in milliseconds; `Infinity` for ever. An
   * idle worker keeps the program alive.
   *
   * @default {10000}
   */
  idleTimeout?: number;
  /**
   * A task that each new worker calls before its first call, such as one that loads a model. When it
   * throws, the call that needed the worker rejects with `WorkerInitError`.
   */
  init?: WorkerHook;
  /**
   * A task that the worker calls after each call, when the result is on its way: where it returns
   * something true, the worker leaves. When it throws, the worker is replaced, and closing the
   * context rejects with `WorkerDiedError`.
   */
  retire?: WorkerHook;
  /**
   * How long workers may take to end when their calls have ended, in milliseconds; then they are
   * killed. Calls that nobody waits for any more get as long when the context is closed.
   *
   * @default {30000}
   */
  gracePeriod?: number;
  /**
   * How many workers there are at most; without a bound, the limiter decides how many calls run.
   *
   * @default {Infinity}
   */
  maxWorkers?: number;
}

/** Options that were checked, with defaults in place. */
export interface WorkerContextSettings {
  /** What a worker is. */
  readonly workerType: WorkerType;
  /** What only workers of the kind `"process"` can be given. */
  readonly processOptions: ProcessOptions;
  /** How long a worker stays without work, in milliseconds. */
  readonly idleTimeout: number;
  /** How long a worker may take to end, in milliseconds. */
  readonly gracePeriod: number;
  /** How many workers there are at most. */
  readonly maxWorkers: number;
  /** What each worker does beside running calls. */
  readonly hooks: { readonly init?: HookCall; readonly retire?: HookCall };
}

const WORKER_RULES: OptionRules<WorkerContextOptions> = {
  workerType: oneOf(WORKER_TYPES),
  ...PROCESS_RULES,
  idleTimeout: NOT_NEGATIVE,
  init: HOOK,
  retire: HOOK,
  gracePeriod: NOT_NEGATIVE,
  maxWorkers: COUNT_OR_INFINITY,
};

/**
 * Checks the options of a worker context, and puts defaults in place.
 *
 * @param action What cannot be done with wrong ones, for messages.
 * @throws {TypeError} When an option is unknown or of the wrong type.
 * @throws {RangeError} When a number is out of range.
 */
export function toWorkerContextSettings(
  options: WorkerContextOptions,
  action: string,
): WorkerContextSettings {
  checkOptions(action, options, WORKER_RULES);
  const {
    workerType = "web",
    idleTimeout = 10_000,
    gracePeriod = 30_000,
    maxWorkers = Infinity,
  } = options;
  checkProcessOptions(options, workerType, action);
  const { init, retire } = options;
  const hooks = {
    ...(init !== undefined && { init: toHookCall(init, action, "init") }),
    ...(retire !== undefined && { retire: toHookCall(retire, action, "retire") }),
  };
  return { workerType, processOptions: options, idleTimeout, gracePeriod, maxWorkers, hooks };
}

type State =
  | { readonly state: "unused" }
  | { readonly state: "open"; readonly workers: AsyncDisposable }
  | { readonly state: "closed"; readonly workers?: AsyncDisposable };

/**
 * The workers of a scope: a place that stays empty until the first call needs one. The scope knows
 * when they end; what they are, whoever runs calls on them knows.
 */
class ScopeWorkers implements AsyncDisposable {
  readonly #settings: WorkerContextSettings;
  #state: State = { state: "unused" };

  /**
   * Checks the options; nothing starts.
   *
   * @param options What the workers are.
   */
  constructor(options: WorkerContextOptions) {
    this.#settings = toWorkerContextSettings(options, "open a scope with workers");
  }

  /**
   * The workers, made by the first who asks. Where the scope was closed before, they are closed.
   *
   * @typeParam T What they are.
   * @param kind Makes them.
   * @returns The workers, always the same.
   */
  use<T extends AsyncDisposable>(kind: new (settings: WorkerContextSettings) => T): T {
    const { state } = this.#state;
    const workers = this.#state.state === "unused" ? undefined : this.#state.workers;
    // There is one kind; that of another copy of Quiver is another class, and the same.
    if (workers !== undefined) return workers as T;
    const made = new kind(this.#settings);
    if (state === "closed") {
      this.#state = { state, workers: made };
      // Nothing was started that could fail to end.
      void made[Symbol.asyncDispose]();
    } else this.#state = { state: "open", workers: made };
    return made;
  }

  /** Ends the workers after the calls that run on them. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state.state === "unused") this.#state = { state: "closed" };
    if (this.#state.state === "open") {
      this.#state = { state: "closed", workers: this.#state.workers };
    }
    await this.#state.workers?.[Symbol.asyncDispose]();
  }
}
