// A library that brings a copy of Quiver of its own: where it runs, `mod.ts` here is that.
import * as quiver from "../../../mod.ts";
import { stack } from "../../../src/caches.ts";
import { wrapExecutor } from "../../../src/pools.ts";
import { Future } from "../../../src/task/future.ts";
import { runInWorker } from "../../../src/workers.ts";
import * as app from "@quiver/quiver";
import { mix } from "@quiver/quiver/caches";
import * as appWorkers from "@quiver/quiver/workers";

const APP_FUTURE = new URL("./src/task/future.ts", import.meta.resolve("@quiver/quiver")).href;

export const square = quiver.task(import.meta, function square(n: number): number {
  return n * n;
});

export const nested = quiver.task(import.meta, async function nested(n: number): Promise<number> {
  return 1 + await square(n);
});

export const apply = quiver.task(
  import.meta,
  async function apply(task: (n: number) => Promise<number>, n: number): Promise<number> {
    return await task(n);
  },
);

export const fail = quiver.task(import.meta, function fail(): never {
  throw new quiver.CacheMissError("Cannot find it", "key");
});

export const count = quiver.task(import.meta, function count(things: Set<unknown>): number {
  return things.size;
});

export function tagsHere(): unknown {
  return quiver.currentScope().tags;
}

export async function submitTo(
  executor: app.Executor,
  task: app.Task<[number, number], number>,
  ...args: [number, number]
): Promise<number> {
  const wrapped = wrapExecutor(executor);
  if (wrapped !== executor) throw new Error("an executor is no pool");
  const [ended] = (await quiver.wait([wrapped.submit(task, ...args)])).done;
  return await ended!;
}

export async function runHere(n: number): Promise<number> {
  const own = await runInWorker(square, [n]);
  return own + await appWorkers.runInWorker(square, [n]);
}

/** Whether each copy knows the errors, futures and caches of the other. */
export async function errors(): Promise<unknown> {
  const error = await quiver.cacheScope({ cache: app.createMemoryCache() }, () => square.load(7))
    .catch((error: unknown) => error);
  const [values, calls] = [app.createMemoryCache(), quiver.createMemoryCache()];
  const kept: boolean[] = [];
  for (const cache of [stack(values, calls), mix({ values, calls })]) {
    kept.push(
      await app.cacheScope({ cache }, async () => {
        await square(5 + kept.length);
        return await square.contains(5 + kept.length);
      }),
    );
  }
  const { Future: AppFuture } = await import(APP_FUTURE);
  return {
    known: [error instanceof quiver.CacheMissError, error instanceof app.CacheMissError],
    base: error instanceof app.QuiverError,
    other: error instanceof app.WorkerDiedError,
    future: square(1) instanceof AppFuture,
    same: Future === AppFuture,
    kept,
  };
}
