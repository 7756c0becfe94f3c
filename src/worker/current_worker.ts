/**
 * Whether this code runs in a worker, and what the worker is doing.
 *
 * @module
 */
import type { ProjectTable } from "../call/projects.ts";

// The worker's entry and the user's copy of Quiver may be two instances of this module: what they
// share hangs on the global object.
const KEY = Symbol.for("quiver.worker");
/** Under which `call/projects.ts` keeps the projects that are known here. */
const PROJECTS = Symbol.for("quiver.projects");

/** The worker that this isolate is. */
interface CurrentWorker {
  /** The worker's name. */
  readonly name: string;
  /** The URL of the task's module that is being imported right now. */
  readonly importing?: string;
}

/**
 * Tells in which worker this code runs.
 *
 * @returns The worker, or `undefined` outside of workers.
 */
export function currentWorker(): CurrentWorker | undefined {
  // Only enterWorker() and importInWorker() write under this symbol.
  return Reflect.get(globalThis, KEY) as CurrentWorker | undefined;
}

/** Declares this isolate a worker. */
export function enterWorker(name: string): void {
  setCurrent({ name });
}

/**
 * Runs an import, during which {@linkcode currentWorker} names the module; of imports that overlap, as
 * they may in the worker of another library's pool, the one that began last.
 *
 * @typeParam T What the import gives.
 * @param module The URL of the module.
 * @param load Imports it.
 * @returns What `load` gives.
 */
export async function importInWorker<T>(module: string, load: () => Promise<T>): Promise<T> {
  const before = currentWorker();
  if (before === undefined) return await load();
  setCurrent({ ...before, importing: module });
  try {
    return await load();
  } finally {
    const { importing, ...worker } = currentWorker() ?? before;
    if (importing === module) setCurrent(worker);
  }
}

/**
 * Gives the URL of the program's main module, or in a web worker that the program has made by itself,
 * where Deno does not tell, of the worker's.
 */
export function mainModule(): string {
  // Types do not tell that a web worker has none.
  const known: string | undefined = Deno.mainModule;
  return known ?? location.href;
}

/** Whether this isolate is a web worker, of whoever. */
export function isThread(): boolean {
  return "WorkerGlobalScope" in globalThis;
}

/**
 * Has `Deno.mainModule` be what it is in the program itself: web workers have none, and the main module
 * of a process is Quiver's.
 *
 * @param mainModule The URL of the program's main module.
 */
export function adoptMainModule(mainModule: string): void {
  Object.defineProperty(Deno, "mainModule", {
    value: mainModule,
    configurable: true,
    enumerable: true,
    writable: true,
  });
}

/**
 * Has the projects of modules be those that the program has found: this worker may read less, and the
 * keys of calls are the same everywhere. It comes before all that looks for some.
 */
export function adoptProjects(projects: ProjectTable): void {
  Reflect.set(globalThis, PROJECTS, new Map(projects));
}

function setCurrent(worker: CurrentWorker): void {
  Reflect.set(globalThis, KEY, worker);
}
