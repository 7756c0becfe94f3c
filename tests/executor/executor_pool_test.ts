// End-to-end: the workers of an executor come, go and are replaced; every kind passes the same list.
import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import {
  cacheScope,
  Executor,
  type ExecutorOptions,
  openBag,
  type QuiverWarning,
  WorkerDiedError,
  WorkerInitError,
} from "@quiver/quiver";
import { type ExecutorObserver, getReusableExecutor } from "@quiver/quiver/workers";
import { WORKER_TYPES } from "../../src/worker/worker.ts";
import { leaveNothing } from "../leave_nothing.ts";
import { Gate } from "./gate.ts";
import * as tasks from "./testdata/worker_count_tasks.ts";

leaveNothing();

/** Follows which workers there were. */
class Roll implements ExecutorObserver {
  readonly come: string[] = [];
  readonly gone: string[] = [];

  workerStarted({ worker }: { worker: string }): void {
    this.come.push(worker);
  }

  workerEnded({ worker }: { worker: string }): void {
    this.gone.push(worker);
  }
}

for (const workerType of WORKER_TYPES) {
  const open = (options: ExecutorOptions = {}) =>
    new Executor({ maxWorkers: 2, workerType, ...options });
  const test = (name: string, fn: () => Promise<void>) => Deno.test(`${workerType}: ${name}`, fn);

  // executors 46
  test("Executor replaces a worker after `maxTasksPerWorker` calls", async () => {
    const roll = new Roll();
    await using executor = open({ maxWorkers: 1, maxTasksPerWorker: 3, observer: roll });
    for (let call = 0; call < 7; call++) await executor.submit(tasks.identify);
    assertEquals(roll.come.length, 3);
    await Promise.all(Array.from({ length: 5 }, () => executor.submit(tasks.identify)));
    assertEquals(roll.come.length, 4);
  });

  // executors 46
  test("Executor.shutdown() right after the limit does not stall", async () => {
    const roll = new Roll();
    const executor = open({ maxTasksPerWorker: 1, observer: roll });
    const calls = [1, 2, 3].map(() => executor.submit(tasks.identify));
    await executor.shutdown();
    await Promise.all(calls);
    assertEquals([roll.come.length, roll.gone.length], [3, 3]);
  });

  // executors 51
  test("Executor.resize() shrinks while busy: a survivor keeps its identity", async () => {
    const roll = new Roll();
    await using executor = open({ observer: roll });
    await using gate = new Gate();
    const calls = [1, 2].map(() => executor.submit(tasks.hold, gate.path));
    await gate.reached(2);
    executor.resize(2);
    assertEquals(executor.statistics().workers, 2);
    executor.resize(1);
    assertEquals(executor.statistics().running, 2);
    gate.open();
    await Promise.all(calls);
    await Promise.all([1, 2, 3].map(() => executor.submit(tasks.identify)));
    assertEquals(executor.statistics().workers, 1);
    assertEquals(roll.come.length, 2);
    executor.resize(2);
    await using second = new Gate();
    const more = [1, 2].map(() => executor.submit(tasks.hold, second.path));
    await second.reached(2);
    second.open();
    await Promise.all(more);
    assertEquals([roll.come.length, executor.maxWorkers], [3, 2]);
  });

  // executors 54
  test("Executor runs as many calls at once as it has workers, more than there are cores", async () => {
    const count = navigator.hardwareConcurrency + 3;
    await using executor = open({ maxWorkers: count });
    await using gate = new Gate();
    const calls = Array.from(
      { length: count },
      () => executor.submit(tasks.meet, gate.path, count),
    );
    assertEquals((await Promise.all(calls)).length, count);
  });

  // executors 79
  test("Executor runs a call again that throws, up to `retries` times", async () => {
    await using executor = open({ retries: 2 });
    await using gate = new Gate();
    await executor.submit(tasks.flaky, gate.path, 2, "throw");
    await using second = new Gate();
    await assertRejects(() => executor.submit(tasks.flaky, second.path, 3, "throw"), TypeError);
    const { completed, failed, retried } = executor.statistics();
    assertEquals({ completed, failed, retried }, { completed: 1, failed: 1, retried: 4 });
  });

  // executors 42
  test("Executor sets up each worker with `init`", async () => {
    const init = { task: tasks.setUp, args: ["ready"] };
    await using executor = open({ maxTasksPerWorker: 2, init });
    const states = await Promise.all([1, 2, 3].map(() => executor.submit(tasks.readState)));
    assertEquals(states.map((state) => state.split(" ")[0]), ["ready", "ready", "ready"]);
  });

  // executors 43
  test("Executor rejects every call when `init` throws, warns once and does not hang", async () => {
    const warnings: QuiverWarning[] = [];
    const executor = open({
      init: tasks.refuseSetUp,
      onWarning: (warning) => warnings.push(warning),
    });
    for (const round of [1, 2]) {
      const calls = Array.from({ length: 3 }, () => executor.submit(tasks.identify));
      for (const result of await Promise.allSettled(calls)) {
        assert(result.status === "rejected", `round ${round}`);
        assertInstanceOf(result.reason, WorkerInitError);
        assertInstanceOf(result.reason.cause, RangeError);
        assertEquals(result.reason.cause.message, "no licence");
      }
    }
    await executor.shutdown();
    assertEquals(warnings.length, 1);
    assertInstanceOf(warnings[0]?.cause, WorkerInitError);
  });

  test("Executor.statistics() counts what ran, and how long", async () => {
    await using executor = open();
    assertEquals(executor.statistics(), {
      queued: 0,
      running: 0,
      idle: 0,
      workers: 0,
      lost: 0,
      completed: 0,
      failed: 0,
      retried: 0,
      hits: 0,
      misses: 0,
    });
    await using gate = new Gate();
    const calls = Array.from({ length: 6 }, () => executor.submit(tasks.hold, gate.path));
    await gate.reached(2);
    const { queued, running, workers } = executor.statistics();
    assertEquals({ queued, running, workers }, { queued: 4, running: 2, workers: 2 });
    gate.open();
    await Promise.all(calls);
    const { completed, runTime, waitTime } = executor.statistics();
    assertEquals(completed, 6);
    for (const quantiles of [runTime, waitTime]) {
      assert(quantiles !== undefined && quantiles.p50 > 0);
      assert(quantiles.p50 <= quantiles.p90 && quantiles.p90 <= quantiles.p99);
    }
  });

  test("Executor names a wrong number, and an `init` that is no task", async () => {
    const wrong: readonly [ExecutorOptions, string][] = [
      [{ retries: -1 }, "retries"],
      [{ retries: 1.5 }, "retries"],
      [{ maxTasksPerWorker: 0 }, "maxTasksPerWorker"],
      [{ maxHeapBytes: NaN }, "maxHeapBytes"],
      [{ maxDepth: 0 }, "maxDepth"],
      [{ maxWorkers: 3, maxTotalWorkers: 2 }, "maxTotalWorkers"],
    ];
    for (const [options, name] of wrong) assertThrows(() => open(options), RangeError, name);
    assertThrows(() => open({ init: () => 1 } as never), TypeError, "`init` is no task");
    await using executor = open({ maxTotalWorkers: 4 });
    for (const count of [0, 1.5, 5]) {
      assertThrows(() => executor.resize(count), RangeError, "Cannot resize an executor");
    }
  });
}

