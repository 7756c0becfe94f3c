import { isAbsolute, normalize, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { WorkerDiedError } from "../../base/errors.ts";
import { isOfSystem } from "../../base/system_error.ts";
import { mainModule } from "../current_worker.ts";

/** The names of Deno's permissions. */
export const PERMISSION_NAMES = [
  "env",
  "ffi",
  "import",
  "net",
  "read",
  "run",
  "sys",
  "write",
] as const;
/** The name of a permission. */
export type PermissionName = typeof PERMISSION_NAMES[number];

/** How a flag takes its value: not at all, behind `=` only, or in the next word, too. */
type Taking = "nothing" | "behind" | "next" | "next path";

/**
 * The flags that change what code finds, and so must be alike in a program and its processes; beside
 * them those that begin with `unstable`. What belongs to one process only, such as `--inspect`,
 * `--watch`, `--coverage` and `--preload`, stays with the program, and `--env-file` is in its
 * environment.
 */
const PASSED: { readonly [flag: string]: Taking } = {
  "cached-only": "nothing",
  cert: "next path",
  conditions: "next",
  config: "next path",
  frozen: "behind",
  "frozen-lockfile": "behind",
  "import-map": "next path",
  location: "next",
  lock: "next path",
  "no-config": "nothing",
  "no-lock": "nothing",
  "no-npm": "nothing",
  "no-remote": "nothing",
  "node-modules-dir": "behind",
  "node-modules-linker": "next",
  seed: "next",
  "unsafely-ignore-certificate-errors": "behind",
  "use-env-proxy": "nothing",
  "v8-flags": "behind",
  vendor: "behind",
};

const SHORT: { readonly [letter: string]: string } = {
  E: "allow-env",
  I: "allow-import",
  N: "allow-net",
  P: "permission-set",
  R: "allow-read",
  S: "allow-sys",
  W: "allow-write",
  c: "config",
};

/** Flags of which a command takes one only. */
const RIVALS: readonly (readonly string[])[] = [["config", "no-config"], ["lock", "no-lock"]];

/** One flag, with what stands behind it. */
interface Flag {
  readonly name: string;
  readonly value?: string;
  /** What a permission is for, instead of a value: a path may have got a comma from its folder. */
  readonly items?: readonly string[];
}

/** How Deno was started, as far as processes that do the program's work must be started alike. */
export class ProgramFlags {
  readonly #flags: readonly Flag[];

  /**
   * Reads a command line.
   *
   * @param words The words before the program's own arguments, Deno itself included.
   * @param folder What relative paths are relative to.
   */
  constructor(words: readonly string[], folder: string) {
    this.#flags = readFlags(words.slice(1)).map((flag) => toAbsolute(flag, folder));
  }

  /** Whether the configuration was named, or was not to be looked for. */
  get namesConfig(): boolean {
    return this.#flags.some(({ name }) => name === "config" || name === "no-config");
  }

  /** Whether permissions come from the configuration, too. */
  get takesPermissionSet(): boolean {
    return this.#flags.some(({ name }) => name === "permission-set");
  }

  /**
   * What a process is to be started with.
   *
   * @param own Further flags of the process; of two that exclude one another, its own is taken.
   * @returns The flags, permissions left out.
   */
  passed(own: readonly string[]): string[] {
    const given = new Set(readFlags(own).map(({ name }) => name));
    const left = (name: string) =>
      RIVALS.some((rivals) => rivals.includes(name) && rivals.some((rival) => given.has(rival)));
    return this.#flags.filter(({ name }) => isPassed(name) && !left(name)).map(toWord);
  }

  /**
   * What one permission was given for.
   *
   * @returns Paths, hosts, names.
   */
  allowed(name: PermissionName): string[] {
    return this.#flags.filter((flag) => flag.name === `allow-${name}`).flatMap(itemsOf);
  }

  /**
   * What one permission was refused for.
   *
   * @returns Paths, hosts, names.
   */
  barred(name: PermissionName): string[] {
    return this.#barring(name).flatMap(itemsOf);
  }

  /** The flags by which one permission was refused. */
  barringFlags(name: PermissionName): string[] {
    return this.#barring(name).map(toWord);
  }

  #barring(name: PermissionName): Flag[] {
    return this.#flags.filter((flag) =>
      flag.name === `deny-${name}` || flag.name === `ignore-${name}`
    );
  }
}

/** Reads how this program was started, once: that takes a process where the program may not read it. */
export class ProgramFlagsReader {
  #flags: Promise<ProgramFlags | undefined> | undefined;

