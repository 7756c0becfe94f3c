import { noteOfStrangers, sharedByCopies } from "../base/ambient.ts";
import { checkOptions } from "../base/check_options.ts";
import { IndigestibleError, WorkerInitError } from "../base/errors.ts";
import { importLater, LateModule, outside } from "../base/lazy_import.ts";
import type { Validity } from "../cache/cache.ts";
import type { CallKeys, KeyedCall, KeyedRead, TaskIdentity } from "../call/call_key.ts";
import type { TaskAddress } from "../call/call_record.ts";
import { toPortableModule } from "../call/projects.ts";
import type { CodeParts } from "../call/code/code_parts.ts";
import type { HandedCode } from "../call/module_sources.ts";
import type { FunctionProfile, ParsedFunction, parseFunction } from "../call/function_profile.ts";
import type { Scope } from "../scope/scope.ts";
import type { Digest, EncodedPart } from "../value/value.ts";
import { type Comforts, toComforts } from "./comforts.ts";
import {
  fromId,
  NOTHING_READ,
  TASK_RULES,
  type TaskOptions,
  type TaskReads,
  toReads,
  toValidity,
} from "./task_options.ts";

/**
 * The tasks that the modules of this isolate have defined, by module and name, with whichever copy of
 * Quiver: a worker's entry and the module of its task may import two.
 *
 * A module that is evaluated twice in one isolate (as a documentation example is) defines its tasks
 * anew; two different functions of one name at once would run the wrong one on a worker.
 */
const TASKS = sharedByCopies("tasks", () => new Map<string, Map<string, TaskDefinition>>());
/** Those that keys and records could take for one another, by the names of tasks and of their files. */
const NAMESAKES = sharedByCopies("namesakes", () => new Map<string, TaskDefinition[]>());
const DEFINITIONS = sharedByCopies("definitions", () => new WeakMap<object, TaskDefinition>());

/** The scopes that bound tasks are frozen with. */
const SCOPES = sharedByCopies("scopes of bound tasks", () => new WeakMap<object, Scope>());

type AnyFunction = (...args: unknown[]) => unknown;

/** What users have written of functions that run it in a way of our own. */
const SOURCES = sharedByCopies("sources of functions", () => new WeakMap<object, AnyFunction>());

/**
 * Notes what a function of our own runs.
 *
 * @param source The user's function.
 */
export function noteSource(fn: AnyFunction, source: AnyFunction): void {
  SOURCES.set(fn, source);
}

/**
 * Gives the function of a task as it is written.
 *
 * @param fn The function that runs.
 */
export function sourceOf(fn: AnyFunction): AnyFunction {
  return SOURCES.get(fn) ?? fn;
}

/**
 * Makes a task known, so that a worker finds it by its address.
 *
 * @param task The callable that users hold.
 * @param definition What the task is made of.
 * @throws {TypeError} When its module, which is not a REPL, has another task of that name already, or keys and records would
 * know another task by the same.
 */
export function registerTask(task: object, definition: TaskDefinition): void {
  const { module, name } = definition.address;
  const tasks = TASKS.get(module) ?? new Map<string, TaskDefinition>();
  TASKS.set(module, tasks);
  if (tasks.has(name) && !definition.isOfRepl) {
    throw new TypeError(
      `Cannot define task "${name}": "${module}" has a task of that name already; ` +
        "give one of them another name with the option `name`",
    );
  }
  const namesakes = (NAMESAKES.get(definition.namesake) ?? []).filter((other) =>
    other.address.module !== module || other.name !== name
  );
  for (const other of namesakes) refuseShared(definition, other);
  NAMESAKES.set(definition.namesake, [...namesakes, definition]);
  tasks.set(name, definition);
  DEFINITIONS.set(task, definition);
}

/** What is known of the calls of one task must not be taken for what is known of those of another. */
function refuseShared(
  { address: { module, name }, knownAs }: TaskDefinition,
  { address: other, knownAs: taken }: TaskDefinition,
): void {
  if (taken.module !== knownAs.module || taken.name !== knownAs.name) return;
  // A file that is loaded by two URLs, through a link, say, has one task.
  if (other.name === name && isSameFile(module, other.module)) return;
  throw new TypeError(
    `Cannot define task "${name}" of "${module}": keys and records know "${other.name}" of ` +
      `"${other.module}" as "${taken.name}" of "${taken.module}", too; give one of the projects ` +
      "another name, or one of the tasks the option `id`",
  );
}

