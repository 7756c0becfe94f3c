// end-to-end: Executor.map through the public API, on each kind of worker
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  cacheScope,
  CancelledError,
  createMemoryCache,
  DependencyError,
  Executor,
  ExecutorShutdownError,
  type MapOptions,
  openBag,
  UnclonableError,
  WorkerDiedError,
} from "@quiver/quiver";
import { getReusableExecutor } from "@quiver/quiver/workers";
import { leaveNothing } from "../leave_nothing.ts";
import { until } from "./_shared_folder.ts";
import { appears, countVisits, echo, square, type Visit, visit } from "./testdata/map_tasks.ts";

leaveNothing();

interface Folder extends AsyncDisposable {
  readonly path: string;
}

async function openFolder(): Promise<Folder> {
  const path = await Deno.makeTempDir();
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** What came before the iteration ended, and what ended it. */
async function drain<T>(results: AsyncIterable<T>): Promise<{ values: T[]; error?: unknown }> {
  const values: T[] = [];
  try {
    for await (const value of results) values.push(value);
    return { values };
  } catch (error) {
    return { values, error };
  }
}

async function* later<T>(items: Iterable<T>): AsyncGenerator<T> {
  for (const item of items) {
    await Promise.resolve();
    yield item;
  }
}

const RANGE = Array.from({ length: 40 }, (_, x) => x);
const SQUARES = RANGE.map((x) => x * x);
const SIZES: readonly Required<MapOptions>["chunkSize"][] = ["auto", 1, 6, 40, 50];

for (const workerType of ["web", "process", "inline"] as const) {
  const open = (maxWorkers = 2) => new Executor({ maxWorkers, workerType });
  const test = (name: string, fn: () => Promise<void>) => Deno.test(`${workerType}: ${name}`, fn);
  const visits = (path: string, ...hows: (Visit["how"] | undefined)[]): Visit[] =>
    hows.map((how, x) => ({ directory: path, x, ...(how !== undefined && { how }) }));

  // executors 63
  test("Executor.map() gives the same results with any chunkSize", async () => {
    await using executor = open();
    for (const chunkSize of SIZES) {
      for (const items of [RANGE, new Set(RANGE), later(RANGE)]) {
        assertEquals(await Array.fromAsync(executor.map(square, items, { chunkSize })), SQUARES);
      }
      const unordered = executor.map(square, RANGE, { chunkSize, ordered: false });
      assertEquals((await Array.fromAsync(unordered)).sort((a, b) => a - b), SQUARES);
    }
    assertEquals(await Array.fromAsync(executor.map(echo, "abc")), ["a", "b", "c"]);
  });

  // executors 63
  test("Executor.map() refuses a size that is none, a wrong option and wrong items", async () => {
    await using executor = open();
    for (const size of [-1, 0, 1.5, NaN, "7"]) {
      const wrong = size as number;
      const Refusal = typeof size === "number" ? RangeError : TypeError;
      assertThrows(() => executor.map(square, RANGE, { chunkSize: wrong }), Refusal, "chunkSize");
      assertThrows(() => executor.map(square, RANGE, { bufferSize: wrong }), Refusal, "buffer");
    }
    assertThrows(() => executor.map(square, RANGE, { chunk: 1 } as never), TypeError, '"chunk"');
    assertThrows(() => executor.map(square, 7 as never), TypeError, "not iterable");
    assertThrows(() => executor.map(Math.abs as never, RANGE), TypeError, "not a task");
  });

  test("Executor.map() tells of each item of a chunk, and of nothing after its end", async () => {
    await using executor = open();
    const log: unknown[] = [];
    const progress = {
      start: (total: number | undefined) => log.push(`start ${total}`),
      update: (hit: boolean) => log.push(hit),
      stop: () => log.push("stop"),
    };
    await Array.fromAsync(executor.map(square, RANGE, { chunkSize: 6, progress }));
    assertEquals(log, ["start 40", ...RANGE.map(() => false), "stop"]);
    log.length = 0;
    for await (const _ of executor.map(square, later(RANGE), { chunkSize: 6, progress })) break;
    await executor.shutdown();
    assertEquals([log[0], log.indexOf("stop")], ["start undefined", log.length - 1]);
  });

  // executors 65
  test("Executor.map() gives what came before its signal, then throws the reason", async () => {
    await using folder = await openFolder();
    await using executor = open();
    const controller = new AbortController();
    const { signal } = controller;
    const items = visits(folder.path, undefined, undefined, "wait");
    const values: number[] = [];
    const error = await assertRejects(async () => {
      for await (const value of executor.map(visit, items, { signal, chunkSize: 1 })) {
        values.push(value);
        // The third never ends by itself: only the signal ends the wait for it.
        if (value === 1) setTimeout(() => controller.abort(new DOMException("", "TimeoutError")));
      }
    }, DOMException);
    assertEquals([values, error.name], [[0, 1], "TimeoutError"]);
    await Deno.writeTextFile(`${folder.path}/2.go`, "");
  });

  // executors 66
  test("Executor.map() throws what its input throws after the results before", async () => {
    await using executor = open();
    function* failing(): Generator<number> {
      yield* RANGE.slice(0, 7);
      throw new RangeError("no eighth");
    }
    for (const chunkSize of SIZES) {
      for (const items of [failing(), later(failing())]) {
        const { values, error } = await drain(executor.map(square, items, { chunkSize }));
        assertEquals([values, String(error)], [SQUARES.slice(0, 7), "RangeError: no eighth"]);
      }
    }
  });

  // executors 67
  test("Executor.map({ ordered: false }) gives nine fast results before a slow one", async () => {
    await using folder = await openFolder();
    await using executor = open();
    const items = visits(folder.path, "wait", ...Array.from({ length: 9 }, () => undefined));
    const values: number[] = [];
    for await (const value of executor.map(visit, items, { ordered: false, chunkSize: 1 })) {
      if (values.push(value) === 9) await Deno.writeTextFile(`${folder.path}/0.go`, "");
    }
    assertEquals([values.slice(0, 9).sort(), values[9]], [[1, 2, 3, 4, 5, 6, 7, 8, 9], 0]);
  });

  // executors 69
  test("Executor.map() takes exactly bufferSize items of an endless input ahead", async () => {
    await using executor = open();
    for (const chunkSize of SIZES) {
      for (const bufferSize of [1, 3, 5, 64]) {
        for (const asynchronous of [false, true]) {
          let taken = 0;
          let most = 0;
          let given = 0;
          const endless = function* () {
            for (;;) {
              most = Math.max(most, taken + 1 - given);
              yield taken++;
            }
          };
          const items = asynchronous ? later(endless()) : endless();
          for await (const value of executor.map(square, items, { bufferSize, chunkSize })) {
            assertEquals(value, given * given);
            if (++given === 100) break;
          }
          assert(most <= bufferSize, `${most} items were taken with a buffer of ${bufferSize}`);
        }
      }
    }
  });

  test("Executor.map() sends no call that the cache knows, and remembers each other", async () => {
    await using folder = await openFolder();
    await using bag = await openBag(`${folder.path}/results.bag`);
    await using executor = open();
    const items = visits(folder.path, ...Array.from({ length: 12 }, () => undefined));
    await cacheScope({ cache: bag, strict: true }, async () => {
      await visit(items[3] as Visit);
      await visit(items[7] as Visit);
      const hits: boolean[] = [];
      const progress = {
        start: () => {},
        update: (hit: boolean) => hits.push(hit),
        stop: () => {},
      };
      for (const known of [2, 12]) {
        hits.length = 0;
        const results = executor.map(visit, items, { chunkSize: 5, progress });
        assertEquals(await Array.fromAsync(results), items.map(({ x }) => x));
        assertEquals([hits.filter(Boolean).length, hits.length], [known, 12]);
      }
      assertEquals(
        await Promise.all(items.map((item) => visit.contains(item))),
        items.map(() => true),
      );
    });
    assertEquals(Object.values(countVisits(folder.path)), items.map(() => 1));
  });

  test("Executor.map() runs equal items once, in a bag and in memory", async () => {
    await using folder = await openFolder();
    await using bag = await openBag(`${folder.path}/results.bag`);
    await using executor = open();
    for (const [x, cache] of [bag, createMemoryCache()].entries()) {
      const items = Array.from({ length: 6 }, () => ({ directory: folder.path, x }));
      await cacheScope({ cache, strict: true }, async () => {
        const results = executor.map(visit, items, { chunkSize: 3 });
        assertEquals(await Array.fromAsync(results), items.map(() => x));
      });
    }
    assertEquals(countVisits(folder.path), { 0: 1, 1: 1 });
  });

  test("Executor.map() loses only the item that fails, and gives those before it", async () => {
    await using folder = await openFolder();
    await using bag = await openBag(`${folder.path}/results.bag`);
    await using executor = open();
    const items = visits(folder.path, undefined, undefined, "throw", undefined, "function");
    for (const chunkSize of [5, 1]) {
      const { values, error } = await drain(executor.map(visit, items, { chunkSize }));
      assertEquals([values, String(error)], [[0, 1], "RangeError: not 2"]);
    }
    await cacheScope({ cache: bag, onWarning: () => {} }, async () => {
      const { values, error } = await drain(executor.map(visit, items, { chunkSize: 5 }));
      assertEquals([values, String(error)], [[0, 1], "RangeError: not 2"]);
      await executor.shutdown();
      const known = await Promise.all(items.map((item) => visit.contains(item)));
      // A map that has failed begins no more: on a busy machine, the fourth may not have begun.
      known[3] ||= await visit(items[3]!) === 3;
      assertEquals(known, [true, true, false, true, false]);
      const before = countVisits(folder.path);
      assertEquals(await Promise.all([0, 1, 3].map((x) => visit(items[x]!))), [0, 1, 3]);
      assertEquals(countVisits(folder.path), before);
    });
  });

  test("Executor.map() names the one item or result of a chunk that cannot travel", async () => {
    await using folder = await openFolder();
    await using executor = open();
    const there = await drain(executor.map(echo, [1, 2, { at: () => 1 }, 4], {
      chunkSize: 4,
      bufferSize: 16,
    }));
    assert(there.error instanceof UnclonableError);
    assertEquals([there.values, there.error.path], [[1, 2], "args[0].at"]);
    const items = visits(folder.path, undefined, "function", undefined);
    const back = await drain(executor.map(visit, items, { chunkSize: 3, bufferSize: 16 }));
    assert(back.error instanceof UnclonableError);
    assertEquals([back.values, back.error.path], [[0], "result"]);
  });

  test("Executor.map() lets no further item of a chunk begin when it is left", async () => {
    await using folder = await openFolder();
    const executor = open(1);
    const controller = new AbortController();
    const items = visits(
      folder.path,
      undefined,
      "wait",
      undefined,
      undefined,
      undefined,
      undefined,
    );
    const options = { chunkSize: 3, bufferSize: 6, signal: controller.signal };
    const results = drain(executor.map(visit, items, options));
    await until(() => countVisits(folder.path)[1] !== undefined);
    controller.abort(new Error("enough"));
    assertEquals(String((await results).error), "Error: enough");
    await Deno.writeTextFile(`${folder.path}/1.go`, "");
    await executor.shutdown();
    assertEquals(countVisits(folder.path), { 0: 1, 1: 1 });
  });

  test("Executor.map() settles all when it is left in a cached scope", async () => {
    await using folder = await openFolder();
    await using bag = await openBag(`${folder.path}/results.bag`);
    for (const cache of [bag, createMemoryCache()]) {
      const executor = open(1);
      await cacheScope({ cache, strict: true }, async () => {
        for await (const value of executor.map(square, RANGE, { chunkSize: 8, bufferSize: 32 })) {
          if (value === 81) break;
        }
        // A lease that was left behind would make this wait for ever.
        const all = executor.map(square, RANGE, { chunkSize: 7 });
        assertEquals(await Array.fromAsync(all), SQUARES);
      });
      await executor.shutdown();
    }
  });

  test("Executor.map() ends when the executor is shut down", async () => {
    await using folder = await openFolder();
    const executor = open(1);
    const items = visits(folder.path, "wait", undefined, undefined);
    const results = drain(executor.map(visit, items, { chunkSize: 1 }));
    await appears(folder.path, "trace");
    const shutdown = executor.shutdown({ cancelPending: true });
    await Deno.writeTextFile(`${folder.path}/0.go`, "");
    const { values, error } = await results;
    await shutdown;
    assert(error instanceof CancelledError, String(error));
    assertEquals(values, [0]);
    const refused = await drain(executor.map(square, RANGE));
    assert(refused.error instanceof ExecutorShutdownError);
  });

  // executors 77, 78
  test("Executor.map() waits for futures among the items, each on its own", async () => {
    await using executor = open();
    const items = [1, executor.submit(square, 2), executor.submit(square, 3)] as number[];
    assertEquals(await Array.fromAsync(executor.map(square, items, { chunkSize: 3 })), [1, 16, 81]);
    const failed = Promise.reject(new Error("no input"));
    const { values, error } = await drain(
      executor.map(square, [2, failed as never, 3], { chunkSize: 3 }),
    );
    assert(error instanceof DependencyError);
    assertEquals([values, String(error.cause)], [[4], "Error: no input"]);
  });
}

Deno.test("Executor.map() loses only the item that its worker died of", async () => {
  await using folder = await openFolder();
  await using executor = new Executor({ maxWorkers: 1 });
  const items: Visit[] = ([undefined, undefined, "die", undefined, undefined] as const).map((
    how,
    x,
  ) => ({
    directory: folder.path,
    x,
    ...(how !== undefined && { how }),
  }));
  const { values, error } = await drain(
    executor.map(visit, items, { chunkSize: 5, bufferSize: 10, ordered: false }),
  );
  assert(error instanceof WorkerDiedError);
  assertEquals(values, [0, 1]);
  assertEquals(await executor.submit(square, 4), 16);
  await executor.shutdown();
  const counts = countVisits(folder.path);
  // Those after it are given up with the map; those before it have told their results.
  assertEquals(counts, { 0: 1, 1: 1, 2: 1 });
});

Deno.test("Executor.map({ chunkSize: 1 }) runs no item twice when a worker dies", async () => {
  await using folder = await openFolder();
  await using executor = new Executor({ maxWorkers: 1 });
  const items: Visit[] = [0, 1, 2, 3].map((x) => ({
    directory: folder.path,
    x,
    ...(x === 2 && { how: "die" }),
  }));
  const { values, error } = await drain(executor.map(visit, items, { chunkSize: 1 }));
  assert(error instanceof WorkerDiedError);
  assertEquals(values, [0, 1]);
  await executor.shutdown();
  assertEquals(Object.values(countVisits(folder.path)).every((count) => count === 1), true);
});

Deno.test("Executor.map() ends when its executor is closed while its input is silent", async () => {
  const asked = Promise.withResolvers<void>();
  const next = Promise.withResolvers<void>();
  async function* quiet(first: number) {
    yield first;
    if (first === 4) asked.resolve();
    await next.promise;
    yield first + 1;
  }
  const ends: readonly ((executor: Executor) => void | Promise<void>)[] = [
    (executor) => executor.terminate(),
    (executor) => executor.shutdown(),
    (executor) => executor.shutdown({ cancelPending: true, wait: false }),
  ];
  for (const end of ends) {
    const executor = new Executor({ workerType: "inline" });
    const squares = executor.map(square, quiet(3))[Symbol.asyncIterator]();
    assertEquals(await squares.next(), { done: false, value: 9 });
    const last = squares.next();
    await end(executor);
    await assertRejects(() => last, ExecutorShutdownError, 'Cannot submit "square"');
  }
  // One that was closed as another has taken its place goes on there.
  const before = getReusableExecutor({ workerType: "inline", maxWorkers: 1, reuse: false });
  const squares = before.map(square, quiet(4))[Symbol.asyncIterator]();
  assertEquals((await squares.next()).value, 16);
  const last = squares.next();
  await asked.promise;
  await using after = getReusableExecutor({ workerType: "inline", maxWorkers: 1, reuse: false });
  assert(before.closed && !after.closed);
  next.resolve();
  assertEquals(await last, { done: false, value: 25 });
  await squares.return?.();
});
