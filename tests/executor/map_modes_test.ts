// end-to-end: maps of tasks with several parameters, maps that go on behind failures, and what they show
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  cacheScope,
  createMemoryCache,
  Executor,
  ExecutorShutdownError,
  type MapOptions,
  openBag,
  reportProgress,
  task,
  WorkerInitError,
} from "@quiver/quiver";
import { query } from "@quiver/quiver/caches";
import { grid, range } from "@quiver/quiver/sweeps";
import type { ProgressReport } from "@quiver/quiver/workers";
import { ProgressLines } from "../../src/executor/map/progress_bar.ts";
import { leaveNothing } from "../leave_nothing.ts";
import { halve, join, square, train } from "./testdata/map_tasks.ts";

leaveNothing();

function* endless(): Generator<number> {
  for (let n = 0;; n += 2) yield n;
}

/** Tells when it was closed. */
async function* later(items: readonly unknown[], closed: () => void): AsyncGenerator<unknown> {
  try {
    yield* items;
  } finally {
    closed();
  }
}

const SIZES: readonly Required<MapOptions>["chunkSize"][] = ["auto", 1, 7];

for (const workerType of ["web", "inline"] as const) {
  const test = (name: string, fn: (executor: Executor) => Promise<void>) =>
    Deno.test(`${workerType}: ${name}`, async () => {
      await using executor = new Executor({ maxWorkers: 2, workerType });
      await fn(executor);
    });

  test("Executor.map({ spread }) takes arguments as arrays and as fields", async (executor) => {
    const arrays: [number, (string | undefined)?, ...number[]][] = [[1], [2, "b"], [3, "c", 4, 5], [
      6,
      undefined,
    ]];
    const expected = ["1 none", "2 b", "3 c 4 5", "6 none"];
    const objects = [
      { base: 1 },
      { label: "b", base: 2 },
      { base: 3, label: "c", others: [4, 5] },
      { base: 6 },
    ];
    const path = await Deno.makeTempDir();
    {
      await using bag = await openBag(path);
      for (const cache of [undefined, createMemoryCache(), bag]) {
        await cacheScope({ ...(cache && { cache }), strict: true }, async () => {
          for (const chunkSize of SIZES) {
            const options = { spread: true, chunkSize } as const;
            const results = executor.map(join, arrays, options);
            assertEquals(await Array.fromAsync(results), expected);
            const named = executor.map(join, objects as never, options);
            assertEquals(await Array.fromAsync(named), expected);
            const sweep = grid({ base: range(20), label: ["x", "y"] });
            // A copy is made of what a generator gives, and of a sweep none.
            for (
              const items of [
                sweep,
                (function* () {
                  yield* sweep;
                })(),
              ]
            ) {
              const found = await Array.fromAsync(executor.map(join, items, options));
              assertEquals(found, Array.from(sweep, ({ base, label }) => `${base} ${label}`));
            }
          }
        });
      }
      assertEquals(await query(bag, { task: join, args: { base: (n) => n > 17 } }).count(), 4);
      await cacheScope({ cache: bag }, async () => assert(await join.contains(19, "y")));
    }
    await Deno.remove(path, { recursive: true });
  });

  test("Executor.map({ onError }) gives or leaves out calls that fail, and goes on", async (executor) => {
    const items = range(40);
    const settled = Array.from(items, (n) => n % 2 === 0 ? `${n / 2}` : `RangeError: ${n} is odd`);
    const show = (end: PromiseSettledResult<number>) =>
      end.status === "fulfilled" ? `${end.value}` : `${end.reason}`;
    for (const cache of [undefined, createMemoryCache()]) {
      await cacheScope({ ...(cache && { cache }), strict: true }, async () => {
        for (const chunkSize of SIZES) {
          const ends = executor.map(halve, items, { onError: "yield", chunkSize });
          assertEquals((await Array.fromAsync(ends)).map(show), settled);
          const unordered = executor.map(halve, items, {
            onError: "yield",
            chunkSize,
            ordered: false,
          });
          assertEquals((await Array.fromAsync(unordered)).map(show).sort(), settled.toSorted());
          const rest = executor.map(halve, items, { onError: "skip", chunkSize, bufferSize: 3 });
          assertEquals(await Array.fromAsync(rest), [...range(20)]);
          await assertRejects(
            () => Array.fromAsync(executor.map(halve, items, { onError: "throw", chunkSize })),
            RangeError,
            "1 is odd",
          );
        }
      });
    }
    const pairs = [[1, "a"], [2, Symbol("b")], [3]] as [number, string][];
    const ends = executor.map(join, pairs, { spread: true, onError: "yield" });
    const found = await Array.fromAsync(ends, ({ status }) => status);
    assertEquals(found, ["fulfilled", "rejected", "fulfilled"]);
    // Items that structured clone refuses fail alone, too.
    const odd = [2, () => 1, 4] as number[];
    const good = executor.map(halve, odd, { onError: "skip", chunkSize: 3 });
    assertEquals((await Array.fromAsync(good)).filter(Number.isInteger), [1, 2]);
  });

  test("Executor.map({ onError }) ends with what is no call's own fault", async (executor) => {
    for (const onError of ["skip", "yield"] as const) {
      const closing = new Executor({ maxWorkers: 1, workerType });
      await assertRejects(async () => {
        const ends: AsyncIterable<unknown> = closing.map(halve, endless(), { onError });
        for await (const _ of ends) void closing.shutdown();
      }, ExecutorShutdownError);
      await closing.shutdown();
      await assertRejects(
        async () => {
          const failing = (function* () {
            yield 2;
            throw new RangeError("no more");
          })();
          await Array.fromAsync<unknown>(executor.map(halve, failing, { onError }));
        },
        RangeError,
        "no more",
      );
      const signal = AbortSignal.abort(new Error("enough"));
      await assertRejects(
        () => Array.fromAsync<unknown>(executor.map(halve, endless(), { onError, signal })),
        Error,
        "enough",
      );
      const init = { task: halve, args: [1] };
      const broken = new Executor({ workerType: "inline", init, onWarning: () => {} });
      await assertRejects(
        () => Array.fromAsync<unknown>(broken.map(halve, endless(), { onError })),
        WorkerInitError,
      );
      await broken.shutdown();
    }
  });

  test("Executor.map() tells an observer what calls say, and why they fail", async (executor) => {
    for (const chunkSize of [1, 4]) {
      const said: ProgressReport[] = [];
      const failures: string[] = [];
      const progress = {
        start: (total: number | undefined) => assertEquals(total, 3),
        update: (_hit: boolean, failure?: { readonly error: unknown }) =>
          void (failure && failures.push(String(failure.error))),
        report: (_running: number, report?: ProgressReport) => void (report && said.push(report)),
        stop: () => {},
      };
      await Array.fromAsync(executor.map(train, range(1, 4), { progress, chunkSize }));
      const messages = new Set(said.map(({ message }) => message));
      for (const n of [1, 2, 3]) assert(messages.has(`step ${n}`), `${[...messages]}`);
      const losses = new Set(said.map(({ values }) => values?.loss));
      assert(losses.has(0.5), JSON.stringify(said));
      assert(said.some(({ fraction }) => fraction === 0.5));
      failures.length = 0;
      await Array.fromAsync(
        executor.map(halve, [1, 2, 3], { progress, chunkSize, onError: "skip" }),
      );
      // Items run side by side.
      assertEquals(failures.sort(), ["RangeError: 1 is odd", "RangeError: 3 is odd"]);
    }
  });
}

