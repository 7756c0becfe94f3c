// End-to-end: the one executor that a program shares; every kind passes the same list.
import {
  assert,
  assertEquals,
  assertNotStrictEquals,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { Executor, WorkerDiedError } from "@quiver/quiver";
import { getReusableExecutor, type ReusableExecutorOptions } from "@quiver/quiver/workers";
import { WORKER_TYPES } from "../../src/worker/worker.ts";
import { leaveNothing } from "../leave_nothing.ts";
import { Gate } from "./gate.ts";
import * as tasks from "./testdata/worker_count_tasks.ts";
import { double } from "./testdata/tasks.ts";

leaveNothing();

for (const workerType of WORKER_TYPES) {
  const get = (options: ReusableExecutorOptions = {}) =>
    getReusableExecutor({ maxWorkers: 2, workerType, ...options });
  const test = (name: string, fn: () => Promise<void>) => Deno.test(`${workerType}: ${name}`, fn);

  test("getReusableExecutor() gives the same executor for the same options", async () => {
    const options = () => ({ init: { task: tasks.setUp, args: [["deep"]] }, retries: 1 });
    const executor = get(options() as never);
    assert(executor instanceof Executor);
    assertStrictEquals(get(options() as never), executor);
    const other = get({ retries: 1, idleTimeout: undefined } as never);
    assertNotStrictEquals(other, executor);
    assertStrictEquals(get({ retries: 1 }), other);
    assertEquals(other.id, executor.id + 1);
    await Promise.all([executor.shutdown(), other.shutdown()]);
  });

  // executors 51
  test("getReusableExecutor() resizes for another `maxWorkers`, and keeps it for `reuse: true`", async () => {
    const executor = get();
    await using gate = new Gate();
    const calls = [1, 2].map(() => executor.submit(tasks.hold, gate.path));
    await gate.reached(2);
    assertStrictEquals(get({ maxWorkers: 1 }), executor);
    assertEquals([executor.maxWorkers, executor.statistics().running], [1, 2]);
    gate.open();
    await Promise.all(calls);
    await executor.submit(double, 1);
    assertEquals(executor.statistics().workers, 1);
    assertStrictEquals(getReusableExecutor({ reuse: true }), executor);
    assertEquals(executor.maxWorkers, 1);
    await executor.shutdown();
  });

  // executors 42
  test("getReusableExecutor() sets workers up anew for another `init`, unless it is to reuse them", async () => {
    const first = get({ init: { task: tasks.setUp, args: ["red"] } });
    const red = await first.submit(tasks.readState);
    assertEquals(red.split(" ")[0], "red");
    const kept = get({ init: { task: tasks.setUp, args: ["blue"] }, reuse: true });
    assertStrictEquals(kept, first);
    assertEquals(await kept.submit(tasks.readState), red);
    const second = get({ init: { task: tasks.setUp, args: ["blue"] } });
    const blue = await second.submit(tasks.readState);
    assertEquals(blue.split(" ")[0], "blue");
    await Promise.all([first.shutdown(), second.shutdown()]);
  });

  test("getReusableExecutor() finishes the calls of the one that it replaces", async () => {
    const first = get({ retries: 1 });
    await using gate = new Gate();
    const calls = Array.from({ length: 4 }, () => first.submit(tasks.hold, gate.path));
    await gate.reached(2);
    const second = get({ reuse: false, retries: 1 });
    assertEquals([first.closed, second.closed], [true, false]);
    // What is submitted to the old one goes to the new one, and does not wait for it.
    assertEquals(await first.submit(double, 2), 4);
    assertEquals(second.statistics().completed, 1);
    assertEquals(await Array.fromAsync(first.map(double, [1, 2])), [2, 4]);
    gate.open();
    await Promise.all(calls);
    await first.shutdown();
    assertEquals(first.statistics().workers, 0);
    await second.shutdown();
  });

  // executors 55
  test("nobody sees that an executor was shut down while two callers rotate its options", async () => {
    const mine = get({ idleTimeout: 1 });
    // Each turn starts a worker.
    const turns = workerType !== "inline" ? 3 : 10;
    const all = [mine];
    const rotate = async (offset: number) => {
      for (let turn = 0; turn < turns; turn++) {
        const executor = get({ idleTimeout: 1000 + 2 * turn + offset, maxWorkers: 1 });
        all.push(executor);
        assertEquals(await executor.submit(double, turn), 2 * turn);
      }
    };
    const submit = async () => {
      for (let turn = 0; turn < 3 * turns; turn++) {
        assertEquals(await mine.submit(double, turn), 2 * turn);
      }
    };
    await Promise.all([rotate(0), rotate(1), submit()]);
    await Promise.all(all.map((executor) => executor.shutdown()));
  });

  test("getReusableExecutor() gives a new executor when somebody has shut the last one down", async () => {
    const first = get();
    await first.shutdown();
    const second = get();
    assertNotStrictEquals(second, first);
    assertEquals(await second.submit(double, 2), 4);
    second.terminate();
    await second.shutdown();
    const third = get();
    assertNotStrictEquals(third, second);
    await third.shutdown();
  });

  test("getReusableExecutor() names a wrong option", () => {
    assertThrows(() => get({ reuse: "yes" as never }), TypeError, "`reuse` is");
    assertThrows(() => get({ maxWorkers: 0 }), RangeError, "maxWorkers");
    assertThrows(() => get({ worker: 1 } as never), TypeError, '"worker"');
    for (const count of [2, null, "2"]) {
      assertThrows(() => getReusableExecutor(count as never), TypeError, "the options are");
    }
    return Promise.resolve();
  });
}

// An inline worker does not die.
for (const workerType of WORKER_TYPES.filter((type) => type !== "inline")) {
  // executors 53
  Deno.test(`${workerType}: getReusableExecutor() recovers when a worker dies right after it was resized`, async () => {
    const executor = getReusableExecutor({ maxWorkers: 2, workerType });
    await Promise.all([executor.submit(double, 1), executor.submit(double, 2)]);
    const killed = executor.submit(tasks.kill);
    assertStrictEquals(getReusableExecutor({ maxWorkers: 1, workerType }), executor);
    await assertRejects(() => killed, WorkerDiedError);
    assertEquals(await executor.submit(double, 3), 6);
    await executor.shutdown();
  });
}
