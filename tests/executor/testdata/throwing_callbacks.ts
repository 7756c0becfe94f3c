// Callbacks that throw, or reject, in each way one after another: deno run -A throwing_callbacks.ts <kind> <throw | reject> <how> …
import {
  cacheScope,
  createMemoryCache,
  Executor,
  openBag,
  reportProgress,
  task,
  type WorkerType,
} from "@quiver/quiver";
import { verifyBag } from "@quiver/quiver/caches";
import { type ExecutorObserver, openWorkerContext } from "@quiver/quiver/workers";

export const work = task(import.meta, async function work(n: number): Promise<number> {
  console.error("printed");
  reportProgress(0.5);
  await new Promise((resolve) => setTimeout(resolve));
  if (n < 0) throw new RangeError("negative");
  return n;
});

export const print = task(import.meta, function print(n: number): number {
  for (let line = 0; line < 3; line++) console.log("line");
  return n;
});

export const judged = task(import.meta, (n: number): number => n, {
  name: "judged",
  validate: () => fail(),
});

const [kind = "web", way = "throw", ...hows] = Deno.args;
const workerType = kind as WorkerType;
const silent = { output: () => {}, workerType, maxWorkers: 2 };

/** How often each was called. */
let called = 0;

function fail(): never {
  called++;
  // What an async function does.
  if (way === "reject") return Promise.reject(new EvalError("from a callback")) as never;
  throw new EvalError("from a callback");
}

const HOOKS: Required<ExecutorObserver> = {
  queued: fail,
  started: fail,
  retried: fail,
  finished: fail,
  workerStarted: fail,
  workerEnded: fail,
};

const WAYS: { readonly [how: string]: () => Promise<unknown> } = {
  async "progress of a map"() {
    await using executor = new Executor(silent);
    const progress = { start: fail, update: fail, report: fail, stop: fail };
    return await Array.fromAsync(executor.map(work, [1, 2, 3], { progress }));
  },
  async "progress of a map in chunks"() {
    await using executor = new Executor(silent);
    const progress = { start: fail, update: fail, stop: fail };
    return await Array.fromAsync(executor.map(work, [1, 2, 3], { progress, chunkSize: 3 }));
  },
  async "onDone"() {
    await using executor = new Executor(silent);
    const futures = [1, 2, 3].map((n) => executor.submit(work, n));
    for (const future of futures) future.onDone(fail);
    const results = await Promise.all(futures);
    futures[0]?.onDone(fail);
    await new Promise((resolve) => setTimeout(resolve));
    return results;
  },
  async "output"() {
    await using executor = new Executor({ ...silent, output: fail });
    return await Promise.all([1, 2, 3].map((n) => executor.submit(print, n)));
  },
  async "output in a strict scope"() {
    return await cacheScope({ strict: true }, async () => {
      await using executor = new Executor({ ...silent, output: fail });
      return await Promise.all([1, 2, 3].map((n) => executor.submit(print, n)));
    });
  },
  async "observer"() {
    await using executor = new Executor({ ...silent, observer: HOOKS, retries: 1 });
    const failing = executor.submit(work, -1);
    const results = await Promise.all([1, 2, 3].map((n) => executor.submit(work, n)));
    await failing.catch(() => {});
    return results;
  },
  async "onWarning of an executor"() {
    await using executor = new Executor({
      ...silent,
      observer: { queued: fail },
      output: fail,
      onWarning: fail,
    });
    return await Promise.all([1, 2, 3].map((n) => executor.submit(print, n)));
  },
  async "onWarning of a scope"() {
    return await cacheScope({ cache: createMemoryCache(), onWarning: fail }, async () => {
      await using executor = new Executor(silent);
      // A function has no digest, and cannot be sent.
      await executor.submit(work, (() => {}) as never).catch(() => {});
      return await Promise.all([1, 2, 3].map((n) => executor.submit(work, n)));
    });
  },
  async "validate of a task"() {
    return await cacheScope({ cache: createMemoryCache(), strict: true }, async () => {
      await using executor = new Executor(silent);
      await Promise.all([1, 2, 3].map((n) => executor.submit(judged, n)));
      return await Promise.all([1, 2, 3].map((n) => executor.submit(judged, n)));
    });
  },
  async "progress of a check"() {
    const path = await Deno.makeTempDir();
    await (await openBag(path)).close();
    const { sound } = await verifyBag(path, { progress: { update: fail } });
    await Deno.remove(path, { recursive: true });
    return sound ? [1, 2, 3] : [];
  },
  async "a permit that nobody needs"() {
    await using context = openWorkerContext({ workerType });
    const permit = Promise.withResolvers<Disposable>();
    const call = context.run(print, [0], { limiter: { acquire: () => permit.promise } });
    call.abort();
    permit.resolve({ [Symbol.dispose]: fail });
    await new Promise((resolve) => setTimeout(resolve));
    return [1, 2, 3];
  },
};

if (import.meta.main) {
  for (const how of hows) {
    called = 0;
    console.error(`== ${how}`);
    const results = await WAYS[how]?.();
    // What nobody has caught would end the program.
    await new Promise((resolve) => setTimeout(resolve));
    console.log(JSON.stringify([results, called > 0]));
  }
}
