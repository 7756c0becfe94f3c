/**
 * The modules that are loaded when they are first needed, by the boundary that they lie behind: nothing
 * of them is read before. What is beneath a boundary is imported statically from there on, as who
 * crosses it has paid for the most of it. `tests/architecture_test.ts` holds what is in it.
 */
export const BOUNDARIES = {
  // What runs calls on workers, and what only one kind of worker needs.
  engine: "executor/engine/engine.ts",
  web: "worker/web/web_worker.ts",
  process: "worker/process/process_worker.ts",
  inline: "worker/inline_worker.ts",
  // A map, and the bar of one whose caller wants to see it.
  map: "executor/map/map_run.ts",
  bar: "executor/map/cli_progress.ts",
  // The pools of other libraries.
  pools: "executor/pools/pool_runner.ts",
  // What runs calls in a worker, and what only some calls need there.
  guest: "executor/guest/worker_calls.ts",
  carrier: "executor/guest/result_carrier.ts",
  chunk: "executor/guest/run_chunk.ts",
  check: "executor/guest/check_call.ts",
  tasks: "executor/guest/decode_tasks.ts",
  callbacks: "worker/remote_callbacks.ts",
  retirement: "executor/guest/retirement.ts",
  output: "executor/guest/worker_output.ts",
  cache: "cache/cache.ts",
  compute: "task/compute_call.ts",
  buffers: "worker/wire/large_buffers.ts",
  comlink: "worker/web/comlink.ts",
  // What a task's code reaches, for the first key of a task whose code counts.
  code: "call/code/code_parts.ts",
  // What tasks do seldom, and results that are put into a cache by hand.
  helpers: "task/task_helpers.ts",
  prepared: "cache/prepared_call.ts",
  // Bodies that have a directory of their own.
  isolation: "task/isolation.ts",
  // Calls that have failed, kept for people.
  failures: "cache/keep_failure.ts",
  // What is collected of calls for their records.
  collect: "task/collect.ts",
  // Why a call is a miss, and edits that changed nothing.
  explain: "task/explain_task.ts",
  // Caches that are named in a configuration.
  named: "cache/named_caches.ts",
  // Caches on disk.
  stores: "store/open_stores.ts",
  files: "store/file_cache.ts",
  sqlite: "store/sqlite/sqlite_storage.ts",
  signed: "store/signed/signed_stores.ts",
  views: "store/views.ts",
  verify: "store/verify/run_verify_worker.ts",
  backup: "bag/backup/run_backup_worker.ts",
  browse: "store/browse/read_bag.ts",
  export: "store/exchange/export_bag.ts",
  import: "store/exchange/import_bag.ts",
  datasets: "store/exchange/import_datasets.ts",
  // Digests that are given in short.
  digests: "cache/short_digests.ts",
  // What goes over the calls of a cache, and what gives them to another one or other keys.
  calls: "cache/tidy.ts",
  table: "cache/table/build_table.ts",
  parquet: "cache/table/to_parquet.ts",
  grid: "cache/table/to_grid.ts",
  transfer: "store/transfer_calls.ts",
  // Files among arguments and results: what is known of them, what reads them, and what writes them.
  cached: "cache/cached_files.ts",
  reader: "value/file/file_reader.ts",
  placer: "value/file/place_file.ts",
  // What was thrown, and what structured clone refuses, as data.
  thrown: "value/codec/thrown_value.ts",
  carried: "value/carry_value.ts",
  refusal: "value/digest/refusal.ts",
  unclonable: "worker/wire/unclonable.ts",
} as const;

// The one thing kept here are the modules themselves, which are the same for everybody: what is
// imported while the same import is on its way goes all of that way again.
const IMPORTS = new Map<string, Promise<unknown>>();
// Deno keeps that a file could not be read, for as long as the program runs: it is asked for it under
// another name then, under which nobody else has it. How often that was, by the files.
const UNREAD = new Map<string, number>();

/**
 * Imports one of Quiver's own modules at the moment it is needed.
 *
 * The specifier is no literal on purpose: what stands in a literal `import()` Deno reads and resolves
 * at the start of every worker, used or not, and packages from npm and the code of bags would take a
 * third of that start. `deno cache` finds the module all the same, by its type.
 *
 * @typeParam T `typeof import(…)` of the module, which also has it type-checked.
 * @throws {Deno.errors.NotCapable} Without `--allow-read` of the module.
 */
export function importLater<T>(boundary: keyof typeof BOUNDARIES): Promise<T> {
  return importFile<T>(new URL(`../${BOUNDARIES[boundary]}`, import.meta.url).href);
}

/**
 * Imports a file of Quiver's, once.
 *
 * @typeParam T `typeof import(…)` of the module.
 * @throws {Deno.errors.NotCapable} Without `--allow-read` of the file.
 */
