// end-to-end: how maps share items among workers, and what acts between two items, on each kind
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  type Cache,
  cacheScope,
  CancelledError,
  createMemoryCache,
  DeadlineError,
  Executor,
  type ExecutorOptions,
  openBag,
  transfer,
  WorkerDiedError,
} from "@quiver/quiver";
import * as fc from "fast-check";
import { DispatchedCall } from "../../src/executor/dispatch/call.ts";
import { leaveNothing } from "../leave_nothing.ts";
import { DeniedTime } from "./_denied_time.ts";
import { openSharedFolder, type SharedFolder, until } from "./_shared_folder.ts";
import { afterCalls } from "./testdata/context_tasks.ts";
import { type Mark, mark, measure, pause, readMarks } from "./testdata/slice_tasks.ts";

leaveNothing();

/** How long the calls take when each goes, in their order, to the worker that is free first. */
function schedule(costs: readonly number[], workers: number): number {
  const busy = new Array<number>(workers).fill(0);
  for (const cost of costs) {
    const first = busy.indexOf(Math.min(...busy));
    busy[first] = (busy[first] ?? 0) + cost;
  }
  return Math.max(...busy);
}

/** Costs in milliseconds, of shapes that mislead who guesses from the items before. */
function costs(): fc.Arbitrary<number[]> {
  const cheap = fc.integer({ min: 0, max: 1500 }).map((count) => new Array<number>(count).fill(0));
  const dear = fc.tuple(fc.integer({ min: 2, max: 10 }), fc.integer({ min: 30, max: 120 }))
    .map(([count, cost]) => new Array<number>(count).fill(cost));
  const tail = fc.array(fc.double({ min: 0.02, max: 1, noNaN: true }), { maxLength: 120 })
    .map((draws) => draws.map((draw) => Math.min(200, Math.floor(2 / draw ** 1.2))));
  return fc.oneof(
    fc.tuple(cheap, dear),
    fc.tuple(dear, cheap),
    fc.tuple(cheap, dear, cheap, dear),
    fc.tuple(tail),
  ).map((parts) => parts.flat());
}

for (const workerType of ["web", "process"] as const) {
  for (const way of ["map", "submit"] as const) {
    Deno.test(`${workerType}: Executor.${way}() takes at most 1.3 × list scheduling + 150 ms`, async () => {
      using others = new DeniedTime();
      const cases = fc.asyncProperty(
        costs(),
        fc.integer({ min: 2, max: 4 }),
        async (items, maxWorkers) => {
          await using executor = new Executor({ maxWorkers, workerType });
          await Promise.all(Array.from({ length: maxWorkers }, () => executor.submit(pause, 20)));
          let said = "";
          // On a busy machine one measurement tells little.
          for (let attempt = 0; attempt < 3; attempt++) {
            const before = await others.total();
            const begun = performance.now();
            // Of an iterator nobody knows how many there will be.
            const took = way === "map"
              ? await Array.fromAsync(executor.map(pause, items.values()))
              : await Promise.all(items.map((ms) => executor.submit(pause, ms)));
            const time = performance.now() - begun;
            const ideal = schedule(took, maxWorkers);
            const denied = await others.total() - before;
            if (time <= 1.3 * ideal + 150 + denied) return;
            said +=
              ` ${Math.round(time)} ms for ${Math.round(ideal)} ms, ${Math.round(denied)} ms ` +
              "of them without a processor;";
          }
          throw new Error(`${items.length} items on ${maxWorkers} workers:${said}`);
        },
      );
      const block = [...new Array<number>(2000).fill(0), ...new Array<number>(12).fill(150)];
      await fc.assert(cases, { numRuns: 4, endOnFailure: true, examples: [[block, 4]] });
    });
  }
}