  /**
   * Reads how this program was started.
   *
   * @returns The flags, or `undefined` where that cannot be known: Deno tells no program its flags, and
   * of other systems only Linux does.
   * @throws What the system says that cannot open the file or start the process just now.
   */
  read(): Promise<ProgramFlags | undefined> {
    if (this.#flags !== undefined) return this.#flags;
    const flags = readProgramFlags();
    this.#flags = flags;
    // The next start tries again.
    flags.catch(() => this.#flags = undefined);
    return flags;
  }
}

async function readProgramFlags(): Promise<ProgramFlags | undefined> {
  if (Deno.build.os !== "linux") return undefined;
  const text = mayEverything() ? readCommandLine() : await readByProcess(Deno.pid);
  if (text === undefined) return undefined;
  const words = text.split("\0").slice(0, -1);
  const before = words.slice(0, words.length - Deno.args.length);
  // Somebody has changed what is to be seen there.
  if (words.slice(before.length).join("\0") !== Deno.args.join("\0")) return undefined;
  return new ProgramFlags(before, toStartFolder(before));
}

/** What a system without that file does not tell, workers are started without. */
function readCommandLine(): string | undefined {
  try {
    return Deno.readTextFileSync("/proc/self/cmdline");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || !isOfSystem(error)) {
      return undefined;
    }
    throw error;
  }
}

/**
 * Gives the path of Deno. On Linux a path that something else was put in the place of is told as one that
 * was deleted.
 */
export function denoPath(): string {
  return Deno.execPath().replace(/ \(deleted\)$/, "");
}

/** Deno gives that file only to those who may do everything. */
function mayEverything(): boolean {
  return PERMISSION_NAMES.every((name) => {
    const { state, partial } = Deno.permissions.querySync({ name });
    return state === "granted" && partial !== true;
  });
}

/** Whoever may start workers may run Deno, and so this. */
async function readByProcess(pid: number): Promise<string | undefined> {
  const { success, stdout, stderr } = await new Deno.Command(denoPath(), {
    args: [
      "eval",
      "--no-config",
      "--no-lock",
      `let text = null;
      try { text = Deno.readTextFileSync("/proc/${pid}/cmdline"); } catch {}
      console.log(JSON.stringify(text));`,
    ],
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  if (!success) {
    const reason = `a process that was to ask has failed: ${decoder.decode(stderr)}`;
    throw new WorkerDiedError(`Cannot find out how Deno was started: ${reason}`, { reason });
  }
  return JSON.parse(decoder.decode(stdout)) ?? undefined;
}

/** The folder in which the program was started: it may have gone to another one. */
function toStartFolder(words: readonly string[]): string {
  const { protocol, href } = new URL(mainModule());
  if (protocol !== "file:") return Deno.cwd();
  const main = fileURLToPath(href);
  const script = normalize(words.at(-1) ?? "");
  // What Deno calls the code of `deno test` and `deno eval`, in the folder of their start.
  const made = main.lastIndexOf("/$deno$");
  if (made > 0) return main.slice(0, made);
  if (isAbsolute(script) || !main.endsWith(`/${script}`)) return Deno.cwd();
  return main.slice(0, -script.length - 1) || "/";
}

function readFlags(words: readonly string[]): Flag[] {
  const flags: Flag[] = [];
  for (const [index, word] of words.entries()) {
    const next = words[index + 1]?.startsWith("-") === false ? words[index + 1] : undefined;
    if (word.startsWith("--")) flags.push(readLong(word.slice(2), next));
    else if (word.startsWith("-")) flags.push(...readShort(word.slice(1), next));
  }
  return flags;
}

function readLong(text: string, next: string | undefined): Flag {
  const at = text.indexOf("=");
  if (at >= 0) return toFlag(text.slice(0, at), text.slice(at + 1));
  return toFlag(text, PASSED[text]?.startsWith("next") ? next : undefined);
}

/** Letters may stand together, and the last takes what is behind `=`; `-c` takes all behind it. */
function readShort(text: string, next: string | undefined): Flag[] {
  const flags: Flag[] = [];
  for (let at = 0; at < text.length && text[at] !== "="; at++) {
    const name = SHORT[text[at] ?? ""];
    const rest = text.slice(at + 1);
    if (name === "config") return [...flags, toFlag(name, rest.replace(/^=/, "") || next)];
    if (name !== undefined) {
      flags.push(toFlag(name, rest.startsWith("=") ? rest.slice(1) : undefined));
    }
  }
  return flags;
}

function toFlag(name: string, value: string | undefined): Flag {
  return value === undefined ? { name } : { name, value };
}

function toWord({ name, value, items }: Flag): string {
  if (items !== undefined) return toListFlag(name, items);
  return value === undefined ? `--${name}` : `--${name}=${value}`;
}

function isPassed(name: string): boolean {
  return Object.hasOwn(PASSED, name) || name === "unstable" || name.startsWith("unstable-");
}

/** Paths of permissions of these names may be relative. */
const PATHS = /^(allow|deny|ignore)-(read|write|ffi)$/;
const PROGRAMS = /^(allow|deny|ignore)-run$/;

function toAbsolute({ name, value }: Flag, folder: string): Flag {
  if (value === undefined) return { name };
  if (PASSED[name] === "next path") return { name, value: toAbsolutePath(value, folder) };
  if (!PATHS.test(name) && !PROGRAMS.test(name)) return { name, value };
  return {
    name,
    items: value.split(",").map((item) => isPath(name, item) ? resolve(folder, item) : item),
  };
}

/** A program may be a name that is looked for. */
function isPath(flag: string, item: string): boolean {
  return PATHS.test(flag) || PROGRAMS.test(flag) && item.includes("/");
}

/**
 * Writes a flag that has a list of items.
 *
 * @param flag Its name.
 * @throws {TypeError} When an item cannot be written: in Deno 2.9.6 a comma ends an item, and nothing
 * makes it a part of one.
 */
export function toListFlag(flag: string, items: readonly string[]): string {
  return `--${flag}=${items.map((item) => toWritten(flag, item)).join(",")}`;
}

function toWritten(flag: string, item: string): string {
  // Often the comma is in the name of the folder that this is, or that all of it is in.
  const text = item.includes(",") && isPath(flag, item) ? relative(Deno.cwd(), item) || "." : item;
  if (text !== "" && !/[,\0]/.test(text)) return text;
  const why = text === "" ? "it is empty" : "Deno's flags are lists, in which a comma ends an item";
  throw new TypeError(
    `Cannot start a process worker: ${
      JSON.stringify(item)
    } cannot be an item of \`--${flag}\`, as ` +
      `${why}; name what it is in, or give it a name without a comma`,
  );
}

/** An import map may be a URL. */
function toAbsolutePath(text: string, folder: string): string {
  return /^[a-z][a-z0-9+.-]+:/i.test(text) ? text : resolve(folder, text);
}

function itemsOf({ value = "", items }: Flag): readonly string[] {
  return items ?? (value === "" ? [] : value.split(","));
}
