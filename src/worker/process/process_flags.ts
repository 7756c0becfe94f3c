import { fileURLToPath, pathToFileURL } from "node:url";
import { mainModule } from "../current_worker.ts";
import {
  PERMISSION_NAMES,
  type PermissionName,
  type ProgramFlags,
  toListFlag,
} from "./program_flags.ts";

type Grant = "inherit" | boolean | readonly (string | URL)[];

/** The names of the files in which Deno's configuration stands, in the order of its search. */
const CONFIG_NAMES = ["deno.json", "deno.jsonc"];

/** Quiver's own files, which a worker must be able to read whatever else it may. */
const OWN = ["../../", "../../../mod.ts"].map((path) => new URL(path, import.meta.url));

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
export function toPermissionFlags(
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

/** How many modules stand in one flag: the system bounds how long it may be. */
const PRELOADED = 200;
/** An import that is read and never run. */
const LAZY_IMPORT = "() => import" + "(URL);";

/**
 * Makes flags that have a process load modules although it may not read their files: what stands in a
 * literal `import()` of a module that Deno is started with is loaded as that is, with all that it
 * imports, but run only when somebody imports it.
 *
 * @param permissions The flags that say what the process may do.
 * @param modules The URLs of the modules.
 * @returns No flags where the process may read all files.
 */
export function toPreloadFlags(
  permissions: readonly string[],
  modules: readonly string[],
): string[] {
  if (mayReadAll(permissions)) return [];
  const imports = modules.filter((url) => url.startsWith("file:"))
    .map((url) => LAZY_IMPORT.replace("URL", () => JSON.stringify(url)));
  const flags: string[] = [];
  for (let at = 0; at < imports.length; at += PRELOADED) {
    const code = imports.slice(at, at + PRELOADED).join("");
    flags.push(`--preload=data:text/javascript,${encodeURIComponent(code)}`);
  }
  return flags;
}

/**
 * Tells whether a process may read all files.
 *
 * @param permissions The flags that say what it may do.
 */
export function mayReadAll(permissions: readonly string[]): boolean {
  return permissions.includes("--allow-read") &&
    !permissions.some((flag) => /^--(deny|ignore)-read/.test(flag));
}

/**
 * Finds the configuration that this program runs with, as Deno does: upwards from the main module.
 * The worker's own main module is Quiver's, so that it would find another one.
 *
 * @param program How the program was started, if that is known.
 * @returns The flag that names it, or says that there is none, unless it may not be looked for or the
 * program's own flags say it.
 */
export function toConfigFlags(program: ProgramFlags | undefined): string[] {
  if (program?.namesConfig) return [];
  try {
    const { protocol, href } = new URL(mainModule());
    let folder = protocol === "file:" ? new URL("./", href) : pathToFileURL(`${Deno.cwd()}/`);
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
  const own = name === "read" ? OWN.filter(({ protocol }) => protocol === "file:") : [];
  const items = [...parts, ...own.map(toText)];
  return items.length === 0 ? [] : [toListFlag(`allow-${name}`, items)];
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

function isFile(url: URL): boolean {
  try {
    return Deno.statSync(url).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