for (const workerType of ["web", "process", "inline"] as const) {
  const open = (options: ExecutorOptions = {}) =>
    new Executor({ maxWorkers: 1, workerType, ...options });
  const test = (name: string, fn: () => Promise<void>) => Deno.test(`${workerType}: ${name}`, fn);
  const marks = (directory: string, count: number, hows: { [x: number]: Mark["how"] } = {}) =>
    Array.from({ length: count }, (_, x): Mark => {
      const how = hows[x];
      return { directory, x, ...(how !== undefined && { how }) };
    });

  test("Executor.map() gives what is ready while the next item of the chunk waits", async () => {
    await using folder = await openSharedFolder();
    await using executor = open();
    const items = marks(folder.path, 10, { 7: "wait" });
    let given = 0;
    for await (const _ of executor.map(mark, items, { chunkSize: 10 })) {
      if (++given === 7) await folder.write("7.go");
    }
    assertEquals(given, 10);
  });

  test("Executor.shutdown({ cancelPending: true }) lets no other item of a chunk begin", async () => {
    await using folder = await openSharedFolder();
    const executor = open();
    const items = marks(folder.path, 10, { 1: "wait" });
    const results = Array.fromAsync(executor.map(mark, items, { chunkSize: 10 }));
    const rejected = assertRejects(() => results, CancelledError, "was cancelled");
    await until(() => readMarks(folder.path).length === 2);
    const ended = executor.shutdown({ cancelPending: true });
    await folder.write("1.go");
    await Promise.all([ended, rejected]);
    assertEquals(readMarks(folder.path), [0, 1]);
  });

  test("Executor tells an observer of each item of a map what its statistics count", async () => {
    await using folder = await openSharedFolder();
    const stories = new Map<number, string[]>();
    const note = (what: string) => ({ id }: { readonly id: number }) =>
      void stories.set(id, [...stories.get(id) ?? [], what]);
    await using executor = open({
      observer: {
        queued: note("queued"),
        started: note("started"),
        retried: note("retried"),
        finished: (call) => note(call.outcome)(call),
      },
    });
    const count = (story: string) =>
      [...stories.values()].filter((one) => `${one}` === story).length;
    const alike = () => {
      const { queued, running } = executor.statistics();
      assertEquals([count("queued"), count("queued,started")], [queued, running]);
      return running;
    };
    const dies = workerType === "web" ? "close" : workerType === "process" ? "exit" : undefined;
    const blocks = dies === undefined ? "wait" : "block";
    const items = marks(folder.path, 40, { 7: "wait", 8: blocks, ...(dies && { 20: dies }) });
    const given: unknown[] = [];
    const results = (async () => {
      for await (const who of executor.map(mark, items, { chunkSize: 10 })) given.push(who);
    })();
    results.catch(() => {});
    // Nobody has to ask for the statistics.
    for (const ended of [7, 8]) {
      await until(() => count("queued,started,value") === ended && count("queued,started") === 1);
      assertEquals([alike(), count("queued")], [1, 39 - ended]);
      await until(() => readMarks(folder.path).length > ended);
      await folder.write(`${ended}.go`);
      await until(() => (alike(), count("queued,started,value") > ended));
    }
    if (dies === undefined) await results;
    else await assertRejects(() => results, WorkerDiedError);
    await executor.shutdown();
    const { completed, failed, retried } = executor.statistics();
    assertEquals([stories.size, retried], [40, 0]);
    assertEquals([count("queued,started,value"), count("queued,started,died")], [
      completed,
      failed,
    ]);
    assertEquals(failed, dies === undefined ? 0 : 1);
    assertEquals(count("queued,dropped"), 40 - completed - failed);
  });

  test("Executor.statistics() counts the items of a chunk that have not begun as queued", async () => {
    await using folder = await openSharedFolder();
    await using executor = open();
    const items = marks(folder.path, 10, { 3: "wait" });
    const results = Array.fromAsync(executor.map(mark, items, { chunkSize: 10 }));
    await until(() => readMarks(folder.path).length === 4 && executor.statistics().queued === 6);
    assertEquals(executor.statistics().running, 1);
    await folder.write("3.go");
    await results;
    const { queued, running } = executor.statistics();
    assertEquals([queued, running], [0, 0]);
  });

  test("Executor.map() runs a call of a higher priority before the next item of a chunk", async () => {
    await using folder = await openSharedFolder();
    await using executor = open();
    const items = marks(folder.path, 6, { 1: "wait" });
    const results = Array.fromAsync(executor.map(mark, items, { chunkSize: 6 }));
    await until(() => readMarks(folder.path).length === 2);
    const [urgent] = marks(folder.path, 1);
    assert(urgent !== undefined);
    const future = executor.with({ priority: 1 }).submit(mark, { ...urgent, x: 99 });
    await folder.write("1.go");
    await future;
    await results;
    assertEquals(readMarks(folder.path), [0, 1, 99, 2, 3, 4, 5]);
  });

  test("Executor.map() begins nothing after its signal, nor after the loop was left", async () => {
    for (const way of ["signal", "break"] as const) {
      await using folder = await openSharedFolder();
      const executor = open();
      const controller = new AbortController();
      const options = { chunkSize: 8, bufferSize: 32, signal: controller.signal };
      const items = marks(folder.path, 40, { 2: "wait" });
      const results = executor.map(mark, items, options);
      const ended = (async () => {
        for await (const _ of results) {
          if (way === "signal") continue;
          await until(() => readMarks(folder.path).length === 3);
          break;
        }
      })().catch((error) => error);
      await until(() => readMarks(folder.path).length === 3);
      if (way === "signal") controller.abort(new Error("enough"));
      await ended;
      const { queued } = executor.statistics();
      await folder.write("2.go");
      await executor.shutdown();
      const begun = readMarks(folder.path);
      if (way === "signal") assertEquals(begun, [0, 1, 2]);
      const { completed, failed } = executor.statistics();
      assertEquals([queued, completed, failed], [0, begun.length, 0]);
    }
  });

  test("Executor.map() is left at once, also while it waits for a result", async () => {
    await using folder = await openSharedFolder();
    await using executor = open();
    const pull = async (results: AsyncGenerator<string, void, void>) => {
      const step = await results.next();
      return step.done;
    };
    const ways: {
      [way: string]: (results: AsyncGenerator<string, void, void>) => () => Promise<void>;
    } = {
      "return": (results) => {
        const steps = [pull(results), pull(results)];
        return async () => {
          assertEquals(await results.return(), { done: true, value: undefined });
          assertEquals(await Promise.all(steps), [true, true]);
        };
      },
      "throw": (results) => {
        const steps = [pull(results), pull(results)];
        return async () => {
          await assertRejects(() => results.throw(new RangeError("enough")), RangeError, "enough");
          assertEquals(await Promise.all(steps), [true, true]);
        };
      },
      cancel: (results) => {
        const reader = ReadableStream.from(results).getReader();
        const read = reader.read();
        return async () => {
          await reader.cancel();
          assertEquals((await read).done, true);
        };
      },
      dispose: (results) => {
        const step = pull(results);
        return async () => {
          await results[Symbol.asyncDispose]();
          assertEquals(await step, true);
        };
      },
    };
    const last = marks(folder.path, 100).slice(-1);
    let x = 0;
    for (const way of Object.values(ways)) {
      for (const options of [{ chunkSize: 10 }, { chunkSize: 1, ordered: false }, undefined]) {
        const items = [...marks(folder.path, x + 1, { [x]: "wait" }).slice(x), ...last];
        const cache = options === undefined ? createMemoryCache() : undefined;
        const leave = way(
          executor.map(cache === undefined ? mark : mark.bind({ cache }), items, options),
        );
        await until(() => readMarks(folder.path).at(-1) === x);
        await leave();
        assertEquals(executor.statistics().queued, 0);
        await folder.write(`${x}.go`);
        await until(() => executor.statistics().running === 0);
        x++;
      }
    }
    assertEquals(readMarks(folder.path), Array.from({ length: x }, (_, index) => index));
    const silent = new ReadableStream<Mark>();
    const results = executor.map(mark, silent);
    const step = pull(results);
    await until(() => silent.locked);
    await results.return();
    assertEquals(await step, true);
  });

  for (const kind of ["memory", "bag"] as const) {
    const cached = (name: string, fn: (folder: SharedFolder) => Promise<void>) =>
      test(`${name} (${kind})`, async () => {
        await using folder = await openSharedFolder();
        const bag = kind === "bag" ? await openBag(`${folder.path}/bag`) : undefined;
        const cache: Cache = bag ?? createMemoryCache();
        await cacheScope({ cache }, () => fn(folder));
        await bag?.[Symbol.asyncDispose]();
      });

    cached(
      "Executor.map() of remembered calls begins nothing after it was left",
      async (folder) => {
        const executor = open();
        const items = marks(folder.path, 20, { 2: "wait" });
        const results = executor.map(mark, items, { chunkSize: 10, bufferSize: 20 });
        for (let given = 0; given < 2; given++) await results.next();
        await until(() => readMarks(folder.path).length === 3);
        await results.return();
        const { queued } = executor.statistics();
        await folder.write("2.go");
        await executor.shutdown();
        assertEquals([readMarks(folder.path), queued], [[0, 1, 2], 0]);
      },
    );

    cached("an item that an urgent call waits for is as urgent", async (folder) => {
      await using executor = open();
      const items = marks(folder.path, 7, { 1: "wait" });
      const results = Array.fromAsync(executor.map(mark, items, { chunkSize: 7, bufferSize: 14 }));
      await until(() => readMarks(folder.path).length === 2);
      const [same] = items.slice(4);
      assert(same !== undefined);
      const urgent = executor.with({ priority: 5 }).submit(mark, same);
      await until(() => urgent.key !== undefined);
      // Where it waits for the item it is raised in a turn of its own.
      await new Promise((resolve) => setTimeout(resolve));
      await folder.write("1.go");
      await Promise.all([urgent, results]);
      assertEquals(readMarks(folder.path), [0, 1, 4, 2, 3, 5, 6]);
    });

    cached("an item that has begun is not run again for who waits for it", async (folder) => {
      const executor = open({ maxWorkers: 2 });
      const items = marks(folder.path, 4, { 1: "wait" });
      const results = executor.map(mark, items, { chunkSize: 4, bufferSize: 16 });
      await results.next();
      await until(() => readMarks(folder.path).includes(1));
      const [, begun] = items;
      assert(begun !== undefined);
      const other = executor.submit(mark, begun);
      await until(() => other.key !== undefined);
      await new Promise((resolve) => setTimeout(resolve));
      await results.return();
      await folder.write("1.go");
      await other;
      await executor.shutdown();
      assertEquals(readMarks(folder.path).filter((x) => x === 1), [1]);
    });
  }

  test("Executor.map() counts each item as a task", async () => {
    await using folder = await openSharedFolder();
    let workers = 0;
    const observer = { workerStarted: () => void workers++ };
    for (const [index, maxTasksPerWorker] of [1, 3].entries()) {
      workers = 0;
      await using executor = open({ maxTasksPerWorker, observer });
      const items = marks(folder.path, 6);
      const results = executor.map(mark, items, { chunkSize: index === 0 ? 6 : "auto" });
      assertEquals((await Array.fromAsync(results)).length, 6);
      assertEquals(workers, 6 / maxTasksPerWorker);
      assertEquals(executor.statistics().completed, 6);
    }
  });

  test("Executor.map() asks `retire` after each item", async () => {
    await using folder = await openSharedFolder();
    let workers = 0;
    const observer = { workerStarted: () => void workers++ };
    {
      await using executor = open({ retire: { task: afterCalls, args: [3] }, observer });
      const results = executor.map(mark, marks(folder.path, 9), { chunkSize: 9 });
      assertEquals((await Array.fromAsync(results)).length, 9);
    }
    assertEquals([workers, readMarks(folder.path).length], [3, 9]);
  });

  test("Executor.map() looks at `maxHeapBytes` after each item", async () => {
    // What runs in this isolate cannot be replaced.
    if (workerType === "inline") return;
    await using folder = await openSharedFolder();
    await using executor = open({ maxHeapBytes: 60e6 });
    const items = marks(folder.path, 4, { 1: "hoard" });
    const isolates = await Array.fromAsync(executor.map(mark, items, { chunkSize: 4 }));
    assertEquals(isolates[0], isolates[1]);
    assertEquals(isolates[2], isolates[3]);
    assert(isolates[1] !== isolates[2]);
  });

  test("Executor.map() with a deadline gives up one item, and no other", async () => {
    await using folder = await openSharedFolder();
    await using executor = open();
    // The others take no time, not even that of a busy disk.
    const items = marks(folder.path, 4, { 0: "tiny", 1: "tiny", 2: "wait", 3: "tiny" });
    const ends = Array.fromAsync(
      executor.with({ deadline: 500 }).map(mark, items, { onError: "yield" }),
      (end) => end.status === "rejected" ? end.reason.constructor : "fulfilled",
    );
    assertEquals(await ends, ["fulfilled", "fulfilled", DeadlineError, "fulfilled"]);
    await folder.write("2.go");
  });

  test("Executor.map() sends no item twice that was given away", async () => {
    await using executor = open({ maxTasksPerWorker: 4 });
    const arrays = Array.from({ length: 12 }, (_, x) => transfer(new Float64Array(x)));
    const lengths = await Array.fromAsync(executor.map(measure, arrays, { chunkSize: 12 }));
    assertEquals(lengths, arrays.map((_, x) => x));
  });

  test("Executor.map() sends short items in few messages, however large the buffer is", async () => {
    const { send } = DispatchedCall.prototype;
    let sent = 0;
    DispatchedCall.prototype.send = function (worker) {
      sent++;
      send.call(this, worker);
    };
    using _send = { [Symbol.dispose]: () => void (DispatchedCall.prototype.send = send) };
    await using executor = open();
    const items = Array.from({ length: 20_000 }, () => 0);
    for (const bufferSize of [65536, 1000]) {
      sent = 0;
      const results = await Array.fromAsync(executor.map(pause, items, { bufferSize }));
      assertEquals(results.length, items.length);
      assert(sent > 0 && sent < 400, `${sent} messages with a buffer of ${bufferSize}`);
    }
  });
}

for (
  const [workerType, how] of [["web", "close"], ["process", "exit"], ["process", "kill"]] as const
) {
  for (const others of ["tiny", undefined] as const) {
    for (const chunkSize of ["auto", 40] as const) {
      const what = `${how} among ${others ?? "longer"} items, chunkSize ${chunkSize}`;

      Deno.test(`${workerType}: Executor.map() runs what ends its worker once: ${what}`, async () => {
        await using folder = await openSharedFolder();
        const executor = new Executor({ maxWorkers: 1, workerType });
        const items = Array.from({ length: 80 }, (_, x): Mark => {
          const at = x === 30 ? how : others;
          return { directory: folder.path, x, ...(at !== undefined && { how: at }) };
        });
        let given = 0;
        await assertRejects(async () => {
          for await (const _ of executor.map(mark, items, { chunkSize })) given++;
        }, WorkerDiedError);
        await executor.shutdown();
        assertEquals(given, 30);
        assertEquals(readMarks(folder.path).filter((x) => x === 30), [30]);
      });
    }
  }
}
