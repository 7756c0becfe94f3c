// end-to-end: a call can be cancelled as long as its body has not begun, wherever it waits
import { assert, assertEquals, assertRejects } from "@std/assert";
import { CancelledError, Executor, type Future, task } from "@quiver/quiver";
import { leaveNothing } from "../leave_nothing.ts";
import { settle } from "./fake_workers.ts";
import { openSharedFolder, until } from "./_shared_folder.ts";
import { Gate } from "./gate.ts";
import * as tasks from "./testdata/cancel_tasks.ts";

leaveNothing();

/** So many short calls make an executor send calls ahead. */
const WARM_UP = 300;

for (const workerType of ["web", "process", "inline"] as const) {
  const test = (name: string, fn: () => Promise<void>) => Deno.test(`${workerType}: ${name}`, fn);

  for (const observed of [false, true]) {
    const by = observed ? "with an observer" : "without an observer";
    test(`Future.cancel() takes back what was sent ahead, ${by}`, async () => {
      await using folder = await openSharedFolder();
      const started: string[] = [];
      const observer = { started: ({ task }: { task: string }) => void started.push(task) };
      await using executor = new Executor({
        maxWorkers: 1,
        workerType,
        ...(observed && { observer }),
      });
      const first = Array.from({ length: WARM_UP }, () => executor.submit(tasks.noop));
      await Promise.all(first);
      started.length = 0;
      const running = executor.submit(tasks.gated, folder.path, "running");
      const waiting = [..."abcdefghijklmnopqrst"].map((name) =>
        executor.submit(tasks.leaveMark, folder.path, name)
      );
      await folder.appears("running.started");
      await until(() => running.state === "running");
      assertEquals(countStates(waiting), { pending: waiting.length });
      const { queued, running: counted } = executor.statistics();
      assertEquals([queued, counted], [waiting.length, 1]);
      const kept = waiting.splice(7, 1);
      assertEquals(waiting.map((call) => call.cancel()), waiting.map(() => true));
      assertEquals([running.cancel(), executor.statistics().queued], [false, 1]);
      assertEquals(countStates(waiting), { cancelled: waiting.length });
      for (const call of waiting) await assertRejects(() => call, CancelledError, "was cancelled");
      await folder.write("running.go");
      assertEquals(await Promise.all([running, ...kept]), ["running", "h"]);
      assertEquals(waiting.filter((_, index) => folder.has(`${index}`)).length, 0);
      assertEquals([..."abcdefghijklmnopqrst"].filter((name) => folder.has(name)), ["h"]);
      assertEquals(started, observed ? ["gated", "leaveMark"] : []);
    });
  }

  test("Future.cancel() is false for a body that has begun, however busy the caller is", async () => {
    await using folder = await openSharedFolder();
    await using executor = new Executor({ maxWorkers: 1, workerType });
    await executor.submit(tasks.noop);
    const call = executor.submit(tasks.gated, folder.path, "call");
    // What is sent is posted at the end of the turn.
    await settle();
    if (workerType === "inline") await folder.appears("call.started");
    // No message is read meanwhile.
    else while (!folder.has("call.started"));
    assertEquals([call.state, executor.statistics().running, call.cancel()], ["running", 1, false]);
    await folder.write("call.go");
    assertEquals(await call, "call");
  });

  test("Future.cancel() in the turn of the call is true, and the body never runs", async () => {
    await using folder = await openSharedFolder();
    await using executor = new Executor({ maxWorkers: 1, workerType });
    await executor.submit(tasks.noop);
    const call = executor.submit(tasks.leaveMark, folder.path, "never");
    assertEquals([call.state, call.cancel(), call.state], ["pending", true, "cancelled"]);
    await assertRejects(() => call, CancelledError);
    assertEquals(await executor.submit(tasks.leaveMark, folder.path, "next"), "next");
    assertEquals(folder.has("never"), false);
    const { queued, running, lost } = executor.statistics();
    assertEquals([queued, running, lost], [0, 0, 0]);
  });

  test("Executor.map() that is left runs nothing that was only sent", async () => {
    await using folder = await openSharedFolder();
    await using executor = new Executor({ maxWorkers: 1, workerType });
    await Promise.all(Array.from({ length: WARM_UP }, () => executor.submit(tasks.noop)));
    const items = Array.from({ length: 40 }, (_, index) => ({ folder: folder.path, index }));
    const results = executor.map(tasks.mark, items, { chunkSize: 1, bufferSize: 40 });
    assertEquals((await results.next()).value, 0);
    await results.return();
    const { queued } = executor.statistics();
    assertEquals(queued, 0);
    await executor.shutdown();
    // Those after the second may have begun before the loop was left, and all others may not.
    assert(!folder.has("39"), "the last item ran");
  });
}

for (const workerType of ["web", "process"] as const) {
  Deno.test(`${workerType}: Future.cancel() keeps a body from beginning whose module is loaded`, async () => {
    await using gate = new Gate();
    await using folder = await openSharedFolder();
    const url = import.meta.resolve(`./testdata/slow_module.ts?gate=${gate.path}`);
    const touch = task(url, (_path: string): void => {}, { name: "touch" });
    await using executor = new Executor({ maxWorkers: 1, workerType });
    const call = executor.with({ gracePeriod: Infinity }).submit(touch, `${folder.path}/touched`);
    await gate.reached(1);
    assertEquals([call.state, call.cancel(), call.state], ["pending", true, "cancelled"]);
    gate.open();
    assertEquals(await executor.submit(tasks.leaveMark, folder.path, "next"), "next");
    assertEquals(folder.has("touched"), false);
    assertEquals(executor.statistics().lost, 0);
  });

  Deno.test(`${workerType}: Executor.map() that is given up runs nothing whose module is loaded`, async () => {
    await using gate = new Gate();
    await using folder = await openSharedFolder();
    const url = import.meta.resolve(`./testdata/slow_module.ts?gate=${gate.path}`);
    const touch = task(url, (_path: string): void => {}, { name: "touch" });
    await using executor = new Executor({ maxWorkers: 1, workerType });
    const controller = new AbortController();
    const { signal } = controller;
    const paths = Array.from({ length: 8 }, (_, index) => `${folder.path}/${index}`);
    const patient = executor.with({ gracePeriod: Infinity });
    const results = patient.map(touch, paths, { chunkSize: 4, bufferSize: 8, signal });
    const first = results.next();
    await gate.reached(1);
    const before = executor.statistics();
    assertEquals([before.queued, before.running], [8, 0]);
    controller.abort();
    await assertRejects(() => first, DOMException, "aborted");
    const after = executor.statistics();
    assertEquals([after.queued, after.running, after.lost], [0, 0, 0]);
    gate.open();
    assertEquals(await executor.submit(tasks.leaveMark, folder.path, "next"), "next");
    assertEquals(paths.filter((_, index) => folder.has(`${index}`)), []);
    assertEquals(executor.statistics().lost, 0);
  });
}

function countStates(futures: readonly Future<unknown>[]): { [state: string]: number } {
  const counts: { [state: string]: number } = {};
  for (const { state } of futures) counts[state] = (counts[state] ?? 0) + 1;
  return counts;
}