// An inline worker does not die, and holds all that this isolate does.
for (const workerType of WORKER_TYPES.filter((type) => type !== "inline")) {
  const open = (options: ExecutorOptions = {}) =>
    new Executor({ maxWorkers: 1, workerType, ...options });
  const test = (name: string, fn: () => Promise<void>) => Deno.test(`${workerType}: ${name}`, fn);

  // executors 1, 9, 13
  test("Executor goes on when its last worker dies with calls in the queue", async () => {
    const executor = open();
    const killed = executor.submit(tasks.kill);
    killed.catch(() => {});
    const queued = Array.from({ length: 20 }, () => executor.submit(tasks.identify));
    await assertRejects(() => killed, WorkerDiedError);
    assertEquals((await Promise.all(queued)).length, 20);
    await executor.shutdown();
  });

  // executors 7
  test("Executor.map() over workers that all die rejects, and nothing hangs", async () => {
    // Each process takes longer to start.
    for (const count of workerType === "web" ? [1, 2, 5, 13] : [1, 4]) {
      const executor = open({ maxWorkers: count });
      const calls = Array.from({ length: count }, () => executor.submit(tasks.kill));
      for (const result of await Promise.allSettled(calls)) {
        assert(result.status === "rejected" && result.reason instanceof WorkerDiedError);
      }
      assertEquals((await executor.submit(tasks.identify)).calls, 1);
      await executor.shutdown();
    }
  });

  // executors 9
  test("getReusableExecutor() gives the same executor after a crash, and it works", async () => {
    const executor = getReusableExecutor({ maxWorkers: 1, workerType });
    await assertRejects(() => executor.submit(tasks.kill), WorkerDiedError);
    assertEquals(getReusableExecutor({ maxWorkers: 1, workerType }).id, executor.id);
    assertEquals((await executor.submit(tasks.identify)).calls, 1);
    await executor.shutdown();
  });

  test("Executor runs a call again whose worker dies", async () => {
    await using executor = open({ retries: 1 });
    await using gate = new Gate();
    assert(await executor.submit(tasks.flaky, gate.path, 1, "die") !== undefined);
    await using second = new Gate();
    await assertRejects(
      () => executor.submit(tasks.flaky, second.path, 2, "die"),
      WorkerDiedError,
    );
  });

  test("Executor remembers a call that was run again after its worker died", async () => {
    const directory = await Deno.makeTempDir();
    try {
      await using bag = await openBag(`${directory}/results.bag`);
      await using executor = open({ retries: 2 });
      await using gate = new Gate();
      await cacheScope({ cache: bag, strict: true }, async () => {
        const computed = await executor.submit(tasks.flaky, gate.path, 2, "die");
        assertEquals(await tasks.flaky.load(gate.path, 2, "die"), computed);
        await executor.submit(tasks.flaky, gate.path, 2, "die");
      });
      const { hits, misses, completed, retried } = executor.statistics();
      assertEquals({ hits, misses, completed, retried }, {
        hits: 1,
        misses: 1,
        completed: 1,
        retried: 2,
      });
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });

  test("Executor replaces a worker that holds more than `maxHeapBytes`", async () => {
    const roll = new Roll();
    await using executor = open({ maxHeapBytes: 64e6, observer: roll });
    const first = await executor.submit(tasks.leak, 1e6);
    assertEquals(await executor.submit(tasks.leak, 1e6), first);
    assertEquals(await executor.submit(tasks.leak, 80e6), first);
    assert(await executor.submit(tasks.leak, 1e6) !== first);
    assertEquals(roll.come.length, 2);
  });
}
