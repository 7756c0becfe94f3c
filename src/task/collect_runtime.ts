import process from "node:process";
import { pathToFileURL } from "node:url";
import type { Json } from "../call/call_record.ts";
import type { CollectedCall } from "../scope/scope.ts";
import { currentWorker, isThread, mainModule } from "../worker/current_worker.ts";

/** The version of Quiver, as `deno.json` has it. */
export const QUIVER_VERSION = "0.1.0";

type Facts = { readonly [name: string]: Json };

/**
 * Collects when a body ran, and what it took: times in milliseconds, the first two since 1970, and memory
 * in bytes. It needs no permission.
 */
export function collectRuntime({ inline }: CollectedCall): () => Facts {
  const worker = inline ? { type: "inline" } : workerOfHere();
  const begun = performance.now();
  const cpu = cpuTime();
  return () => {
    const wall = performance.now() - begun;
    const start = performance.timeOrigin + begun;
    return {
      ...{ start, end: start + wall, wall },
      cpu: cpuTime() - cpu,
      // It is counted in KiB.
      peakMemory: process.resourceUsage().maxRSS * 1024,
      ...(worker !== undefined && { worker }),
    };
  };
}

/**
 * What this process has taken of processors, in milliseconds; in a web worker its thread, as other threads
 * of the process are other calls. What is told of a thread takes ten times as long, and is less precise.
 */
function cpuTime(): number {
  if (isThread()) {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1000;
  }
  const { userCPUTime, systemCPUTime } = process.resourceUsage();
  return (userCPUTime + systemCPUTime) / 1000;
}

function workerOfHere(): Facts | undefined {
  const here = currentWorker();
  return here && { type: isThread() ? "web" : "process", name: here.name };
}

/** What stays as it is for as long as this isolate lives. */
let environment: Facts | undefined;

/** Collects where a call runs. What may not be read is left out. */
export function collectEnvironment(): Facts {
  environment ??= readEnvironment();
  const cwd = attempt(() => Deno.cwd());
  return cwd === undefined ? environment : { ...environment, cwd };
}

/** Reads what stays as it is. */
export function readEnvironment(): Facts {
  const host = isGranted({ name: "sys", kind: "hostname" }) ? Deno.hostname() : undefined;
  const user = ["USER", "LOGNAME", "USERNAME"]
    .filter((variable) => isGranted({ name: "env", variable }))
    .map((variable) => Deno.env.get(variable))
    .find((name) => name !== undefined);
  const packages = readPackages();
  // All records of this isolate have the same.
  return Object.freeze({
    ...(host !== undefined && { host }),
    ...(user !== undefined && { user }),
    deno: Deno.version.deno,
    quiver: QUIVER_VERSION,
    ...(packages !== undefined && { packages: Object.freeze(packages) }),
  });
}

/** More packages are left out. */
const MOST_PACKAGES = 100;

/** The versions of the packages that the program asks for, by what it asks for, in its lock file. */
function readPackages(): { [specifier: string]: string } | undefined {
  const main = attempt(mainModule);
  const from = main?.startsWith("file:") ? new URL(main) : currentFolder();
  const text = from && findAbove(from, (folder) => readGranted(new URL("deno.lock", folder)));
  const lock: unknown = text && attempt(() => JSON.parse(text));
  const versions = Object.entries(Object(Object(lock).specifiers)).slice(0, MOST_PACKAGES);
  if (versions.length === 0) return undefined;
  // What comes after an underscore says what else the package was given.
  const toVersion = (version: unknown) => String(version).replace(/_.*/, "");
  return Object.fromEntries(versions.map(([name, version]) => [name, toVersion(version)]));
}

/** The working directory, unless it is gone. */
export function currentFolder(): URL | undefined {
  return attempt(() => pathToFileURL(`${Deno.cwd()}/`));
}

/**
 * Looks for something in the folder of a URL, and in all above it.
 *
 * @param find Gives what is in a folder, if it is there.
 */
export function findAbove<T>(url: URL, find: (folder: URL) => T | undefined): T | undefined {
  for (let folder = new URL(".", url);; folder = new URL("..", folder)) {
    const found = find(folder);
    if (found !== undefined || folder.pathname === "/") return found;
    if (new URL("..", folder).href === folder.href) return undefined;
  }
}

/** Reads a file if there is one that may be read; nobody is asked. */
export function readGranted(path: URL): string | undefined {
  return attempt(() => isGranted({ name: "read", path }) ? Deno.readTextFileSync(path) : undefined);
}

/** Whether a permission was given; nobody is asked. */
export function isGranted(permission: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(permission).state === "granted";
}

/** What a function gives; nothing where it fails. */
function attempt<T>(fn: () => T): T | undefined {
  try {
    return fn();
  } catch {
    return undefined;
  }
}