Deno.test("Executor.map() gives what comes behind an item that is run again, though it ended first", async () => {
  const others = Promise.withResolvers<void>();
  let runs = 0;
  const flaky = task(import.meta, async (n: number) => {
    if (n !== 1 || ++runs > 1) return n;
    // The last of its chunk fails when all of the next one is there.
    await others.promise;
    throw new RangeError("the first time");
  }, { name: "flaky in a chunk" });
  await using executor = new Executor({ workerType: "inline", maxWorkers: 2, retries: 1 });
  let ended = 0;
  const progress = {
    start() {},
    update: () => void (++ended === 5 && others.resolve()),
    stop() {},
  };
  const mapped = executor.map(flaky, [0, 1, 2, 3, 4, 5], { chunkSize: 2, progress });
  assertEquals(await Array.fromAsync(mapped), [0, 1, 2, 3, 4, 5]);
});

Deno.test("Executor.map({ spread }) takes from an item its own fields only", async () => {
  const named = task(import.meta, (
    constructor: number | undefined,
    valueOf: number = 5,
    end: number = 6,
  ) => [constructor, valueOf, end], { name: "named" });
  await using executor = new Executor({ workerType: "inline" });
  const found = executor.map(named, [{ end: 1 }, {}] as never[], { spread: true });
  assertEquals(await Array.fromAsync(found), [[undefined, 5, 1], [undefined, 5, 6]]);
});

