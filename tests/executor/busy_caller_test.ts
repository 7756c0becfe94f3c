// end-to-end: what ends while its caller is busy has ended in time, whatever timers say afterwards
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  asCompleted,
  cacheScope,
  DeadlineError,
  Executor,
  type Future,
  openBag,
  wait,
} from "@quiver/quiver";
import { leaveNothing } from "../leave_nothing.ts";
import { settle } from "./fake_workers.ts";
import { openSharedFolder, until } from "./_shared_folder.ts";
import * as tasks from "./testdata/busy_tasks.ts";

leaveNothing();

/** How long the caller is busy, in milliseconds: longer than any of the times that pass meanwhile. */
const BUSY = 900;

/** Reads no message, and fires no timer. */
function beBusy(): void {
  const begun = performance.now();
  while (performance.now() - begun < BUSY);
}

/** Resolves when the call says that it runs. */
async function runs(future: Future<unknown>): Promise<void> {
  for await (const { message } of future.progress) if (message === "running") return;
}

for (const workerType of ["web", "process"] as const) {
  const test = (name: string, fn: () => Promise<void>) => Deno.test(`${workerType}: ${name}`, fn);
  const open = (options = {}) => new Executor({ maxWorkers: 1, workerType, ...options });

  for (const task of [tasks.rest, tasks.work]) {
    test(`a deadline holds for the call, not for a busy caller (${task.name})`, async () => {
      await using executor = open();
      await executor.submit(tasks.whoAmI);
      const call = executor.with({ deadline: 500 }).submit(task, 50);
      await runs(call);
      beBusy();
      assertEquals(await call, await executor.submit(task, 0));
    });

    test(`a deadline holds for a call that nobody watched meanwhile (${task.name})`, async () => {
      await using executor = open();
      const me = await executor.submit(tasks.whoAmI);
      const call = executor.with({ deadline: 100 }).submit(task, 400);
      await runs(call);
      beBusy();
      const error = await assertRejects(() => call, DeadlineError);
      assertEquals(error.message, `Cannot finish "${task.name}" within 100 ms of its start`);
      // It has ended by itself, so that there is nothing to end.
      assertEquals([await executor.submit(tasks.whoAmI), executor.statistics().lost], [me, 0]);
    });
  }

  test("a deadline holds for a call that is remembered, not for a busy caller", async () => {
    await using folder = await openSharedFolder();
    await using bag = await openBag(`${folder.path}/bag`);
    await using executor = open();
    await cacheScope({ cache: bag }, async () => {
      const call = executor.with({ deadline: 500 }).submit(tasks.traced, folder.path, 50);
      await runs(call);
      beBusy();
      assertEquals([await call, call.hit], ["traced", false]);
    });
  });

  test("AbortSignal.timeout() leaves a call that ended before its caller looked", async () => {
    await using executor = open();
    await executor.submit(tasks.whoAmI);
    const signal = AbortSignal.timeout(500);
    const call = executor.with({ signal }).submit(tasks.rest, 50);
    await runs(call);
    beBusy();
    assertEquals(await call, "rested");
    const late = executor.with({ signal: AbortSignal.timeout(100) }).submit(tasks.obey);
    const error = await assertRejects(() => late, DOMException);
    assertEquals(error.name, "TimeoutError");
  });

  test("AbortSignal.timeout() leaves a call whose large result was on its way", async () => {
    await using executor = open();
    await executor.submit(tasks.whoAmI);
    const call = executor.with({ signal: AbortSignal.timeout(500) }).submit(tasks.giveLarge, 4e6);
    await runs(call);
    beBusy();
    assertEquals((await call).length, 4e6);
  });

  test("AbortSignal.timeout() leaves a map whose items ended before its caller looked", async () => {
    for (const ordered of [true, false]) {
      await using executor = open();
      await Array.fromAsync(executor.map(tasks.rest, [0, 0], { chunkSize: 2 }));
      const options = { signal: AbortSignal.timeout(500), chunkSize: 2, ordered };
      const results = Array.fromAsync(executor.map(tasks.rest, [50, 50], options));
      await until(() => executor.statistics().running === 1);
      beBusy();
      assertEquals(await results, ["rested", "rested"]);
      assertEquals(executor.statistics().lost, 0);
    }
  });

  test("AbortSignal.timeout() ends a map after the results that are there", async () => {
    await using executor = open();
    await Array.fromAsync(executor.map(tasks.rest, [0, 0], { chunkSize: 2 }));
    const given: string[] = [];
    const items = [10, 10, 2000, 10];
    const signal = AbortSignal.timeout(400);
    const error = await assertRejects(async () => {
      for await (const result of executor.map(tasks.rest, items, { signal, chunkSize: 4 })) {
        if (given.push(result) === 1) beBusy();
      }
    }, DOMException);
    assertEquals([given, error.name], [["rested", "rested"], "TimeoutError"]);
    await executor.shutdown();
    // What had begun went on to its end, and the last had not begun.
    assertEquals(executor.statistics().completed, 5);
  });

  test("a call that obeys within its grace period keeps its worker", async () => {
    await using executor = open();
    const me = await executor.submit(tasks.whoAmI);
    const options = { onAbort: "terminate", gracePeriod: 400 } as const;
    const call = executor.with(options).submit(tasks.obey);
    await runs(call);
    call.abort("enough");
    beBusy();
    assertEquals(await call.catch((reason) => reason), "enough");
    assertEquals([await executor.submit(tasks.whoAmI), executor.statistics().lost], [me, 0]);
  });

  test("Executor.shutdown() kills no worker that ends in time", async () => {
    const executor = open({ gracePeriod: 400 });
    await executor.submit(tasks.whoAmI);
    const ended = executor.shutdown();
    // The worker is told to end.
    await settle();
    beBusy();
    await ended;
  });

  test("wait() and asCompleted() count what has ended when their time is over", async () => {
    await using executor = open({ maxWorkers: 2 });
    await Promise.all([executor.submit(tasks.rest, 10), executor.submit(tasks.rest, 10)]);
    const calls = [executor.submit(tasks.rest, 50), executor.submit(tasks.rest, 50)];
    await Promise.all(calls.map(runs));
    const waiting = wait(calls, { timeout: 400 });
    const completed = Array.fromAsync(asCompleted(calls, { timeout: 400 }));
    beBusy();
    const { done, pending } = await waiting;
    assertEquals([done.size, pending.size, (await completed).length], [2, 0, 2]);
  });

  test("a call waits for another that was done before `leaseTimeout`", async () => {
    await using folder = await openSharedFolder();
    await using bag = await openBag(`${folder.path}/bag`);
    // To another cache of the same bag the one that computes is another program's.
    await using other = await openBag(`${folder.path}/bag`);
    await using executor = open();
    await executor.submit(tasks.whoAmI);
    const [first] = await cacheScope({ cache: bag }, () => [
      executor.submit(tasks.traced, folder.path, 200),
    ]);
    await until(() => first.state === "running");
    const [second] = await cacheScope(
      { cache: other, leaseTimeout: 400, strict: true },
      () => [tasks.traced(folder.path, 200)],
    );
    await new Promise((resolve) => setTimeout(resolve, 20));
    beBusy();
    assertEquals([await first, await second], ["traced", "traced"]);
    const runCount = [...Deno.readDirSync(folder.path)].filter(({ name }) => name.endsWith(".run"));
    assertEquals([runCount.length, second.hit], [1, true]);
  });

  test("a worker that was ready before its caller looked has started", async () => {
    const { open } = await import("./testdata/open_test_worker.ts");
    {
      // The first has its entry type-checked, which takes longer.
      await using _first = await open(workerType, 60_000);
    }
    const worker = open(workerType, 400);
    await new Promise((resolve) => setTimeout(resolve));
    beBusy();
    await using _worker = await worker;
    assert(_worker.room > 0);
  });
}
