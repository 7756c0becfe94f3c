// End-to-end: a call that is given up before its body begins never begins, on workers with a module graph of their own.
import { assertEquals, assertRejects } from "@std/assert";
import { cacheScope, Executor, openBag, type Task, task } from "@quiver/quiver";
import { query } from "@quiver/quiver/caches";
import { WORKER_TYPES } from "../../src/worker/worker.ts";
import { leaveNothing } from "../leave_nothing.ts";
import { Gate } from "./gate.ts";

leaveNothing();

/** The task of a module that is not evaluated before the gate is open. */
function slowTask({ path }: Gate): Task<[string], void> {
  const url = new URL(`./testdata/slow_module.ts?gate=${path}`, import.meta.url);
  // The workers run what the module says.
  return task(url.href, (_path: string) => {}, { name: "touch", code: "none" });
}

/** Gives a call up while its module is imported, and makes another one on the same worker. */
async function giveUpEarly(executor: Executor): Promise<{ touched: string[]; failed: number }> {
  await using gate = new Gate();
  const touch = slowTask(gate);
  const patient = executor.with({ gracePeriod: 60_000 });
  const call = patient.submit(touch, `${gate.path}/given up`);
  await gate.reached(1);
  call.abort(new RangeError("enough"));
  await assertRejects(() => call, RangeError, "enough");
  gate.open();
  await patient.submit(touch, `${gate.path}/next`);
  const touched = ["given up", "next"].filter((name) =>
    [...Deno.readDirSync(gate.path)].some((entry) => entry.name === name)
  );
  return { touched, failed: executor.statistics().failed };
}

// An inline worker imports nothing: whoever has the task has its module.
for (const workerType of WORKER_TYPES.filter((type) => type !== "inline")) {
  const test = (name: string, fn: () => Promise<void>) => Deno.test(`${workerType}: ${name}`, fn);

  test("Future.abort() during the import of the task's module: its body does not begin", async () => {
    await using executor = new Executor({ maxWorkers: 1, workerType });
    assertEquals(await giveUpEarly(executor), { touched: ["next"], failed: 0 });
    assertEquals(executor.statistics().lost, 0);
  });

  test("Future.abort() before the body begins leaves nothing in the cache", async () => {
    const directory = await Deno.makeTempDir();
    {
      await using bag = await openBag(`${directory}/results.bag`, { fold: "manual" });
      await using executor = new Executor({ maxWorkers: 1, workerType });
      await cacheScope({ cache: bag, strict: true }, async () => {
        assertEquals((await giveUpEarly(executor)).touched, ["next"]);
      });
      assertEquals(await query(bag).count(), 1);
    }
    await Deno.remove(directory, { recursive: true });
  });
}