function isSameFile(...urls: readonly string[]): boolean {
  try {
    const paths = urls.map((url) => new URL(url)).map((path) => {
      const { state } = Deno.permissions.querySync({ name: "read", path });
      return state === "granted" ? Deno.realPathSync(path) : path.href;
    });
    return new Set(paths).size === 1;
  } catch {
    // One of them is no file.
    return false;
  }
}

/**
 * Makes one more callable of a task known.
 *
 * @param definition What the task is made of.
 * @param frozen The scope that it is bound to, if it is.
 */
export function registerCallable(task: object, definition: TaskDefinition, frozen?: Scope): void {
  DEFINITIONS.set(task, definition);
  if (frozen !== undefined) SCOPES.set(task, frozen);
}

/**
 * The scope that a task is bound to.
 *
 * @returns The scope, or `undefined` when the task is not bound.
 */
export function frozenScopeOf(task: object): Scope | undefined {
  return SCOPES.get(task);
}

/**
 * What a task is made of.
 *
 * @param task Perhaps a task.
 * @returns The definition, or `undefined` when the value is not a task.
 */
export function definitionOf(task: unknown): TaskDefinition | undefined {
  return typeof task === "function" ? DEFINITIONS.get(task) : undefined;
}

/**
 * What a task is made of, where nothing but a task will do.
 *
 * @param task Perhaps a task.
 * @param verb What is to be done with it, for the error.
 * @throws {TypeError} When the value is not a task.
 */
export function requireDefinition(task: unknown, verb: string): TaskDefinition {
  const definition = definitionOf(task);
  if (definition !== undefined) return definition;
  const text = typeof task === "function" ? `"${task.name}"` : String(task);
  throw new TypeError(
    `Cannot ${verb} ${text}: it is not a task; make it one with \`task(import.meta, fn)\` at the ` +
      `top level of a module${noteOfStrangers()}`,
  );
}

/**
 * Finds a task that this isolate has defined.
 *
 * @param address Where the task is.
 * @returns What the task is made of, or `undefined` when its module was not imported.
 */
export function findTask({ module, name }: TaskAddress): TaskDefinition | undefined {
  return TASKS.get(module)?.get(name);
}

/**
 * Gives the tasks that this isolate has defined in a module.
 *
 * @param module The URL of the module.
 * @returns What the tasks are made of.
 */
export function tasksOf(module: string): TaskDefinition[] {
  return [...TASKS.get(module)?.values() ?? []];
}

/**
 * Gives the modules that have defined tasks in this isolate.
 *
 * @returns Their URLs.
 */
export function taskModules(): string[] {
  return [...TASKS.keys()];
}

/**
 * Imports the module of a task, and finds the task.
 *
 * @param address Where the task is.
 * @returns What the task is made of.
 * @throws {WorkerInitError} When the module cannot be imported or does not define the task.
 */
export async function importTask({ module, name }: TaskAddress): Promise<TaskDefinition> {
  if (isOfRepl(module)) throw new WorkerInitError(refuseRepl(name));
  try {
    await outside(() => import(module));
  } catch (cause) {
    if (cause instanceof Error && cause.name === "NestedExecutorError") throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new WorkerInitError(`Cannot import "${module}" for task "${name}": ${reason}`, { cause });
  }
  const task = findTask({ module, name });
  if (task === undefined) {
    throw new WorkerInitError(
      `Cannot find task "${name}": importing "${module}" does not define it; ` +
        `call \`task(import.meta, …)\` at the module's top level${noteOfStrangers()}`,
    );
  }
  return task;
}

/** Whether a task is defined where modules are typed line by line, and never imported. */
function isOfRepl(module: string): boolean {
  return module.startsWith("repl:");
}

