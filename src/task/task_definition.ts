import type { CallKeys, KeyedCall, TaskIdentity } from "../call/call_key.ts";
import type { FunctionProfile } from "../call/function_profile.ts";
import type { TaskAddress, TaskOrigin } from "../call/call_record.ts";
import { IndigestibleError } from "../base/errors.ts";
import type { EncodedPart } from "../value/value.ts";
import { LateModule } from "../base/lazy_import.ts";
import type { TaskOptions } from "./task_options.ts";

type Profiles = typeof import("../call/function_profile.ts");
type Keys = typeof import("../call/call_key.ts");

// Loaded with the first key: a worker that remembers nothing makes none.
const PROFILES: LateModule<Profiles> = new LateModule(() => import("../call/function_profile.ts"));
const KEYS: LateModule<Keys> = new LateModule(() => import("../call/call_key.ts"));

const OPTIONS: ReadonlySet<string> = new Set(["name", "version", "code", "ignore", "require"]);
const CODE_MODES: ReadonlySet<string> = new Set(["function", "none"]);

/** What a task is made of; the callable that users hold is a face of this. */
export class TaskDefinition {
  /** How a worker finds the task. */
  readonly address: TaskAddress;
  /** The function. */
  readonly fn: (...args: unknown[]) => unknown;
  /** When this isolate had loaded the task's module, in milliseconds since 1970. */
  readonly evaluatedAt: number = Date.now();
  /** Resolves specifiers as the task's module does, where that is known. */
  readonly resolve: ((specifier: string) => string) | undefined;
  readonly #options: TaskOptions;
  readonly #ignored: ReadonlySet<string>;
  /** There once the function was read, for the first key. */
  #keyed: { readonly profile: FunctionProfile; readonly keys: CallKeys } | undefined;
  /** While it is being read, for all calls that come meanwhile. */
  #reading: Promise<FunctionProfile> | undefined;
  #checked = false;

  /** Checks the options by name. */
  constructor(origin: TaskOrigin, fn: (...args: never[]) => unknown, options: TaskOptions) {
    if (typeof fn !== "function") {
      throw new TypeError(`Cannot define a task: ${typeof fn} is not a function`);
    }
    if (typeof options !== "object" || options === null) {
      throw new TypeError(
        `Cannot define task "${fn.name}": the options are ${toKind(options)}, not an object`,
      );
    }
    const { name = fn.name, version, ignore = [], require = [], code = "function" } = options;
    this.address = toAddress(origin, name);
    for (const option of Object.keys(options)) {
      if (OPTIONS.has(option)) continue;
      throw new TypeError(
        `Cannot define task "${name}": "${option}" is not an option; ` +
          `the options are ${[...OPTIONS].join(", ")}`,
      );
    }
    if (!CODE_MODES.has(code)) {
      throw new TypeError(
        `Cannot define task "${name}": the option \`code\` is one of ` +
          `${[...CODE_MODES].join(", ")}, not ${JSON.stringify(code)}`,
      );
    }
    checkVersion(name, version);
    checkNames(name, "ignore", ignore);
    checkNames(name, "require", require);
    // Whoever calls the task was checked by the types of `Task`.
    this.fn = fn as (...args: unknown[]) => unknown;
    this.resolve = isImportMeta(origin) ? origin.resolve : undefined;
    // What the caller changes in them later does not count, and what they inherit does.
    this.#options = {
      code,
      ...(version !== undefined && { version }),
      ignore: [...ignore],
      require: [...require],
    };
    this.#ignored = new Set(ignore);
  }

  /** The task's name. */
  get name(): string {
    return this.address.name;
  }

  /** The function's parameters and code, once they were read. */
  get profile(): FunctionProfile | undefined {
    return this.#keyed?.profile;
  }

  /** Whether the task's code is part of its keys. */
  get countsCode(): boolean {
    return this.#options.code !== "none";
  }

  /** Whether the code was not read yet by which the task counts as an argument. */
  get unread(): boolean {
    return this.countsCode && this.#keyed === undefined;
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

  async #readProfile(): Promise<FunctionProfile> {
    const { readFunctionProfile } = await PROFILES.load();
    const { CallKeys } = await KEYS.load();
    const profile = await readFunctionProfile(this.fn);
    const keys = new CallKeys(this.#toIdentity(profile), profile, this.#ignored);
    this.#keyed = { profile, keys };
    return profile;
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

  /** Makes the key of a call, once the function was read; adds the digests of large arrays. */
  toKeyedCall(
    args: readonly unknown[],
    parts?: Map<object, EncodedPart>,
  ): KeyedCall | undefined {
    return this.#keyed?.keys.get(args, parts);
  }

  #toIdentity(profile: FunctionProfile): TaskIdentity {
    const { version, code } = this.#options;
    return {
      address: this.address,
      ...(version !== undefined && { version }),
      ...(code !== "none" && { code: profile.code }),
    };
  }

  /** What stands for the task when it is an argument: its address, version and code. */
  toDigestible(): unknown {
    const { version, code } = this.#options;
    if (code === "none") return [this.address, version];
    if (this.#keyed === undefined) {
      throw new IndigestibleError(
        `Cannot digest task "${this.name}": its code was not read yet; ` +
          "pass the task itself as an argument, not inside another one",
        this.name,
      );
    }
    return [this.address, version, this.#keyed.profile.code];
  }
}

function isImportMeta(origin: TaskOrigin): origin is ImportMeta {
  return typeof origin === "object" && !(origin instanceof URL);
}

function checkVersion(name: string, version: unknown): void {
  if (version === undefined || typeof version === "string" || Number.isFinite(version)) return;
  throw new TypeError(
    `Cannot define task "${name}": the option \`version\` is a string or a finite number, ` +
      `not ${typeof version === "number" ? version : toKind(version)}`,
  );
}

function checkNames(name: string, option: "ignore" | "require", names: unknown): void {
  if (Array.isArray(names) && names.every((one) => typeof one === "string")) return;
  throw new TypeError(
    `Cannot define task "${name}": the option \`${option}\` is an array of parameter names, ` +
      `not ${typeof names === "string" ? JSON.stringify(names) : toKind(names)}`,
  );
}

function toKind(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "an array of something else" : typeof value;
}

/**
 * Makes the address of a task.
 *
 * @param origin `import.meta` of the module that defines the task, or that module's URL.
 * @param name The task's name.
 * @returns The address.
 * @throws {TypeError} When the name is empty or the origin is not a URL.
 */
export function toAddress(origin: TaskOrigin, name: string): TaskAddress {
  if (typeof name !== "string") {
    throw new TypeError(
      `Cannot define a task: the option \`name\` is a string, not ${toKind(name)}`,
    );
  }
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
