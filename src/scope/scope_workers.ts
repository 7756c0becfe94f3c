import {
  checkProcessOptions,
  type HookCall,
  type ProcessOptions,
  toHookCall,
  WORKER_TYPES,
  type WorkerHook,
  type WorkerType,
} from "../worker/worker.ts";

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
  type?: WorkerType;
  /**
   * What a worker of the kind `"process"` may do. `"inherit"` passes on what this program may when the
   * worker starts, and never more: each permission that it has in full and, on Linux, what its flags
   * say of certain paths or hosts (`--allow-read=data`, `--deny-net=…`). What was granted at a prompt
   * or by a set of permissions (`-P`), hosts with a `*` and ranges of addresses are to be named here.
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

const WORKER_OPTIONS: ReadonlySet<string> = new Set([
  "type",
  "permissions",
  "env",
  "flags",
  "idleTimeout",
  "init",
  "retire",
  "gracePeriod",
  "maxWorkers",
]);

/**
 * Checks the options of a worker context, and puts defaults in place.
 *
 * @param options The options.
 * @param action What cannot be done with wrong ones, for messages.
 * @returns The settings.
 * @throws {TypeError} When an option is unknown or of the wrong type.
 * @throws {RangeError} When a number is out of range.
 */
export function toWorkerContextSettings(
  options: WorkerContextOptions,
  action: string,
): WorkerContextSettings {
  const { type = "web", idleTimeout = 10_000, gracePeriod = 30_000, maxWorkers = Infinity } =
    options;
  for (const name of Object.keys(options)) {
    if (WORKER_OPTIONS.has(name)) continue;
    throw new TypeError(
      `Cannot ${action}: "${name}" is not an option; the options are ${
        [...WORKER_OPTIONS].join(", ")
      }`,
    );
  }
  if (!WORKER_TYPES.includes(type)) {
    throw new TypeError(
      `Cannot ${action}: \`type\` is one of ${WORKER_TYPES.join(", ")}, not ${
        JSON.stringify(type)
      }`,
    );
  }
  checkProcessOptions(options, type, action);
  for (const [name, time] of Object.entries({ idleTimeout, gracePeriod })) {
    if (time >= 0) continue;
    throw new RangeError(`Cannot ${action} as \`${name}\` must not be negative: ${time}`);
  }
  if (maxWorkers !== Infinity && !(Number.isInteger(maxWorkers) && maxWorkers > 0)) {
    throw new RangeError(
      `Cannot ${action} as \`maxWorkers\` must be a positive integer or Infinity: ${maxWorkers}`,
    );
  }
  const { init, retire } = options;
  const hooks = {
    ...(init !== undefined && { init: toHookCall(init, action, "init") }),
    ...(retire !== undefined && { retire: toHookCall(retire, action, "retire") }),
  };
  return { workerType: type, processOptions: options, idleTimeout, gracePeriod, maxWorkers, hooks };
}

type State =
  | { readonly state: "unused" }
  | { readonly state: "open"; readonly workers: AsyncDisposable }
  | { readonly state: "closed"; readonly workers?: AsyncDisposable };

/**
 * The workers of a scope: a place that stays empty until the first call needs one. The scope knows
 * when they end; what they are, whoever runs calls on them knows.
 */
export class ScopeWorkers implements AsyncDisposable {
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
