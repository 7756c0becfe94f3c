// Contract: each option of each entry refuses what is of the wrong type, by name, before anything starts.
import { assert, assertEquals } from "@std/assert";
import {
  asCompleted,
  type Bag,
  bind,
  cacheScope,
  createMemoryCache,
  Executor,
  file,
  openBag,
  openScope,
  setDefaultScope,
  task,
  useCache,
  wait,
} from "@quiver/quiver";
import {
  limited,
  openFileCache,
  openSqliteCache,
  query,
  rekey,
  table,
  verifyBag,
} from "@quiver/quiver/caches";
import { random } from "@quiver/quiver/sweeps";
import {
  configureDefaultContext,
  getReusableExecutor,
  openWorkerContext,
  registerError,
  restoreBound,
  runInWorker,
} from "@quiver/quiver/workers";
import { wrapExecutor } from "@quiver/quiver/pools";

/** What an option is to be; all else is of the wrong type. */
type Kind =
  | "number"
  | "boolean"
  | "string"
  | "strings"
  | "function"
  | "object"
  | "choice"
  | "signal"
  | "date";

/** Values of each type, and which kinds of option they may do for. */
const VALUES: readonly (readonly [shown: string, value: unknown, fits: readonly Kind[]])[] = [
  ["null", null, []],
  ["a text", "4", ["string"]],
  ["an empty text", "", ["string"]],
  ["a number", 4, ["number", "date"]],
  ["NaN", NaN, ["number", "date"]],
  ["minus one", -1, ["number", "date"]],
  ["minus infinity", -Infinity, ["number", "date"]],
  ["infinity", Infinity, ["number", "date"]],
  ["a bigint", 4n, []],
  ["true", true, ["boolean"]],
  ["a function", () => {}, ["function"]],
  ["an object", { some: "thing" }, ["object"]],
  ["an array", [4], []],
  ["an array of texts", ["4"], ["strings"]],
  ["a date", new Date(0), ["date", "object"]],
  ["a promise", Promise.resolve(4), ["object"]],
  ["a symbol", Symbol("4"), []],
  ["a class instance", new Map(), ["object"]],
];

/** The options of an entry, and what each is to be. */
type Options = { readonly [name: string]: readonly Kind[] };

const PROCESS: Options = { permissions: ["object"], env: ["object"], flags: ["strings"] };

const HOOKS: Options = { init: ["function", "object"], retire: ["function", "object"] };

const CONTEXT: Options = {
  workerType: ["choice"],
  ...PROCESS,
  ...HOOKS,
  idleTimeout: ["number"],
  gracePeriod: ["number"],
  maxWorkers: ["number"],
};

const EXECUTOR: Options = {
  ...CONTEXT,
  output: ["function", "choice"],
  maxTasksPerWorker: ["number"],
  maxHeapBytes: ["number"],
  retries: ["number"],
  limits: [],
  has: [],
  maxDepth: ["number"],
  maxTotalWorkers: ["number"],
  observer: ["object"],
  onWarning: ["function"],
};

const SCOPE: Options = {
  cache: [],
  tags: ["object"],
  metadata: ["object"],
  strict: ["boolean"],
  refresh: ["boolean"],
  keepFailures: ["boolean"],
  singleFlight: ["boolean"],
  leaseTimeout: ["number"],
  outputs: ["string"],
  storeArguments: ["choice"],
  onWarning: ["function"],
};

const FILES: Options = {
  mode: ["choice"],
  durability: ["choice"],
  signingKey: ["string", "strings"],
};

const RUN: Options = { signal: ["signal"], onAbort: ["choice"], limiter: [] };

const same = task(import.meta, (n: number) => n, { name: "same" });
const cache = createMemoryCache();
const executor = new Executor({ workerType: "inline" });
const context = openWorkerContext({ workerType: "inline" });

