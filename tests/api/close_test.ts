// Contract: what can be disposed of can be closed, too, and both may be done twice.
import { assert, assertEquals } from "@std/assert";
import { cacheScope, Executor, openBag, openScope, task } from "@quiver/quiver";
import { openFileCache, openSqliteCache } from "@quiver/quiver/caches";
import { getReusableExecutor, openWorkerContext, restoreBound } from "@quiver/quiver/workers";

interface Closable extends AsyncDisposable {
  close(): Promise<void>;
}

const half = task(import.meta, function half(n: number): number {
  return n / 2;
});

const OPENERS: { readonly [name: string]: (path: string) => Closable | Promise<Closable> } = {
  "Executor": () => new Executor({ workerType: "inline" }),
  "ReusableExecutor": () => getReusableExecutor({ workerType: "inline" }),
  "WorkerContext": () => openWorkerContext({ workerType: "inline" }),
  "ScopeHandle": () => openScope({ workers: { workerType: "inline" } }),
  "Bag": (path) => openBag(path),
  "file cache": (path) => openFileCache(path),
  "SQLite cache": (path) => openSqliteCache(`${path}/cache.db`),
  "RestoredTask": async (path) => {
    await using bag = await openBag(path);
    return await restoreBound(
      await cacheScope({ cache: bag }, () => half.bind().description),
    );
  },
};

for (const [name, open] of Object.entries(OPENERS)) {
  Deno.test(`${name} has close(), which is what disposing does, and may be called twice`, async () => {
    const path = await Deno.makeTempDir();
    try {
      const opened = await open(path);
      await opened.close();
      await opened.close();
      await opened[Symbol.asyncDispose]();
      const other = await open(path);
      await other[Symbol.asyncDispose]();
      await other.close();
    } finally {
      await Deno.remove(path, { recursive: true });
    }
  });
}

Deno.test("Executor.close() waits for the calls, and then takes no more", async () => {
  const executor = new Executor({ workerType: "inline" });
  const future = executor.submit(half, 8);
  await executor.close();
  assertEquals([future.state, executor.closed], ["done", true]);
  assert(await future === 4);
});