/** Says why a task cannot go elsewhere. */
export function refuseRepl(name: string): string {
  return `Cannot send task "${name}" to a worker: it was defined in a REPL or notebook, which no ` +
    "worker can import; define it in a module by `task(import.meta, fn)`, and import that";
}

// Loaded with the first key: a worker that remembers nothing makes none.
const KEYS = new LateModule(() => import("../call/call_key.ts"));

function importCode(): Promise<typeof import("../call/code/code_parts.ts")> {
  return importLater<typeof import("../call/code/code_parts.ts")>("code");
}

/** What other isolates have read of the code of tasks, by their addresses. */
const HANDED = sharedByCopies("handed code", () => new Map<string, HandedCode["code"]>());

/** Takes over what another isolate has read, which runs the same code: this one may not read it. */
export function adoptCodes(codes: readonly HandedCode[]): void {
  for (const { address, code } of codes) {
    HANDED.set(`${address.module} ${address.name}`, code);
    findTask(address)?.readAnew();
  }
}

/** What was warned of already, whichever task's code it is. */
const WARNED = sharedByCopies("warnings of code", () => new Set<string>());

const UNREADABLE =
  "Cannot read the code that tasks use: only their own functions count for the keys " +
  "of calls, so that results stay known when a helper changes; run with `--allow-read` of the " +
  'modules, their `deno.json` and `deno.lock`, and Quiver, or say `code: "function"`';

