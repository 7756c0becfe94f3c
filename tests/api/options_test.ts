// Contract: an option that there is not, such as one by the name that it had before, is refused by name.
import { assertRejects } from "@std/assert";
import {
  asCompleted,
  bind,
  cacheScope,
  createMemoryCache,
  Executor,
  openBag,
  openScope,
  setDefaultScope,
  task,
  wait,
} from "@quiver/quiver";
import {
  limited,
  openFileCache,
  openSqliteCache,
  query,
  rekey,
  verifyBag,
} from "@quiver/quiver/caches";
import {
  configureDefaultContext,
  getReusableExecutor,
  openWorkerContext,
  registerError,
  restoreBound,
  runInWorker,
} from "@quiver/quiver/workers";

type Options = { [name: string]: unknown };

const same = task(import.meta, function same(n: number): number {
  return n;
});

const cache = createMemoryCache();

/** All that takes options, by how its use is written. */
const TAKERS: { readonly [use: string]: (options: Options, path: string) => unknown } = {
  "task()": (options) => task(import.meta, () => 1, { name: "other", ...options }),
  "Executor": (options) => new Executor(options),
  "Executor.with()": (options) => new Executor().with(options),
  "Executor.map()": (options) => new Executor().map(same, [1], options),
  "Executor.shutdown()": (options) => new Executor().shutdown(options),
  "wait()": (options) => wait([], options),
  "asCompleted()": (options) => asCompleted([], options),
  "bind()": (options) => bind(same, options),
  "Task.bind()": (options) => same.bind(options),
  "cacheScope()": (options) => cacheScope(options, () => {}),
  "cacheScope() with workers": (workers) => cacheScope({ workers }, () => {}),
  "openScope()": (options) => openScope(options),
  "setDefaultScope()": (options) => setDefaultScope(options),
  "openBag()": (options, path) => openBag(path, options),
  "Bag.verify()": async (options, path) => {
    await using bag = await openBag(path);
    await bag.verify(options);
  },
  "Bag.compact()": async (options, path) => {
    await using bag = await openBag(path);
    await bag.compact(options);
  },
  "Bag.backup()": async (options, path) => {
    await using bag = await openBag(path);
    await bag.backup(`${path}-backup`, options);
  },
  "verifyBag()": (options, path) => verifyBag(path, options),
  "openFileCache()": (options, path) => openFileCache(path, options),
  "openSqliteCache()": (options, path) => openSqliteCache(`${path}/cache.db`, options),
  "Cache.gc()": (options) => cache.gc(options),
  "limited()": (options) => limited(cache, options),
  "query()": (options) => query(cache, {}, options),
  "CallSelection.transfer()": (options) => query(cache).transfer(createMemoryCache(), options),
  "rekey()": (options) => rekey(cache, options),
  "openWorkerContext()": (options) => openWorkerContext(options),
  "configureDefaultContext()": (options) => configureDefaultContext(options),
  "WorkerContext.run()": (options) => openWorkerContext().run(same, [1], options),
  "runInWorker()": (options) => runInWorker(same, [1], options),
  "getReusableExecutor()": (options) => getReusableExecutor(options),
  "restoreBound()": (options) => restoreBound(same.bind().description, options),
  "registerError()": (options) => registerError(class extends Error {}, options),
};

/** The names that options had before. */
const BEFORE: { readonly [use: string]: string } = {
  "Cache.gc()": "grace",
  "Bag.compact()": "grace",
  "limited()": "grace",
  "openWorkerContext()": "type",
  "configureDefaultContext()": "type",
  "cacheScope() with workers": "type",
};

async function assertRefused(use: string, name: string): Promise<void> {
  const path = await Deno.makeTempDir();
  try {
    const take = async () => await TAKERS[use]?.({ [name]: undefined }, path);
    await assertRejects(take, TypeError, `"${name}" is no`, use);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}

for (const use of Object.keys(TAKERS)) {
  Deno.test(`${use} refuses an option that it does not know`, () =>
    assertRefused(use, "maxWorker"));
}

for (const [use, name] of Object.entries(BEFORE)) {
  Deno.test(`${use} refuses the option "${name}" of before`, () => assertRefused(use, name));
}
