import { type Cache, createMemoryCache, Executor, openBag, type Task } from "@quiver/quiver";
import { openFileCache, openSqliteCache } from "@quiver/quiver/caches";
import type { DeferredArguments } from "@quiver/quiver/workers";

/** Where a call runs. */
export type WayName = "here" | "web" | "process" | "inline";

/** A way that calls go. */
export interface Way extends AsyncDisposable {
  /** Its name. */
  readonly name: WayName;
  /** Makes a call. */
  call<A extends readonly unknown[], R>(task: Task<A, R>, ...args: A): Promise<R>;
  /** The executor, where there is one. */
  readonly executor: Executor | undefined;
}

/** Opens a way with one worker, or none. */
export function openWay(name: WayName): Way {
  const executor = name === "here" ? undefined : new Executor({ maxWorkers: 1, workerType: name });
  return {
    name,
    executor,
    call: (task, ...args) =>
      executor === undefined
        ? task(...toDeferred(args))
        : executor.submit(task, ...toDeferred(args)),
    [Symbol.asyncDispose]: async () => await executor?.shutdown(),
  };
}

/** Arguments may be given as they are. */
function toDeferred<A extends readonly unknown[]>(args: A): DeferredArguments<A> {
  return args as unknown as DeferredArguments<A>;
}

/** All ways. */
export const WAYS: readonly WayName[] = ["here", "web", "process", "inline"];

/** A cache of some kind. */
export interface OpenedCache extends AsyncDisposable {
  /** The cache. */
  readonly cache: Cache;
}

/** Opens a cache of each kind; on disk in a folder. */
export const CACHES: { readonly [kind: string]: (folder: string) => Promise<OpenedCache> } = {
  memory: () =>
    Promise.resolve({ cache: createMemoryCache(), [Symbol.asyncDispose]: async () => {} }),
  bag: async (folder) => {
    const cache = await openBag(`${folder}/results.bag`, { fold: "manual" });
    return { cache, [Symbol.asyncDispose]: () => cache.close() };
  },
  files: async (folder) => {
    const cache = await openFileCache(`${folder}/results`);
    return { cache, [Symbol.asyncDispose]: () => cache.close() };
  },
  sqlite: async (folder) => {
    const cache = await openSqliteCache(`${folder}/results.db`);
    return { cache, [Symbol.asyncDispose]: () => cache.close() };
  },
};

/** A folder that is gone at the end. */
export interface Folder extends AsyncDisposable {
  /** Where it is. */
  readonly path: string;
}

/** Makes a folder. */
export async function openFolder(): Promise<Folder> {
  const path = await Deno.makeTempDir();
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** Waits until a folder has a file whose name begins so. */
export async function appears(folder: string, name: string): Promise<void> {
  using watcher = Deno.watchFs(folder);
  const isThere = () => [...Deno.readDirSync(folder)].some((entry) => entry.name.startsWith(name));
  if (isThere()) return;
  for await (const _ of watcher) if (isThere()) return;
}