/** What a task is made of; the callable that users hold is a face of this. */
export class TaskDefinition {
  /** How a worker finds the task. */
  readonly address: TaskAddress;
  /** Runs the function. */
  fn: AnyFunction;
  readonly #isMethod: boolean;
  /** There until it is known whether the function uses `this`, where it may. */
  #checkThis: (() => Promise<void>) | undefined;
  /** When this isolate had loaded the task's module, in milliseconds since 1970. */
  readonly evaluatedAt: number = Date.now();
  /** Resolves specifiers as the task's module does, where that is known. */
  readonly resolve: ((specifier: string) => string) | undefined;
  /** How long its results count; for ever, if not given. */
  readonly validity: Validity | undefined;
  /** What executors look at when they make its calls; nothing, if it says nothing. */
  readonly comforts: Comforts | undefined;
  #reads: TaskReads | undefined;
  readonly #options: TaskOptions;
  readonly #ignored: ReadonlySet<string>;
  /** There once the function was read, for the first key. */
  #keyed: {
    readonly profile: FunctionProfile;
    readonly keys: CallKeys;
    readonly code: KeyedCode | undefined;
  } | undefined;
  /** While it is being read, for all calls that come meanwhile. */
  #reading: Promise<FunctionProfile> | undefined;
  #checked = false;
  /** The digest of the code where another isolate has made it. */
  #adopted: Digest | undefined;
  #knownAs: TaskAddress | undefined;
  #warnings: readonly string[] = [];
  #findChanged: CodeParts["findChanged"];
  /** Whether the code was to be read, and may not be. */
  #unreadable = false;

  /** Checks the options by name. */
  constructor(
    origin: ImportMeta | URL | string,
    fn: (...args: never[]) => unknown,
    options: TaskOptions,
  ) {
    if (typeof fn !== "function") {
      throw new TypeError(`Cannot define a task: ${typeof fn} is not a function`);
    }
    checkOptions(`define task "${String(options?.name ?? fn.name)}"`, options, TASK_RULES);
    const { id, version, ignore = [], require = [], code = "reach" } = options;
    const own = id === undefined ? undefined : fromId(id);
    const { name = nameInRepl(origin) ?? (fn.name || own?.name || "") } = options;
    const { storeArguments } = options;
    this.address = toAddress(origin, name);
    this.#knownAs = own;
    // Only `method()` has noted one so far.
    this.#isMethod = SOURCES.has(fn);
    // Whoever calls the task was checked by the types of `Task`.
    this.fn = fn as AnyFunction;
    const { isolate = false } = options;
    if (isolate !== false) {
      this.fn = toIsolated(name, this.fn, isolate === "keep");
    }
    if (!this.#isMethod && mayUseThis(fn)) this.fn = this.#refusingThis(this.fn);
    this.resolve = isImportMeta(origin) ? origin.resolve : undefined;
    // What the caller changes in them later does not count, and what they inherit does.
    this.#options = {
      code,
      ...(version !== undefined && { version }),
      ...(storeArguments !== undefined && { storeArguments }),
      ignore: [...ignore],
      require: [...require],
    };
    this.#ignored = new Set(ignore);
    this.validity = toValidity({ ...options, name });
    this.comforts = toComforts(`define task "${name}"`, options);
    this.#reads = toReads(options, this.address);
  }

  /** The task's name. */
  get name(): string {
    return this.address.name;
  }

  /** Whether it was defined in a REPL or notebook, so that it only runs here, and may be defined again. */
  get isOfRepl(): boolean {
    return isOfRepl(this.address.module);
  }

  /**
   * What keys and records know the task by, wherever its project lies: looked for when it is first
   * asked for, as it takes reading configurations.
   */
  get knownAs(): TaskAddress {
    const { module, name } = this.address;
    return this.#knownAs ??= { module: toPortableModule(module), name };
  }

  /** What two tasks have in common that could be known by the same; no file is read for it. */
  get namesake(): string {
    const { module, name } = this.#knownAs ?? this.address;
    return `${module.slice(module.lastIndexOf("/") + 1)} ${name}`;
  }

  /** The function's parameters and code, once they were read. */
  get profile(): FunctionProfile | undefined {
    return this.#keyed?.profile;
  }

  /** Whether the task's code is part of its keys. */
  get countsCode(): boolean {
    return this.#options.code !== "none";
  }

  /** Which arguments of its calls are stored, if it says so. */
  get storeArguments(): TaskOptions["storeArguments"] {
    return this.#options.storeArguments;
  }

  /** What it reads by name, as it says; and, once its code was read, what other tasks do. */
  get reads(): TaskReads | undefined {
    return this.#reads;
  }

  /** What makes up the keys of its calls beside their arguments, once its code was read. */
  get identity(): TaskIdentity | undefined {
    return this.#keyed?.keys.identity;
  }

  /** The digest of the task's code, once it was read, if it counts. */
  get code(): Digest | undefined {
    // As an argument it counts by what it is where the key was made.
    const own = this.identity?.code;
    return this.#unreadable ? this.#adopted ?? own : own ?? this.#adopted;
  }

  /** Whether the code was not read yet by which the task counts as an argument. */
  get unread(): boolean {
    return this.countsCode && this.code === undefined;
  }

  /** Takes over the digest of the task's code from the isolate that has made a key of it. */
  adoptCode(code: Digest): void {
    this.#adopted = code;
  }

  /** What others who run the same code need to make the same keys, where all of it was loaded. */
  get toHand(): HandedCode | undefined {
    const { address } = this;
    const code = this.#keyed?.code;
    if (code === undefined || !this.reachesCode || this.#findChanged !== undefined) {
      return undefined;
    }
    const { digest, parts, tasks } = code;
    return { address, code: { digest, tasks, ...(parts !== undefined && { parts }) } };
  }

  /** The other tasks whose code counts, once that was read. */
  get reached(): readonly TaskDefinition[] {
    return (this.#keyed?.code?.tasks ?? []).flatMap(({ module, name }) =>
      tasksOf(module).filter((task) => (name ?? task.name) === task.name)
    );
  }

  /** Has the next key be made of what was handed over, if this isolate could not read the code. */
  readAnew(): void {
    if (!this.#unreadable) return;
    this.#unreadable = false;
    this.#reading = undefined;
    this.#keyed = undefined;
  }

  /** Gives, once, what cannot be seen of the code. */
  takeWarnings(): readonly string[] {
    const warnings = this.#warnings.filter((warning) => !WARNED.has(warning));
    for (const warning of warnings) WARNED.add(warning);
    this.#warnings = [];
    return warnings;
  }

  /**
   * Finds a module that the body may have imported, and that is not, or may not be, what counts.
   *
   * @returns Its URL, if there is one.
   */
  findChangedCode(): string | undefined {
    return this.#findChanged?.();
  }

  /** Reads the function's parameters and code. */
  readProfile(): Promise<FunctionProfile> {
    if (this.#reading !== undefined) return this.#reading;
    const reading = this.#readProfile();
    this.#reading = reading;
    // The next call tries again: what failed may have been an import.
    reading.catch(() => this.#reading = undefined);
    return reading;
  }

  /** Reads the function's parameters alone. */
  async readParameters(): Promise<FunctionProfile> {
    const { parseFunction, toFunctionProfile } = await KEYS.load();
    return this.profile ?? toFunctionProfile(await this.#parse(parseFunction));
  }

  async #parse(parse: typeof parseFunction): Promise<ParsedFunction> {
    const source = sourceOf(this.fn);
    const parsed = await parse(source);
    return this.#isMethod ? { ...parsed, method: source.name } : parsed;
  }

  /**
   * Looks whether the function uses `this`, which takes no time of a call where it is done before the
   * body begins.
   *
   * @returns `undefined` where that is known; rejects with a `TypeError` when it does.
   */
  checkThis(): Promise<void> | undefined {
    return this.#checkThis?.();
  }

  /** What names `this` may do so in a function inside of it: that is looked at before it first runs. */
  #refusingThis(fn: AnyFunction): AnyFunction {
    const check = async () => {
      const { parseFunction, usesThis } = await KEYS.load();
      // Whoever makes keys tells of a function that cannot be read.
      const parsed = await parseFunction(sourceOf(fn)).catch(() => undefined);
      if (parsed !== undefined && usesThis(parsed)) {
        throw new TypeError(
          `Cannot run "${this.name}": its function uses \`this\`, which a task does not have; make ` +
            "the task of `method(Class, name)` or `method(fn)`, which takes it as the first argument",
        );
      }
      this.fn = fn;
      this.#checkThis = undefined;
    };
    this.#checkThis = check;
    const refusing: AnyFunction = async (...args) => {
      await check();
      return await fn(...args);
    };
    noteSource(refusing, sourceOf(fn));
    return refusing;
  }

  get #handed(): KeyedCode | undefined {
    return HANDED.get(`${this.address.module} ${this.name}`);
  }

  /** Whether more of the code counts than the function. */
  get reachesCode(): boolean {
    const { code = "reach" } = this.#options;
    return code === "reach" || code === "module";
  }

  async #readProfile(): Promise<FunctionProfile> {
    // What reads code is on its way while the function is read.
    if (this.reachesCode && this.#handed === undefined) importCode().catch(() => {});
    const { CallKeys, parseFunction, toFunctionProfile } = await KEYS.load();
    const parsed = await this.#parse(parseFunction);
    const profile = toFunctionProfile(parsed);
    const code = await this.#readCode(profile, parsed);
    const identity = this.#toIdentity(code);
    const keys = new CallKeys(identity, profile, this.#ignored);
    this.#keyed = { profile, keys, code };
    const called = this.reached.flatMap(({ reads }) => reads ?? []);
    if (called.length > 0) this.#reads = { ...this.#reads ?? NOTHING_READ, called };
    return profile;
  }

  async #readCode(
    profile: FunctionProfile,
    parsed: ParsedFunction,
  ): Promise<KeyedCode | undefined> {
    const { code = "reach" } = this.#options;
    if (code === "none") return undefined;
    if (code === "function") return { digest: profile.code, tasks: [] };
    if (this.#handed !== undefined) return this.#handed;
    const { address, evaluatedAt, resolve, isOfRepl: loose } = this;
    try {
      const { codeParts } = await importCode();
      const parts = await codeParts({
        ...{ address, parsed, extent: code, evaluatedAt, resolve, loose },
      });
      this.#warnings = parts.warnings;
      this.#findChanged = parts.findChanged;
      return parts;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotCapable)) throw error;
      if (this.#handed !== undefined) return this.#handed;
      this.#warnings = [UNREADABLE];
      this.#unreadable = true;
      return { digest: profile.code, tasks: [] };
    }
  }

  /** Refuses options that name a parameter which the function does not have. */
  checkNames({ parameters, rest }: FunctionProfile): void {
    if (this.#checked) return;
    const has = (name: string) => name === rest || parameters.some((one) => one.name === name);
    for (const option of ["ignore", "require"] as const) {
      const misspelled = this.#options[option]?.find((name) => !has(name));
      if (misspelled === undefined) continue;
      const names = parameters.map(({ name }) => name).concat(rest ?? []);
      throw new TypeError(
        `Cannot call task "${this.name}": the option \`${option}\` names "${misspelled}", ` +
          `and the parameters are ${names.join(", ") || "none"}`,
      );
    }
    this.#checked = true;
  }

  /** The name of the first required parameter that the call leaves out. */
  missingParameter(profile: FunctionProfile, args: readonly unknown[]): string | undefined {
    const { require = [] } = this.#options;
    if (require.length === 0) return undefined;
    return require.find((name) => {
      const { parameters } = profile;
      const index = parameters.findIndex((parameter) => parameter.name === name);
      if (index >= 0) return args[index] === undefined;
      return args.slice(parameters.length).every((rest) => rest === undefined);
    });
  }

  /**
   * Makes the key of a call, once the function was read; adds the digests of large arrays.
   *
   * @param reads What the task reads by name holds now.
   */
  toKeyedCall(
    args: readonly unknown[],
    parts?: Map<object, EncodedPart>,
    reads?: readonly KeyedRead[],
  ): KeyedCall | undefined {
    const keys = this.#keyed?.keys;
    return reads === undefined ? keys?.get(args, parts) : keys?.make(args, reads, parts);
  }

  #toIdentity(code: KeyedCode | undefined): TaskIdentity {
    const { version } = this.#options;
    return {
      address: this.knownAs,
      ...(version !== undefined && { version }),
      ...(code !== undefined && { code: code.digest }),
      ...(code?.parts !== undefined && { parts: code.parts }),
    };
  }

  /** What stands for the task when it is an argument: what it is known as, version and code. */
  toDigestible(): unknown {
    const { version, code } = this.#options;
    if (code === "none") return [this.knownAs, version];
    if (this.code === undefined) {
      throw new IndigestibleError(
        `Cannot digest task "${this.name}": its code was not read yet; ` +
          "pass the task itself as an argument, not inside another one",
        this.name,
      );
    }
    return [this.knownAs, version, this.code];
  }
}

