// End-to-end: why workers of each kind have ended reaches the observer, the statistics and the error
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { Executor, type ExecutorOptions, WorkerDiedError } from "@quiver/quiver";
import { openWorkerContext } from "@quiver/quiver/workers";
import { WORKER_TYPES } from "../../src/worker/worker.ts";
import { leaveNothing } from "../leave_nothing.ts";
import { Gate } from "./gate.ts";
import * as tasks from "./testdata/ending_tasks.ts";
import { hold as holdGate } from "./testdata/worker_count_tasks.ts";

leaveNothing();

for (const workerType of WORKER_TYPES) {
  const test = (name: string, fn: () => Promise<void>) => Deno.test(`${workerType}: ${name}`, fn);

  /** Says of each worker why it has ended, when all have. */
  const endings = async (
    options: ExecutorOptions,
    use: (executor: Executor) => Promise<unknown>,
  ): Promise<string[]> => {
    const told: string[] = [];
    const executor = new Executor({
      workerType,
      maxWorkers: 1,
      observer: { workerEnded: ({ ending }) => void told.push(ending) },
      ...options,
    });
    assertEquals(executor.statistics().ended, undefined);
    await use(executor);
    await executor.shutdown();
    const counts: Record<string, number> = {};
    for (const ending of told) counts[ending] = (counts[ending] ?? 0) + 1;
    assertEquals(executor.statistics().ended, counts);
    return told;
  };

  test("a worker ends as it was idle", async () => {
    const gone = Promise.withResolvers<string>();
    await using executor = new Executor({
      workerType,
      idleTimeout: 1,
      observer: { workerEnded: ({ ending }) => gone.resolve(ending) },
    });
    await executor.submit(tasks.pass, 1);
    // An idle worker in this isolate keeps no program alive.
    const alive = setInterval(() => {}, 1000);
    assertEquals(await gone.promise, "idle");
    clearInterval(alive);
    assertEquals(executor.statistics().ended, { idle: 1 });
  });

  test("a worker ends as the executor is shut down", async () => {
    assertEquals(await endings({}, (executor) => executor.submit(tasks.pass, 1)), ["shutdown"]);
  });

  test("a worker ends as it had enough calls", async () => {
    const told = await endings({ maxTasksPerWorker: 2 }, async (executor) => {
      for (let n = 0; n < 5; n++) await executor.submit(tasks.pass, n);
    });
    assertEquals(told, ["tasks", "tasks", "shutdown"]);
  });

  test("a worker ends as its `retire` task wants it", async () => {
    const told = await endings({ retire: tasks.retireAlways }, async (executor) => {
      for (let n = 0; n < 2; n++) await executor.submit(tasks.pass, n);
      await Promise.all([1, 2, 3].map((n) => executor.submit(tasks.pass, n)));
    });
    // The last may still be asked when the executor is shut down.
    assertEquals(new Set(told.slice(0, -1)), new Set(["retired"]));
    assert(told.length >= 3, `${told}`);
  });

  test("a worker ends as it holds too much memory", async () => {
    const told = await endings({ maxHeapBytes: 64e6 }, async (executor) => {
      await executor.submit(tasks.hold, 100e6);
      await executor.submit(tasks.pass, 1);
    });
    assertEquals(told[0], "memory");
  });

  for (const when of ["busy", "idle"]) {
    test(`a worker ends as there are too many, which were ${when}`, async () => {
      const told = await endings({ maxWorkers: 2 }, async (executor) => {
        await using gate = new Gate();
        const calls = [1, 2].map(() => executor.submit(holdGate, gate.path));
        await gate.reached(2);
        if (when === "busy") executor.resize(1);
        gate.open();
        await Promise.all(calls);
        if (when === "idle") executor.resize(1);
      });
      assertEquals(told.toSorted(), ["shutdown", "surplus"]);
    });
  }

  test("a worker ends as it is killed", async () => {
    const told = await endings({}, async (executor) => {
      await using gate = new Gate();
      const call = executor.submit(tasks.hang, gate.path);
      await gate.reached(1);
      executor.terminate();
      await assertRejects(() => call);
    });
    assertEquals(told, ["killed"]);
  });

  if (workerType === "inline") continue;

  test("a worker ends by itself", async () => {
    const told = await endings({}, async (executor) => {
      const calls = [executor.submit(tasks.exit), executor.submit(tasks.pass, 1)] as const;
      await assertRejects(() => calls[0], WorkerDiedError);
      assertEquals(await calls[1], 1);
    });
    assertEquals(told, ["crashed", "shutdown"]);
  });

  test("a worker that crashes while the executor waits for it has crashed", async () => {
    const told = await endings({}, (executor) => {
      const call = executor.submit(tasks.exit);
      void executor.shutdown();
      return assertRejects(() => call, WorkerDiedError);
    });
    assertEquals(told, ["crashed"]);
  });

  test("a context counts why its workers have ended", async () => {
    await using context = openWorkerContext({ workerType });
    await assertRejects(() => context.run(tasks.exit, []), WorkerDiedError);
    assertEquals(context.statistics().ended, { crashed: 1 });
  });

  for (
    const [how, text] of [
      ["timer", "RangeError: thrown in a timer"],
      ["promise", "TypeError: rejected unheard"],
      ["text", "only a text"],
    ] as const
  ) {
    test(`WorkerDiedError has the text of the error that nobody has caught (${how})`, async () => {
      await using executor = new Executor({ workerType, maxWorkers: 1 });
      const error = await assertRejects(
        () => executor.submit(tasks.dieOf, how, "its last words"),
        WorkerDiedError,
      );
      assertStringIncludes(error.reason, "an error was not caught (");
      assertStringIncludes(error.message, text);
      assertEquals(error.ending, "crashed");
      if (workerType === "web") return;
      assertStringIncludes(error.stderr ?? "", "its last words\n");
      assertStringIncludes(error.stderr ?? "", text);
      assertEquals(error.exitCode, 1);
    });
  }
}

Deno.test("WorkerDiedError has a bounded part of what is long, and a text of what has none", async () => {
  await using executor = new Executor({ workerType: "process", maxWorkers: 1 });
  const long = await assertRejects(
    () => executor.submit(tasks.dieOf, "long", "y".repeat(1_000_000)),
    WorkerDiedError,
  );
  assertStringIncludes(long.reason, "(Error: xxx");
  assert(long.message.length < 2000, `the message has ${long.message.length} characters`);
  const { stderr = "" } = long;
  assert(stderr.length <= 4096 && stderr.length > 1000, `there are ${stderr.length} characters`);
  const odd = await assertRejects(
    () => executor.submit(tasks.dieOf, "unreadable", ""),
    WorkerDiedError,
  );
  assertStringIncludes(odd.reason, "an error was not caught (");
});

Deno.test("WorkerDiedError has what a process printed before a signal ended it", async () => {
  await using executor = new Executor({ workerType: "process", maxWorkers: 1 });
  for (const signal of ["SIGKILL", "SIGABRT"] as const) {
    const error = await assertRejects(
      () => executor.submit(tasks.dieBy, signal, `going down by ${signal}`),
      WorkerDiedError,
    );
    assertEquals([error.stderr, error.signal], [`going down by ${signal}`, signal]);
  }
});
