// End-to-end: the executor through the public API, with real workers and real bags.
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  cacheScope,
  CancelledError,
  createMemoryCache,
  DependencyError,
  Executor,
  ExecutorShutdownError,
  openBag,
  task,
  transfer,
  UnclonableError,
  WorkerDiedError,
  WorkerInitError,
} from "@quiver/quiver";
import { leaveNothing } from "../leave_nothing.ts";
import * as tasks from "./testdata/tasks.ts";

leaveNothing();

interface Folder extends AsyncDisposable {
  readonly path: string;
  count(): number;
}

async function openFolder(): Promise<Folder> {
  const path = await Deno.makeTempDir();
  return {
    path,
    count: () => [...Deno.readDirSync(path)].length,
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}

/** Resolves when a file is there. */
async function appears(directory: string, name: string): Promise<void> {
  const watcher = Deno.watchFs(directory);
  const there = () => [...Deno.readDirSync(directory)].some((entry) => entry.name === name);
  if (there()) return watcher.close();
  for await (const _ of watcher) {
    if (there()) break;
  }
}

for (const workerType of ["web", "process", "inline"] as const) {
  const open = () => new Executor({ maxWorkers: 2, workerType });
  const test = (name: string, fn: () => Promise<void>) => Deno.test(`${workerType}: ${name}`, fn);

  test("Executor.submit() runs a task", async () => {
    await using executor = open();
    const future = executor.submit(tasks.double, 21);
    assertEquals(await future, 42);
    assertEquals([future.state, future.hit, future.key], ["done", false, undefined]);
  });

  // fleche 31
  test("Executor.submit() remembers in a bag, and a hit starts no worker", async () => {
    await using folder = await openFolder();
    await using traces = await openFolder();
    const path = `${folder.path}/results.bag`;
    for (const run of [1, 2]) {
      await using bag = await openBag(path);
      await using executor = open();
      await cacheScope({ cache: bag }, async () => {
        const future = executor.submit(tasks.traced, 7, traces.path);
        const { samples } = await future;
        assertEquals(samples, new Float64Array(2000).fill(7));
        assertEquals(future.hit, run === 2);
        assertEquals(executor.statistics().workers, run === 2 ? 0 : 1);
      });
    }
    assertEquals(traces.count(), 1);
  });

  // fleche 33
  test("Executor.submit() remembers tasks called inside a task", async () => {
    await using folder = await openFolder();
    await using traces = await openFolder();
    await using bag = await openBag(`${folder.path}/results.bag`);
    await using executor = open();
    await cacheScope({ cache: bag }, async () => {
      assertEquals(await executor.submit(tasks.nested, 3, traces.path), 6000);
      assertEquals(await tasks.traced.contains(3, traces.path), true);
      await tasks.nested.evict(3, traces.path);
      assertEquals(await executor.submit(tasks.nested, 3, traces.path), 6000);
    });
    assertEquals(traces.count(), 1);
  });

  test("Executor.submit() does not deadlock when a task waits for a call in the queue", async () => {
    await using folder = await openFolder();
    await using bag = await openBag(`${folder.path}/results.bag`);
    await using executor = new Executor({ maxWorkers: 1, workerType });
    await cacheScope({ cache: bag }, async () => {
      // Short calls are sent ahead: then `inner` lies behind the `outer` that calls it.
      await Promise.all(Array.from({ length: 50 }, (_, x) => executor.submit(tasks.double, x)));
      const calls = Array.from({ length: 50 }, (_, x) => [
        executor.submit(tasks.outer, x),
        executor.submit(tasks.inner, x),
      ]).flat();
      const expected = Array.from({ length: 50 }, (_, x) => [10 * (x + 1), x + 1]).flat();
      assertEquals(await Promise.all(calls), expected);
      // Each `inner` was computed inside its `outer`, and once only.
      assertEquals(calls.filter(({ hit }) => hit).length, 50);
    });
  });

  test("Executor.submit() keeps a bag apart from the same one opened otherwise", async () => {
    await using folder = await openFolder();
    await using traces = await openFolder();
    const path = `${folder.path}/results.bag`;
    await using bag = await openBag(path);
    await using reading = await openBag(path, { mode: "read" });
    await using executor = new Executor({ maxWorkers: 1, workerType });
    const warnings: string[] = [];
    const onWarning = ({ message }: { message: string }) => warnings.push(message);
    await cacheScope(
      { cache: reading, onWarning },
      () => executor.submit(tasks.traced, 1, traces.path),
    );
    assertEquals(warnings.length, 1);
    // The same worker, which has the bag open for reading already.
    await cacheScope({ cache: bag, strict: true }, async () => {
      await executor.submit(tasks.traced, 1, traces.path);
      assertEquals(await tasks.traced.contains(1, traces.path), true);
    });
  });

  test("Executor.submit() fills a memory cache from here", async () => {
    await using traces = await openFolder();
    await using executor = open();
    await cacheScope({ cache: createMemoryCache() }, async () => {
      const calls = [1, 2, 3].map(() => executor.submit(tasks.traced, 1, traces.path));
      for (const call of calls) assertEquals((await call).x, 1);
      assertEquals((await executor.submit(tasks.traced, 1, traces.path)).x, 1);
    });
    assertEquals(traces.count(), 1);
  });

  // executors 14
  test("Executor.submit() brings back class, fields and cause of what a task throws", async () => {
    await using executor = open();
    await assertRejects(() => executor.submit(tasks.fail, "type"), TypeError, "wrong type");
    const custom = await executor.submit(tasks.fail, "custom").catch((error: unknown) =>
      error as tasks.CustomError
    );
    assertEquals([custom.name, custom.message, custom.code], ["CustomError", "custom", 42]);
    assertInstanceOf(custom.cause, RangeError);
    assertStringIncludes(custom.stack ?? "", "tasks.ts");
    assertEquals(await executor.submit(tasks.fail, "text").catch((error) => error), "just text");
  });

  // executors 15, 18
  test("Executor.submit() rejects what cannot travel, and the worker lives on", async () => {
    await using executor = open();
    const argument = { solver: { callback: () => 1 } };
    const there = await assertRejects(
      () => executor.submit(tasks.double, argument as never),
      UnclonableError,
      "args[0].solver.callback",
    );
    assertEquals(there.path, "args[0].solver.callback");
    await assertRejects(
      () => executor.submit(tasks.unclonable),
      UnclonableError,
      "result.deep[0].callback",
    );
    assertEquals(await executor.submit(tasks.double, 2), 4);
  });

  test("Executor.submit() sends large arguments, given away or not, in a cache or not", async () => {
    await using folder = await openFolder();
    await using bag = await openBag(`${folder.path}/results.bag`);
    await using executor = open();
    const samples = () => new Float64Array(100_000).fill(0.5);
    const mine = samples();
    for (const cache of [undefined, createMemoryCache(), bag]) {
      await cacheScope(cache === undefined ? {} : { cache }, async () => {
        const given = transfer(samples());
        assertEquals(await executor.submit(tasks.sumOf, given), 50_000);
        assertEquals(given.length, 0);
        assertEquals(await executor.submit(tasks.sumOf, mine), 50_000);
      });
    }
    assertEquals(mine, samples());
  });

  test("Executor.submit() waits for futures, and their failure is a DependencyError", async () => {
    await using executor = open();
    const first = executor.submit(tasks.double, 1);
    const second = executor.submit(tasks.double, first);
    assertEquals(await executor.submit(tasks.double, second), 8);
    const failed = executor.submit(tasks.double, executor.submit(tasks.fail, "type"));
    const error = await assertRejects(
      () => executor.submit(tasks.double, failed),
      DependencyError,
      "of the wrong type",
    );
    assertEquals(error.chain, ["fail", "double", "double"]);
    assertInstanceOf(error.cause, TypeError);
  });

  test("Executor.submit() names a module that cannot be imported", async () => {
    await using executor = open();
    const lost = (file: string, name: string) =>
      task(new URL(`./testdata/${file}?${workerType}`, import.meta.url), () => 1, { name });
    // Known here, unknown where a worker imports the module anew.
    if (workerType === "inline") return;
    for (
      const [file, text] of [
        ["missing.ts", "Module not found"],
        ["throws_at_load.ts", "not today"],
        ["no_task.ts", "does not define it"],
      ] as const
    ) {
      await assertRejects(() => executor.submit(lost(file, "lost")), WorkerInitError, text);
    }
    assertEquals(await executor.submit(tasks.double, 2), 4);
  });

  test("Executor.map() gives results in order, with a bounded buffer", async () => {
    await using executor = open();
    let taken = 0;
    function* endless() {
      for (;;) yield taken++;
    }
    const results: number[] = [];
    for await (const value of executor.map(tasks.double, endless(), { bufferSize: 5 })) {
      results.push(value);
      assert(taken <= results.length + 5, `${taken} items were taken for ${results.length}`);
      if (results.length === 40) break;
    }
    assertEquals(results, Array.from({ length: 40 }, (_, index) => 2 * index));
  });

  test("Executor.map() throws what a task or the input throws", async () => {
    await using executor = open();
    const items = async function* () {
      yield 1;
      await Promise.resolve();
      throw new RangeError("no more");
    };
    const values: number[] = [];
    await assertRejects(
      async () => {
        for await (const value of executor.map(tasks.double, items())) values.push(value);
      },
      RangeError,
      "no more",
    );
    await assertRejects(
      () => Array.fromAsync(executor.map(tasks.fail, ["type", "type"] as const)),
      TypeError,
    );
    assertEquals(await Array.fromAsync(executor.map(tasks.double, [])), []);
  });

  test("Executor.map() gives results while the input is slow, and lets it clean up", async () => {
    await using executor = open();
    const gate = Promise.withResolvers<void>();
    let cleaned = false;
    const items = async function* () {
      try {
        yield 1;
        await gate.promise;
        yield 2;
        yield 3;
      } finally {
        cleaned = true;
      }
    };
    const values: number[] = [];
    for await (const value of executor.map(tasks.double, items())) {
      values.push(value);
      // The second item comes only after the first result was given.
      gate.resolve();
      if (value === 4) break;
    }
    assertEquals([values, cleaned], [[2, 4], true]);
  });

  test("Executor.map() ends although its input never gives another item", async () => {
    await using executor = open();
    const items = async function* () {
      yield 1;
      await new Promise(() => {});
    };
    for await (const value of executor.map(tasks.double, items())) {
      assertEquals(value, 2);
      break;
    }
    const signal = AbortSignal.abort(new Error("enough"));
    await assertRejects(
      () => Array.fromAsync(executor.map(tasks.double, items(), { signal })),
      Error,
      "enough",
    );
  });

  test("Executor.map() ends with the signal's reason", async () => {
    await using executor = open();
    const controller = new AbortController();
    await assertRejects(
      async () => {
        for await (
          const value of executor.map(tasks.double, [1, 2, 3, 4], {
            signal: controller.signal,
            bufferSize: 1,
          })
        ) {
          if (value === 4) controller.abort(new Error("enough"));
        }
      },
      Error,
      "enough",
    );
  });

  test("Executor.map() tells an observer of each call", async () => {
    await using executor = open();
    const log: unknown[] = [];
    await cacheScope({ cache: createMemoryCache() }, async () => {
      await executor.submit(tasks.double, 2);
      await Array.fromAsync(executor.map(tasks.double, [1, 2], {
        progress: {
          start: (total) => log.push(total),
          update: (hit) => log.push(hit),
          stop: () => log.push("stop"),
        },
      }));
    });
    assertEquals(log.sort(), [2, false, "stop", true].sort());
  });

  test("Executor.shutdown() waits for 50 calls, then refuses; twice is fine", async () => {
    const executor = open();
    const calls = Array.from({ length: 50 }, (_, index) => executor.submit(tasks.double, index));
    await executor.shutdown();
    assertEquals(await Promise.all(calls), calls.map((_, index) => 2 * index));
    await assertRejects(
      () => executor.submit(tasks.double, 1),
      ExecutorShutdownError,
      "was shut down",
    );
    await executor.shutdown();
  });

  test("Executor.shutdown({ cancelPending }) lets running calls finish", async () => {
    await using folder = await openFolder();
    const executor = new Executor({ maxWorkers: 1, workerType });
    const running = executor.submit(tasks.gated, folder.path, "a");
    await appears(folder.path, "a.started");
    const pending = [1, 2].map((n) => executor.submit(tasks.double, n));
    const cancelled = pending.map((call) => assertRejects(() => call, CancelledError));
    const shutdown = executor.shutdown({ cancelPending: true });
    await Promise.all(cancelled);
    await Deno.writeTextFile(`${folder.path}/a.go`, "");
    await shutdown;
    assertEquals(await running, "a");
  });

  test("Future.cancel() takes back a call that has not started, and no other", async () => {
    await using folder = await openFolder();
    await using executor = new Executor({ maxWorkers: 1, workerType });
    const running = executor.submit(tasks.gated, folder.path, "b");
    await appears(folder.path, "b.started");
    const pending = executor.submit(tasks.double, 1);
    assertEquals([running.cancel(), pending.cancel(), pending.cancel()], [false, true, true]);
    await assertRejects(() => pending, CancelledError);
    assertEquals([running.state, pending.state], ["running", "cancelled"]);
    await Deno.writeTextFile(`${folder.path}/b.go`, "");
    assertEquals(await running, "b");
  });

  test("Executor names a wrong option, and what is no task", async () => {
    assertThrows(() => new Executor({ maxWorker: 2 } as never), TypeError, '"maxWorker"');
    assertThrows(() => new Executor({ maxWorkers: 0 }), RangeError, "positive integer");
    assertThrows(() => new Executor({ idleTimeout: -1 }), RangeError, "idleTimeout");
    assertThrows(() => new Executor({ workerType: "gpu" as never }), TypeError, "workerType");
    await using executor = open();
    assertThrows(() => executor.submit(Math.sqrt as never, 1), TypeError, "not a task");
    assertThrows(() => executor.map(tasks.double, [], { bufferSize: 0 }), RangeError);
    assertThrows(() => executor.map(tasks.double, [], { bufer: 1 } as never), TypeError, '"bufer"');
  });
}

Deno.test("Executor.submit() loses only the call whose worker dies (tp 1)", async () => {
  await using executor = new Executor({ maxWorkers: 1 });
  for (const how of ["close", "exit", "timer"] as const) {
    const error = await assertRejects(() => executor.submit(tasks.die, how), WorkerDiedError);
    assertStringIncludes(error.message, '"die"');
    assertEquals(await executor.submit(tasks.double, 4), 8);
  }
});

Deno.test("Executor keeps at most maxWorkers workers, and reuses them", async () => {
  await using executor = new Executor({ maxWorkers: 2 });
  const names = await Promise.all(
    Array.from({ length: 60 }, () => executor.submit(tasks.whoAmI)),
  );
  assert(new Set(names).size <= 2, `the workers were ${[...new Set(names)]}`);
  assertEquals(executor.statistics().queued, 0);
});

Deno.test("Executor works inside a task on a worker", async () => {
  await using executor = new Executor({ maxWorkers: 1 });
  assertEquals(await executor.submit(tasks.nestedExecutor, 5), 10);
});

async function runProgram(
  file: string,
  ...args: string[]
): Promise<{ code: number; stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--allow-read",
      "--allow-write",
      new URL(`./testdata/${file}`, import.meta.url).href,
      ...args,
    ],
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

Deno.test("a program ends by itself when its executor is disposed", async () => {
  assertEquals(await runProgram("guarded_main.ts"), { code: 0, stdout: "42\n", stderr: "" });
});

Deno.test("a task in an unguarded main module is refused with the remedy", async () => {
  const { code, stdout } = await runProgram("unguarded_main.ts");
  assertEquals(code, 0);
  assertStringIncludes(stdout, "NestedExecutorError");
  assertStringIncludes(stdout, "import.meta.main");
});

Deno.test("two processes at once compute each point once between them", async () => {
  await using folder = await openFolder();
  await using traces = await openFolder();
  const path = `${folder.path}/results.bag`;
  const runs = await Promise.all([1, 2].map(() => runProgram("sweep.ts", path, traces.path)));
  assertEquals(runs.map(({ code, stderr }) => [code, stderr]), [[0, ""], [0, ""]]);
  const computed = runs.map(({ stdout }) => Number(stdout));
  assertEquals((computed[0] ?? 0) + (computed[1] ?? 0), 24);
  assertEquals(traces.count(), 24);
  const again = await runProgram("sweep.ts", path, traces.path);
  assertEquals([again.stdout, traces.count()], ["0\n", 24]);
});
