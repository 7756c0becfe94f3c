// Leaves the failure of a call to somebody, or to nobody: deno run --allow-read unhandled.ts <who>
import {
  asCompleted,
  cacheScope,
  createMemoryCache,
  Executor,
  type Future,
  task,
  wait,
} from "@quiver/quiver";

const failing = task(import.meta, function failing(n: number): number[] {
  throw new RangeError(`failed with ${n}`);
});

const count = task(import.meta, function count(list: number[]): number {
  return list.length;
});

const WAYS: { readonly [who: string]: (executor: Executor) => unknown } = {
  "nobody": (executor) => executor.submit(failing, 1),
  "nobody without an executor": () => failing(1),
  "nobody in a cached scope": (executor) =>
    cacheScope({ cache: createMemoryCache() }, () => void executor.submit(failing, 1)),
  "onDone": (executor) => executor.submit(failing, 1).onDone(() => {}),
  "then": (executor) => void executor.submit(failing, 1).then(() => {}),
  "at": (executor) => executor.submit(failing, 1).at(0),
  "at, handled": (executor) => handle(executor.submit(failing, 1).at(0)),
  "catch": (executor) => handle(executor.submit(failing, 1)),
  "wait": (executor) => wait([executor.submit(failing, 1)]),
  "wait, given up": (executor) => wait([executor.submit(failing, 1)], { timeout: 0 }),
  "asCompleted": (executor) => asCompleted([executor.submit(failing, 1)]),
  "map": (executor) => handle(Array.fromAsync(executor.map(failing, [1, 2, 3]))),
  "map of chunks": (executor) =>
    handle(Array.fromAsync(executor.map(failing, [1, 2, 3, 4], { chunkSize: 2 }))),
  "map in a cached scope": (executor) =>
    cacheScope(
      { cache: createMemoryCache() },
      () => handle(Array.fromAsync(executor.map(failing, [1, 2, 3, 4], { chunkSize: 2 }))),
    ),
  "map of futures": (executor) => {
    const futures = Array.from({ length: 50 }, (_, n) => executor.submit(failing, n));
    return handle(Array.fromAsync(executor.map(count, futures as never[], { bufferSize: 1 })));
  },
  "batched": (executor) => handle(executor.batched([executor.submit(failing, 1)], 2)[0]),
  "batched, nobody": (executor) => executor.batched([executor.submit(failing, 1)], 2),
  "argument": (executor) => handle(executor.submit(count, executor.submit(failing, 1))),
  "argument, nobody": (executor) => executor.submit(count, executor.submit(failing, 1)),
  "cancelled": (executor) => executor.submit(failing, 1).cancel(),
};

function handle(promise: Promise<unknown> | Future<unknown> | undefined): Promise<unknown> {
  return Promise.resolve(promise?.catch(() => {}));
}

if (import.meta.main) {
  await using executor = new Executor({ workerType: "inline", maxWorkers: 2 });
  for (const who of Deno.args) {
    const kept = WAYS[who]?.(executor);
    // A future is none, and must not count as handled because it is awaited here.
    if (kept instanceof Promise) await kept;
  }
  await executor.shutdown();
}
