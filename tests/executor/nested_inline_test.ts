// end-to-end: a body that waits for a call of the executor that runs it does not wait for ever
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  cacheScope,
  createMemoryCache,
  Executor,
  type ExecutorOptions,
  NestedExecutorError,
} from "@quiver/quiver";
import { openWorkerContext } from "@quiver/quiver/workers";
import { WORKER_TYPES } from "../../src/worker/worker.ts";
import { leaveNothing } from "../leave_nothing.ts";
import * as tasks from "./testdata/nested_tasks.ts";

leaveNothing();

const { RUNNING, USED } = tasks;

function open(options: ExecutorOptions = {}): Executor {
  RUNNING.now = RUNNING.most = 0;
  return USED.executor = new Executor({ workerType: "inline", maxWorkers: 1, ...options });
}

Deno.test("inline: a call that awaits another one of its executor ends", async () => {
  await using executor = open();
  assertEquals(await executor.submit(tasks.nest, 7), 70);
  assertEquals(await executor.submit(tasks.nestWithOptions, 7), 7);
  assertEquals(executor.statistics().workers, 1);
});

Deno.test("inline: many that nest end, and no more run than there are places", async () => {
  await using executor = open({ maxWorkers: 2 });
  const calls = Array.from({ length: 50 }, (_, n) => executor.submit(tasks.nest, n));
  assertEquals(await Promise.all(calls), calls.map((_, n) => 10 * n));
  assert(RUNNING.most <= 2, `${RUNNING.most} have run at once`);
  assertEquals(await executor.submit(tasks.nestMany, 50), 50);
  assertEquals(await executor.submit(tasks.nestMap, 50), 50);
  assert(executor.statistics().workers <= 2);
});

Deno.test("inline: calls nest as deep as they may, and no deeper", async () => {
  await using executor = open();
  assertEquals(await executor.submit(tasks.descend, 9), 9);
  await assertRejects(() => executor.submit(tasks.descend, 10), NestedExecutorError);
});

Deno.test("inline: a call nests in its executor through another one", async () => {
  await using _first = open();
  await using other = USED.other = new Executor({ workerType: "inline", maxWorkers: 1 });
  assertEquals(await USED.executor?.submit(tasks.nestThrough, 3), 30);
  assertEquals(other.statistics().workers, 1);
});

Deno.test("inline: short calls that wait ahead of a nested one do not keep it back", async () => {
  await using executor = open();
  await Promise.all(Array.from({ length: 300 }, (_, n) => executor.submit(tasks.descend, n % 1)));
  const calls = Array.from(
    { length: 100 },
    (_, n) => executor.submit(n % 10 === 0 ? tasks.nest : tasks.descend, 0),
  );
  assertEquals((await Promise.all(calls)).length, 100);
});

Deno.test("inline: a nested call of a cached scope ends, too", async () => {
  await cacheScope({ cache: createMemoryCache() }, async () => {
    await using executor = open();
    assertEquals(await executor.submit(tasks.nest, 5), 50);
    assertEquals(await executor.submit(tasks.nest, 5), 50);
    assertEquals(await executor.submit(tasks.nestMany, 5), 5);
  });
});

Deno.test("inline: a nested call that is cancelled or fails gives its place back", async () => {
  await using executor = open();
  const call = executor.submit(tasks.nestMany, 20);
  await executor.submit(tasks.descend, 0);
  call.abort("enough");
  await call.catch(() => {});
  assertEquals(await executor.submit(tasks.nest, 1), 10);
  executor.resize(2);
  assertEquals(await executor.submit(tasks.nest, 2), 20);
  assert(executor.statistics().workers <= 2);
});

Deno.test("inline: a call of a worker context nests in it", async () => {
  await using context = openWorkerContext({ workerType: "inline", maxWorkers: 1 });
  USED.context = context;
  assertEquals(await context.run(tasks.nestInContext, [4]), 4);
});

for (const workerType of WORKER_TYPES) {
  Deno.test(`${workerType}: a task nests in an executor of its own isolate`, async () => {
    await using executor = new Executor({ workerType, maxWorkers: 1 });
    assertEquals(await executor.submit(tasks.nestThere, 5), 5);
  });
}
