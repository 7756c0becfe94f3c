// End-to-end: priorities, retries, limits and rotation hold for views, maps and worker contexts as well.
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  CancelledError,
  Executor,
  type ExecutorOptions,
  NestedExecutorError,
  WorkersKilledError,
} from "@quiver/quiver";
import { getReusableExecutor } from "@quiver/quiver/workers";
import { leaveNothing } from "../leave_nothing.ts";
import { WORKER_TYPES } from "../../src/worker/worker.ts";
import { openSharedFolder } from "./_shared_folder.ts";
import { gated } from "./testdata/context_tasks.ts";
import * as tasks from "./testdata/worker_count_tasks.ts";
import { double } from "./testdata/tasks.ts";

leaveNothing();

for (const workerType of WORKER_TYPES) {
  const open = (options: ExecutorOptions = {}) =>
    new Executor({ maxWorkers: 1, workerType, ...options });
  const test = (name: string, fn: () => Promise<void>) => Deno.test(`${workerType}: ${name}`, fn);

  test("ExecutorView.submit() with a higher priority leaves the queue first", async () => {
    await using folder = await openSharedFolder();
    await using executor = open();
    const first = executor.submit(gated, folder.path, "first");
    await folder.appears("first.started");
    const order: string[] = [];
    const follow = async (name: string, call: Promise<number>) => {
      await call;
      order.push(name);
    };
    const all = [
      follow("plain", executor.submit(double, 1)),
      follow("low", executor.with({ priority: -1 }).submit(double, 2)),
      follow("high", executor.with({ priority: 1 }).submit(double, 3)),
    ];
    await folder.write("first.go");
    await Promise.all([first, ...all]);
    assertEquals(order, ["high", "plain", "low"]);
  });

  // executors 79
  test("ExecutorView runs again what fails, submitted or mapped, and nothing else", async () => {
    await using folder = await openSharedFolder();
    await using executor = open({ retries: 1 });
    const dies = workerType === "inline" ? "throw" : "die";
    const items = (["never", "throw", "never", dies, "never"] as const).map((how, x) => ({
      directory: folder.path,
      x,
      how,
    }));
    const results = executor.map(tasks.failOnce, items, { chunkSize: 5 });
    assertEquals(await Array.fromAsync(results), [0, 1, 2, 3, 4]);
    const item = { directory: folder.path, x: 9, how: "throw" } as const;
    const never = executor.with({ retries: 0 });
    await assertRejects(() => never.submit(tasks.failOnce, item), RangeError, "not yet");
    const other = { ...item, x: 10 };
    await assertRejects(
      () => Array.fromAsync(never.map(tasks.failOnce, [other, { ...other, x: 11 }])),
      RangeError,
      "not yet",
    );
  });

  test("Executor goes on however many calls behind a busy one are given up", async () => {
    await using folder = await openSharedFolder();
    await using executor = open();
    // Short ones, so that others are sent ahead.
    await Promise.all(Array.from({ length: 50 }, (_, n) => executor.submit(double, n)));
    const busy = executor.submit(gated, folder.path, "busy");
    await folder.appears("busy.started");
    const waiting = Array.from({ length: 120 }, (_, n) => executor.submit(double, n));
    for (const call of waiting.splice(60)) {
      call.abort();
      await assertRejects(() => call, CancelledError, "aborted");
    }
    await folder.write("busy.go");
    assertEquals(await busy, "busy");
    assertEquals(await Promise.all(waiting), waiting.map((_, n) => 2 * n));
  });

  test("getReusableExecutor() lets views and a map of the one that it replaces go on", async () => {
    const first = getReusableExecutor({ workerType, maxWorkers: 1 });
    const view = first.with({ priority: 1 });
    const results = first.map(double, [1, 2, 3], { chunkSize: 1, bufferSize: 1 });
    assertEquals((await results.next()).value, 2);
    const second = getReusableExecutor({ workerType, maxWorkers: 1, retries: 1 });
    assert(first.closed);
    assertEquals(await view.submit(double, 4), 8);
    assertEquals(await Array.fromAsync(view.map(double, [5])), [10]);
    assertEquals(await Array.fromAsync(results), [4, 6]);
    await Promise.all([first.shutdown(), second.shutdown()]);
  });

  // executors 59
  test("Executor.map() bounds the workers of all executors beneath it together", async () => {
    await using executor = open({ maxTotalWorkers: 2 });
    const [ids = []] = await Array.fromAsync(executor.map(tasks.descendByMap, [3]));
    assertEquals(ids.length, 4);
    // One, and one beneath it, where the rest runs.
    assertEquals(new Set(ids).size, 2);
  });
}

// What is run inline is run on the workers of this very program, which would outlive the test.
for (const workerType of ["web", "process"] as const) {
  // executors 57
  Deno.test(`${workerType}: runInWorker() works in tasks of tasks, ten deep; the eleventh is refused`, async () => {
    await using executor = new Executor({ maxWorkers: 1, maxTotalWorkers: 1, workerType });
    assertEquals(await executor.submit(tasks.descendOnWorkers, 9), 9);
    await assertRejects(
      () => executor.submit(tasks.descendOnWorkers, 10),
      NestedExecutorError,
      'Cannot submit "descendOnWorkers": 10 executors\' calls are around it',
    );
  });
}

Deno.test("process: Executor.shutdown() kills what does not end within `gracePeriod`", async () => {
  await using folder = await openSharedFolder();
  const executor = new Executor({ maxWorkers: 1, workerType: "process", gracePeriod: 1 });
  const call = executor.with({ onAbort: "detach" }).submit(gated, folder.path, "call");
  await folder.appears("call.started");
  call.abort();
  await assertRejects(() => call, CancelledError);
  const error = await assertRejects(() => executor.shutdown(), WorkersKilledError);
  assertEquals(error.killed, 1);
});