export function importFile<T>(href: string): Promise<T> {
  const known = IMPORTS.get(href);
  // Whoever names the module names its type.
  if (known !== undefined) return known as Promise<T>;
  const unread = UNREAD.get(href) ?? 0;
  const imported = importOutside<T>(unread === 0 ? href : `${href}?retry=${unread}`);
  IMPORTS.set(href, imported);
  // The next one who needs it tries again.
  imported.catch((error: unknown) => {
    IMPORTS.delete(href);
    if (isUnread(error)) UNREAD.set(href, unread + 1);
  });
  return imported;
}

/** Whether the system has refused to open a file, as it does when too many are open. */
function isUnread(error: unknown): boolean {
  return error instanceof TypeError && /\(os error \d+\)/.test(error.message);
}

/**
 * Under which `ambient.ts` leaves what runs a function outside of all scopes: it loads
 * `node:async_hooks`, and a worker listens before that.
 */
export const OUTSIDE: unique symbol = Symbol.for("quiver.outside");

/**
 * Runs a function where no ambient value holds. Dynamic imports need it: in Deno 2.9.6 the value
 * around an `import()` stays behind, and holds for whatever the runtime calls next by itself.
 *
 * @typeParam R What the function returns.
 * @returns What the function returns.
 */
export function outside<R>(fn: () => R): R {
  // Only `ambient.ts` writes under this symbol; where that is not loaded nothing is ambient.
  const run = Reflect.get(globalThis, OUTSIDE) as ((fn: () => R) => R) | undefined;
  return run === undefined ? fn() : run(fn);
}

async function importOutside<T>(href: string): Promise<T> {
  try {
    return await outside(() => import(href));
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    if (error.message.startsWith("Module not found ")) {
      throw new TypeError(
        `Cannot import ${
          JSON.stringify(href)
        }: this file of Quiver's is not there; a bundler has to ` +
          "leave Quiver out, and `deno compile` needs `--include` of its folder",
        { cause: error },
      );
    }
    // Deno says by a TypeError that a module may not be read, and by NotCapable everywhere else.
    if (!error.message.startsWith("Requires ")) throw error;
    throw new Deno.errors.NotCapable(error.message, { cause: error });
  }
}

/**
 * One of Quiver's own modules, imported when it is first needed, and from then on at hand without an
 * `await`.
 *
 * Every worker loads Quiver with the module of its first task, so that each module of Quiver's is
 * paid for at each start, used or not:
 *
 * - Imported statically it takes about 0.15 ms. That is for what every call needs.
 * - Behind a literal `import()`, as here, it takes a third of that until somebody needs it: Deno reads
 *   it, but neither compiles nor runs it. When it is needed that takes no permission, so this is for
 *   what a program may need that may read no files: keys, digests, memory caches.
 * - Behind `importLater()` it takes nothing. When it is needed that takes `--allow-read`, so that is
 *   for what needs files or workers anyway, and for packages from npm where possible: where Deno
 *   keeps a `node_modules` by itself, it looks that over for each worker with a package in its graph.
 *
 * What users call stays a thin function or class in a module of its own, which `mod.ts` exports and
 * which has the documentation and checks its options; `limited_stores.ts` and `lazy_engine.ts` are
 * examples. `tests/start_test.ts` holds the count.
 *
 * @typeParam T `typeof import(…)` of the module.
 */
export class LateModule<T> {
  readonly #import: () => Promise<T>;
  #loading: Promise<T> | undefined;
  #loaded: T | undefined;

  /**
   * Imports nothing yet.
   *
   * @param load Imports the module, by a literal `import()`.
   */
  constructor(load: () => Promise<T>) {
    this.#import = load;
  }

  /** The module, if it is loaded: asked first, so that what follows need not wait. */
  get loaded(): T | undefined {
    return this.#loaded;
  }

  /**
   * Loads the module, unless it is loaded: once, however many ask for it meanwhile. When that fails,
   * the next one who asks tries again.
   */
  load(): Promise<T> {
    if (this.#loading !== undefined) return this.#loading;
    const loading = Promise.try(async () => this.#loaded = await outside(this.#import));
    this.#loading = loading;
    loading.catch(() => this.#loading = undefined);
    return loading;
  }
}

/** What bundlers follow; Deno has none in such a module. */
declare const require: (file: string) => never;

/**
 * Makes bundlers fail, which would leave out whatever is imported late, and the entries of workers, so
 * that the program would fail when it first opens a bag. Nobody calls this: bundlers look for what is
 * required, used or not. It stands in a condition as they look into those, too, and Deno does not.
 *
 * @param file What is required.
 */
export function refuseBundlers(file?: string): never {
  return require(
    file === undefined
      ? "Cannot bundle Quiver: leave it out, deno bundle --external=@quiver/quiver"
      : file,
  );
}