/** Has each body of a task run in a directory of its own. */
function toIsolated(name: string, fn: AnyFunction, keep: boolean): AnyFunction {
  const isolated: AnyFunction = async (...args) => {
    const { runIsolated } = await importLater<typeof import("./isolation.ts")>("isolation");
    return await runIsolated(name, () => fn(...args), keep);
  };
  noteSource(isolated, sourceOf(fn));
  return isolated;
}

type KeyedCode = HandedCode["code"];

/** Whether a function, or one inside of it, may use `this`. */
function mayUseThis(fn: (...args: never[]) => unknown): boolean {
  return /\b(?:this|super)\b/.test(Function.prototype.toString.call(fn));
}

function isImportMeta(origin: ImportMeta | URL | string): origin is ImportMeta {
  return typeof origin === "object" && !(origin instanceof URL);
}

/**
 * Makes the address of a task.
 *
 * @param origin `import.meta` of the module that defines the task, or that module's URL.
 * @throws {TypeError} When the name is empty or the origin is not a URL.
 */
export function toAddress(origin: ImportMeta | URL | string, name: string): TaskAddress {
  if (name === "") {
    throw new TypeError(
      "Cannot define a task: the function has no name; name it, or pass the option `name`",
    );
  }
  const url = origin instanceof URL || typeof origin === "string" ? String(origin) : origin.url;
  if (!URL.canParse(url)) {
    throw new TypeError(
      `Cannot define task "${name}": ${JSON.stringify(url)} is not a URL; pass \`import.meta\``,
    );
  }
  return { module: url, name };
}

/** `repl:square` is the task `square`. */
function nameInRepl(origin: ImportMeta | URL | string): string | undefined {
  const text = isImportMeta(origin) ? "" : String(origin);
  return isOfRepl(text) ? text.slice("repl:".length) : undefined;
}