/** Gives a bag that is nowhere else. */
async function withBag(use: (bag: Bag) => Promise<unknown>): Promise<void> {
  const path = await Deno.makeTempDir();
  try {
    await using bag = await openBag(path);
    await use(bag);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}

const NEVER = new AbortController().signal;

type Given = { [name: string]: unknown };

/** All that takes options: how it is used, and what its options are. */
const TAKERS: {
  readonly [entry: string]: readonly [(options: Given, path: string) => unknown, Options];
} = {
  "Executor": [(options) => new Executor({ workerType: "process", ...options }), EXECUTOR],
  "getReusableExecutor()": [
    (options) => getReusableExecutor({ workerType: "process", ...options }),
    { ...EXECUTOR, reuse: ["boolean", "choice"] },
  ],
  "Executor.with()": [(options) => executor.with(options), {
    signal: ["signal"],
    deadline: ["number"],
    onAbort: ["choice"],
    gracePeriod: ["number"],
    priority: ["number"],
    retries: ["number"],
  }],
  "Executor.map()": [(options) => executor.map(same, [1], options), {
    chunkSize: ["number", "choice"],
    bufferSize: ["number"],
    ordered: ["boolean"],
    spread: ["boolean"],
    onError: ["choice"],
    progress: ["boolean"],
    signal: ["signal"],
  }],
  "ExecutorView.map()": [
    (options) => executor.with({ signal: NEVER }).map(same, [1], options),
    {
      chunkSize: ["number", "choice"],
      bufferSize: ["number"],
      ordered: ["boolean"],
      spread: ["boolean"],
      onError: ["choice"],
      progress: ["boolean"],
      signal: ["signal"],
    },
  ],
  "Executor.shutdown()": [(options) => executor.shutdown(options), {
    wait: ["boolean"],
    cancelPending: ["boolean"],
  }],
  "Executor.resize()": [({ maxWorkers }) => executor.resize(maxWorkers as number), {
    maxWorkers: ["number"],
  }],
  "Executor.batched()": [({ size }) => executor.batched([], size as number), { size: ["number"] }],
  "wait()": [(options) => wait([], options), {
    until: ["choice"],
    timeout: ["number"],
    signal: ["signal"],
  }],
  "asCompleted()": [(options) => asCompleted([], options), {
    timeout: ["number"],
    signal: ["signal"],
  }],
  "task()": [
    (options) => task(import.meta, () => 1, { name: "other", ...options }),
    {
      name: ["string"],
      id: ["string"],
      version: ["string", "number"],
      code: ["choice"],
      storeArguments: ["choice"],
      ignore: ["strings"],
      require: ["strings"],
      inputs: ["strings"],
      env: ["strings"],
      expiresAfter: ["number"],
      staleWhileRevalidate: ["number"],
      validate: ["function"],
      refresh: ["boolean"],
      retries: ["number"],
      deadline: ["number"],
      rate: [],
      limits: ["strings"],
      needs: [],
      isolate: ["boolean", "choice"],
    },
  ],
  "file()": [(options) => file("a", options), { hash: ["choice"] }],
  "cacheScope()": [(options) => cacheScope(options, () => {}), { ...SCOPE, workers: ["object"] }],
  "cacheScope() with workers": [
    (workers) => cacheScope({ workers: { workerType: "process", ...workers } }, () => {}),
    CONTEXT,
  ],
  "useCache()": [(options) => useCache("none", options), { from: ["string"] }],
  "openScope()": [(options) => openScope(options), { ...SCOPE, workers: ["object"] }],
  "setDefaultScope()": [(options) => setDefaultScope(options), SCOPE],
  "bind()": [(options) => bind(same, options), SCOPE],
  "Task.bind()": [(options) => same.bind(options), SCOPE],
  "restoreBound()": [(options) => restoreBound(same.bind().description, options), SCOPE],
  "openBag()": [(options, path) => openBag(path, options), {
    ...FILES,
    fold: ["choice"],
    journalBytes: ["number"],
    memoryBytes: ["number"],
    compression: ["object"],
    onWarning: ["function"],
  }],
  "openFileCache()": [(options, path) => openFileCache(path, options), FILES],
  "openSqliteCache()": [
    (options, path) => openSqliteCache(`${path}/cache.db`, options),
    { ...FILES, busyTimeout: ["number"] },
  ],
  "verifyBag()": [(options, path) => verifyBag(path, options), {
    repair: ["boolean"],
    digests: ["boolean"],
    signal: ["signal"],
    progress: [],
  }],
  "Bag.backup()": [
    (options, path) => withBag((bag) => bag.backup(path, options)),
    { links: ["boolean"], signal: ["signal"], progress: [] },
  ],
  "Bag.exportHdf5()": [
    (options, path) => withBag((bag) => bag.exportHdf5(`${path}/export.h5`, {}, options)),
    { layout: ["choice"] },
  ],
  "Bag.importDatasets()": [
    (options, path) => withBag((bag) => bag.importDatasets(`${path}/none.h5`, options)),
    { path: ["string"], ranges: [] },
  ],
  "Cache.gc()": [(options) => cache.gc(options), { gracePeriod: ["number"] }],
  "limited()": [(options) => limited(cache, options), {
    maxBytes: ["number"],
    maxItems: ["number"],
    maxAge: ["number"],
    gracePeriod: ["number"],
    policy: ["function", "choice"],
    onWarning: ["function"],
  }],
  "query()": [(options) => query(cache, {}, options), { onWarning: ["function"] }],
  "query() by a template": [(template) => query(cache, template).count(), {
    task: ["string"],
    module: ["string"],
    version: ["string", "number"],
    tags: ["object"],
    metadata: ["object"],
    before: ["date"],
    after: ["date"],
    state: ["choice"],
    duration: ["number", "function"],
    args: ["object"],
    size: ["number", "function"],
  }],
  "CallSelection.sorted()": [(options) => query(cache).sorted("task", options), {
    reverse: ["boolean"],
  }],
  "table()": [(options) => table(query(cache), options), {
    args: ["boolean", "strings"],
    results: ["boolean", "strings"],
  }],
  "Table.toString()": [async (options) => (await table(query(cache))).toString(options), {
    width: ["number"],
    rows: ["number"],
  }],
  "Table.writeHdf5()": [
    async (options, path) => {
      const rows = await table(query(cache));
      return rows.writeHdf5(`${path}/grid.h5`, { axes: ["task"], ...options });
    },
    { axes: ["strings"], values: ["strings"] },
  ],
  "random()": [(options) => random({ x: [1] }, { count: 1, seed: 1, ...options }), {
    count: ["number"],
    seed: ["number"],
  }],
  "CallSelection.transfer()": [
    (options) => query(cache).transfer(createMemoryCache(), options),
    { overwrite: ["boolean"], pop: ["boolean"] },
  ],
  "rekey()": [(options) => rekey(cache, options), { change: ["function"] }],
  "openWorkerContext()": [
    (options) => openWorkerContext({ workerType: "process", ...options }),
    CONTEXT,
  ],
  "configureDefaultContext()": [
    (options) => configureDefaultContext({ workerType: "process", ...options }),
    CONTEXT,
  ],
  "WorkerContext.run()": [(options) => context.run(same, [1], options), RUN],
  "runInWorker()": [(options) => runInWorker(same, [1], options), { ...RUN, context: [] }],
  "wrapExecutor()": [
    (adapter) => wrapExecutor({ run: () => {} }, { method: "run", ...adapter }),
    { method: ["string"], send: ["function"], json: ["function"] },
  ],
  "registerError()": [(options) => registerError(class Other extends Error {}, options), {
    name: ["string"],
    toFields: ["function"],
    fromFields: ["function"],
  }],
};

/** What is taken must leave nothing, whatever it was. */
async function use(take: () => unknown): Promise<unknown> {
  try {
    // What is refused is refused at once, or by the promise of something that is opened.
    await take();
    return undefined;
  } catch (error) {
    return error;
  }
}

for (const [entry, [take, options]] of Object.entries(TAKERS)) {
  Deno.test(`${entry} refuses options of the wrong type by name, and starts nothing`, async () => {
    const path = await Deno.makeTempDir();
    try {
      for (const [name, kinds] of Object.entries(options)) {
        for (const [shown, value, fits] of VALUES) {
          if (fits.some((fit) => kinds.includes(fit))) continue;
          const error = await use(() => take({ [name]: value }, path));
          const where = `${entry}, \`${name}\` is ${shown}: ${error}`;
          assert(error instanceof TypeError, where);
          assert(error.message.startsWith("Cannot "), where);
          assert(error.message.includes(name), where);
        }
      }
      assertEquals(await Array.fromAsync(Deno.readDir(path)), []);
    } finally {
      await Deno.remove(path, { recursive: true });
    }
  });

  Deno.test(`${entry} refuses numbers that make no sense by name`, async () => {
    const path = await Deno.makeTempDir();
    try {
      for (const [name, kinds] of Object.entries(options)) {
        if (!kinds.includes("number") || name === "version") continue;
        for (const value of name === "priority" ? [NaN, 0.5, Infinity] : [NaN, -1, -Infinity]) {
          const error = await use(() => take({ [name]: value }, path));
          const where = `${entry}, \`${name}\` is ${value}: ${error}`;
          assert(error instanceof RangeError && error.message.includes(name), where);
        }
      }
    } finally {
      await Deno.remove(path, { recursive: true });
    }
  });

  Deno.test(`${entry} refuses options that are none`, async () => {
    if (/resize|batched|with workers|wrapExecutor/.test(entry)) return;
    const path = await Deno.makeTempDir();
    try {
      for (const value of [null, 4, "4", true]) {
        // Where others are added to them, they are some.
        if (String(take).includes("...options")) continue;
        const error = await use(() => take(value as never, path));
        const where = `${entry}, options are ${value}: ${error}`;
        assert(error instanceof TypeError && error.message.includes("the options are"), where);
      }
      assertEquals(await Array.fromAsync(Deno.readDir(path)), []);
    } finally {
      await Deno.remove(path, { recursive: true });
    }
  });
}
