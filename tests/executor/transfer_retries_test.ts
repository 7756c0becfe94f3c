// end-to-end: a call whose argument was given away is run once, and what it reports is its first failure
import { assertEquals, assertRejects } from "@std/assert";
import { Executor, transfer, WorkerDiedError } from "@quiver/quiver";
import { WORKER_TYPES } from "../../src/worker/worker.ts";
import { leaveNothing } from "../leave_nothing.ts";
import { die, fail, measure } from "./testdata/transfer_tasks.ts";

leaveNothing();

const array = (length: number) => transfer(new Float64Array(length));

for (const workerType of WORKER_TYPES) {
  const test = (name: string, fn: () => Promise<void>) => Deno.test(`${workerType}: ${name}`, fn);

  test("a call with an argument that was given away is not tried again when it throws", async () => {
    await using executor = new Executor({ workerType, maxWorkers: 1, retries: 3 });
    const submitted = () => executor.submit(fail, array(100_000));
    await assertRejects(submitted, RangeError, "failed with 100000");
    const view = executor.with({ retries: 2 });
    await assertRejects(() => view.submit(fail, array(3)), RangeError, "failed with 3");
    assertEquals(executor.statistics().retried, 0);
    // One that was not given away is.
    const kept = () => executor.submit(fail, new Float64Array(5));
    await assertRejects(kept, RangeError, "failed with 5");
    assertEquals(executor.statistics().retried, 3);
  });

  for (const chunkSize of [1, 4, "auto"] as const) {
    test(`Executor.map() in chunks of ${chunkSize} does not try such an item again`, async () => {
      await using executor = new Executor({ workerType, maxWorkers: 1, retries: 3 });
      const items = [10, 20, 30, 40].map(array);
      const results = Array.fromAsync(executor.map(fail, items, { chunkSize }));
      await assertRejects(() => results, RangeError, "failed with 10");
      const others = [10, 20, 30, 40].map(array);
      const lengths = await Array.fromAsync(executor.map(measure, others, { chunkSize }));
      assertEquals(lengths, [10, 20, 30, 40]);
      assertEquals(executor.statistics().retried, 0);
    });
  }

  if (workerType === "inline") continue;

  test("a call with such an argument is not tried again when its worker dies", async () => {
    await using executor = new Executor({ workerType, maxWorkers: 1, retries: 3 });
    await assertRejects(() => executor.submit(die, array(100_000)), WorkerDiedError);
    const items = [10, 20].map(array);
    const results = Array.fromAsync(executor.map(die, items, { chunkSize: 2 }));
    await assertRejects(() => results, WorkerDiedError);
    assertEquals(executor.statistics().retried, 0);
  });
}
