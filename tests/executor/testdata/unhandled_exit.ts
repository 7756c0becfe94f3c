// Leaves failures to nobody, and closes nothing that could tell: deno run -A unhandled_exit.ts <kind> <how>
import { cacheScope, Executor, task, type WorkerType } from "@quiver/quiver";
import { wrapExecutor } from "@quiver/quiver/pools";
import { getReusableExecutor, runInWorker } from "@quiver/quiver/workers";

export const fail = task(import.meta, function fail(n: number): number {
  throw new RangeError(`failed with ${n}`);
});

export const failList = task(import.meta, function failList(n: number): number[] {
  return [fail.length].map(() => {
    throw new RangeError(`failed with ${n}`);
  });
});

export const failInside = task(import.meta, async function failInside(n: number): Promise<string> {
  const executor = new Executor({ workerType: "inline" });
  const failing = executor.submit(fail, n);
  const settled = Promise.withResolvers<void>();
  failing.onDone(() => settled.resolve());
  await settled.promise;
  return "done";
});

/** Waits without looking. */
function settle(...futures: { onDone(fn: () => void): void }[]): Promise<unknown> {
  return Promise.all(futures.map((future) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    future.onDone(() => resolve());
    return promise;
  }));
}

const WAYS: { readonly [how: string]: (workerType: WorkerType) => Promise<void> } = {
  "dropped": async (workerType) => {
    const executor = new Executor({ workerType, maxWorkers: 1, idleTimeout: 0 });
    await settle(executor.submit(fail, 1), executor.submit(fail, 2));
    console.log("went on");
  },
  "shut down without waiting": async (workerType) => {
    const executor = new Executor({ workerType, maxWorkers: 1 });
    const failing = executor.submit(fail, 1);
    await executor.shutdown({ wait: false });
    await settle(failing);
    console.log("went on");
  },
  "submitted too late": async (workerType) => {
    const executor = new Executor({ workerType });
    await executor.shutdown();
    await settle(executor.submit(fail, 1));
    console.log("went on");
  },
  "ended by Deno.exit()": async (workerType) => {
    const executor = new Executor({ workerType, maxWorkers: 1 });
    await settle(executor.submit(fail, 1));
    console.log("went on");
    Deno.exit(0);
  },
  "of the shared executor": async (workerType) => {
    await settle(getReusableExecutor({ workerType, idleTimeout: 0 }).submit(fail, 1));
    console.log("went on");
  },
  "of the program's workers": async () => {
    await settle(runInWorker(fail, [1]));
    console.log("went on");
  },
  "of another library's pool": async () => {
    const pool = wrapExecutor({ submit: async <T>(fn: () => T | Promise<T>) => await fn() });
    await settle(pool.submit(fail, 1));
    console.log("went on");
  },
  "of a scope's workers": async (workerType) => {
    await cacheScope({ workers: { workerType } }, async () => {
      await settle(runInWorker(fail, [1]));
      console.log("went on");
    });
  },
  "inside of a worker": async (workerType) => {
    await using executor = new Executor({ workerType, maxWorkers: 1 });
    console.log(await executor.submit(failInside, 1) === "done" ? "went on" : "");
  },
  "behind another error": async (workerType) => {
    await using executor = new Executor({ workerType, maxWorkers: 1 });
    await settle(executor.submit(fail, 1));
    console.log("went on");
    throw new EvalError("the first of two");
  },
  "of many executors": async () => {
    for (let n = 0; n < 300; n++) {
      await settle(new Executor({ workerType: "inline" }).submit(fail, 1));
    }
    console.log("went on");
  },
  "seen after all": async (workerType) => {
    const executor = new Executor({ workerType, maxWorkers: 1, idleTimeout: 0 });
    const failing = executor.submit(fail, 1);
    await settle(failing);
    await failing.catch(() => {});
    console.log("went on");
  },
};

if (import.meta.main) {
  const [kind = "web", how = ""] = Deno.args;
  await WAYS[how]?.(kind === "process" || kind === "inline" ? kind : "web");
}