Deno.test("Executor.map({ spread }) refuses what are no arguments, by the item", async () => {
  await using executor = new Executor({ workerType: "inline" });
  const cases: readonly (readonly [unknown, string])[] = [
    [7, 'Cannot map "join": item 1 is 7'],
    [null, "item 1 is null"],
    ["text", "item 1 is text"],
    [new Map(), "item 1 is an object of a class"],
    [
      { base: 1, lable: "x" },
      'item 1 has the field "lable", and the parameters are base, label, others',
    ],
    [{ base: 1, others: 3 }, 'item 1 has in "others" no array'],
  ];
  for (const [item, message] of cases) {
    let closed = 0;
    const results: string[] = [];
    await assertRejects(
      async () => {
        const found = executor.map(join, later([[0, "a"], item], () => closed++) as never, {
          spread: true,
        });
        for await (const result of found) results.push(result);
      },
      TypeError,
      message,
    );
    assertEquals([results, closed], [["0 a"], 1]);
    const items = [[0, "a"], item] as never[];
    await assertRejects(
      () => Array.fromAsync(executor.map(join, items, { spread: true })),
      TypeError,
      message,
    );
  }
  const wrong = (options: object) => () => executor.map(square, [1], options as never);
  assertThrows(wrong({ onError: "ignore" }), TypeError, "throw, yield, skip");
  assertThrows(wrong({ spread: 1 }), TypeError, "`spread`");
});

Deno.test("Executor.map() tells an observer the last word of a call that never waits", async () => {
  const words = task(import.meta, (n: number) => {
    reportProgress({ first: n });
    reportProgress({ last: n });
    return n;
  }, { name: "words" });
  for (const cache of [undefined, createMemoryCache()]) {
    await using executor = new Executor({ workerType: "inline", maxWorkers: 1 });
    await cacheScope({ ...(cache && { cache }) }, async () => {
      const last = new Set<unknown>();
      const progress = {
        start: () => {},
        update: () => {},
        report: (_: number, said?: ProgressReport) => void last.add(said?.values?.last),
        stop: () => {},
      };
      await Array.fromAsync(executor.map(words, [1, 2, 3], { progress, chunkSize: 1 }));
      for (const n of [1, 2, 3]) assert(last.has(n), `${[...last]}`);
    });
  }
});

Deno.test("reportProgress() takes values, and refuses what they cannot be", async () => {
  const say = task(import.meta, (values: object) => reportProgress(values as never), {
    name: "say",
  });
  const values = { loss: 0.25, stage: "late", done: true, none: null };
  const future = say(values);
  await future;
  assertEquals(future.progress.latest, { values });
  await assertRejects(
    async () => await say({ loss: [1] }),
    TypeError,
    '"loss" is a number, a text',
  );
  await assertRejects(async () => await say(null as never), TypeError, "not null");
  await assertRejects(async () => await say([1]), TypeError, "not an array");
});

Deno.test("ProgressLines writes a line whenever the time is over, and a last one", () => {
  const lines: string[] = [];
  let tick = () => {};
  let stopped = 0;
  const repeat = (call: () => void) => {
    tick = call;
    return { [Symbol.dispose]: () => void stopped++ };
  };
  const progress = new ProgressLines((line) => lines.push(line), repeat);
  progress.start(4);
  tick();
  progress.update(true);
  progress.update(false, { error: new Error("odd") });
  progress.report(0.5, { message: "two\u001b[31m\nlines", values: { loss: 0.123456, ok: true } });
  tick();
  progress.stop();
  // One that was over before is worth no line.
  const short = new ProgressLines((line) => lines.push(line), repeat);
  short.start(undefined);
  short.update(false);
  short.stop();
  assertEquals(stopped, 2);
  const last =
    "map: 2.5/4 (62%) | 1 from the cache | 1 failed | two [31m lines, loss 0.1235, ok true";
  assertEquals(lines, ["map: 0/4 (0%) | 0 from the cache", last, last]);
});
