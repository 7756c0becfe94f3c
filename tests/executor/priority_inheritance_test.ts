// end-to-end: what an urgent call waits for is as urgent as that call
import { assertEquals } from "@std/assert";
import { cacheScope, createMemoryCache, Executor, type Future, openBag } from "@quiver/quiver";
import { proxy } from "comlink";
import { leaveNothing } from "../leave_nothing.ts";
import { openSharedFolder, type SharedFolder, until } from "./_shared_folder.ts";
import { settle, Stage } from "./fake_workers.ts";
import type { SentCall } from "../../src/task/future.ts";
import { gated } from "./testdata/cancel_tasks.ts";
import { callBack, note, noteItem } from "./testdata/priority_tasks.ts";

leaveNothing();

/** An executor whose one worker is busy until it is let go, and the order in which calls then run. */
interface Queue {
  readonly executor: Executor;
  readonly path: string;
  /** Lets the calls run, and waits for all. */
  run(calls: readonly Future<unknown>[]): Promise<string>;
}

for (const workerType of ["web", "process", "inline"] as const) {
  const test = (name: string, fn: (queue: Queue) => Promise<void>) =>
    Deno.test(`${workerType}: ${name}`, async () => {
      await using folder = await openSharedFolder();
      await using executor = new Executor({ maxWorkers: 1, workerType });
      await fn(await fill(executor, folder));
    });

  test("a future among the arguments is as urgent as the call that waits for it", async (queue) => {
    const { executor, path } = queue;
    const calls = [..."abc"].map((name) => executor.submit(note, path, name));
    const deep = executor.submit(note, path, "deep");
    const low = executor.submit(note, path, "low", [{ deep: deep.at(0) }]);
    const high = executor.with({ priority: 10 }).submit(note, path, "high", low.at(0));
    // What they wait for goes first; whoever is free then need not wait for them.
    assertEquals((await queue.run([...calls, deep, low, high])).slice(0, 5), "deep ");
  });

  test("a group of futures is as urgent as the call that waits for it", async (queue) => {
    const { executor, path } = queue;
    const calls = [..."abc"].map((name) => executor.submit(note, path, name));
    const members = [..."xy"].map((name) => executor.submit(note, path, name));
    const [group] = executor.batched(members, 2);
    const high = executor.with({ priority: 10 }).submit(note, path, "high", group);
    assertEquals((await queue.run([...calls, ...members, high])).slice(0, 4), "x y ");
  });

  for (const kind of ["memory", "bag"] as const) {
    test(`a call that an urgent one waits for as it is the same is raised (${kind})`, async (queue) => {
      const { executor, path } = queue;
      const bag = kind === "bag" ? await openBag(`${path}.bag`) : undefined;
      await cacheScope({ cache: bag ?? createMemoryCache() }, async () => {
        const calls = [..."abc", "same"].map((name) => executor.submit(note, path, name));
        // They are in the queue when their keys are made.
        await until(() => executor.statistics().queued === calls.length);
        const high = executor.with({ priority: 10 }).submit(note, path, "same");
        await until(() => high.key !== undefined);
        await settle();
        assertEquals(await queue.run([...calls, high]), "same a b c ");
        assertEquals(high.hit, true);
      });
      await bag?.[Symbol.asyncDispose]();
    });
  }

  if (workerType === "inline") continue;

  Deno.test(`${workerType}: a call that an urgent one makes by a callback is as urgent`, async () => {
    await using folder = await openSharedFolder();
    await using executor = new Executor({ maxWorkers: 2, workerType });
    const queue = await fill(executor, folder);
    const called = Promise.withResolvers<void>();
    let nested: Future<unknown> | undefined;
    const fn = proxy(async () => {
      nested = executor.submit(note, queue.path, "nested");
      called.resolve();
      await nested;
    });
    const outer = executor.with({ priority: 10 }).submit(callBack, fn);
    await until(() => outer.state === "running");
    const calls = [..."abc"].map((name) => executor.submit(note, queue.path, name));
    await called.promise;
    const all = [...calls, outer, ...nested === undefined ? [] : [nested]];
    assertEquals((await queue.run(all)).slice(0, 7), "nested ");
  });
}

for (const workerType of ["web", "process"] as const) {
  Deno.test(`${workerType}: a map that an urgent call makes by a callback is as urgent`, async () => {
    await using folder = await openSharedFolder();
    await using executor = new Executor({ maxWorkers: 2, workerType });
    const queue = await fill(executor, folder);
    const called = Promise.withResolvers<{ readonly results: Promise<unknown> }>();
    const fn = proxy(async () => {
      const items = [..."xy"].map((name) => ({ path: queue.path, name }));
      const results = Array.fromAsync(executor.map(noteItem, items));
      called.resolve({ results });
      await results;
    });
    const outer = executor.with({ priority: 10 }).submit(callBack, fn);
    await until(() => outer.state === "running");
    const calls = [..."abc"].map((name) => executor.submit(note, queue.path, name));
    const nested = await called.promise;
    await until(() => executor.statistics().queued === 5);
    const order = await queue.run([...calls, outer]);
    await nested.results;
    assertEquals(order.slice(0, 4), "x y ");
  });
}

async function fill(executor: Executor, folder: SharedFolder): Promise<Queue> {
  const path = `${folder.path}.order`;
  const busy = executor.submit(gated, folder.path, "gate");
  await folder.appears("gate.started");
  return {
    executor,
    path,
    run: async (calls) => {
      await folder.write("gate.go");
      await Promise.all([busy, ...calls]);
      const order = await Deno.readTextFile(path);
      await Deno.remove(path);
      return order;
    },
  };
}

Deno.test("SentCall.raise() takes a call back that was sent ahead behind others", async () => {
  await using stage = new Stage({ maxWorkers: 1, prefetch: 8 });
  const calls = await stage.runAll("a");
  await stage.worker(0).finish({ duration: 0.01 });
  let sent: SentCall | undefined;
  calls.push(...await stage.runAll("bcd"));
  calls.push(stage.run("e", { sent: (call) => sent = call }));
  await settle();
  assertEquals(stage.tasks, ["b c d e"]);
  sent?.raise(5);
  await settle();
  assertEquals(stage.tasks, ["b e c d"]);
  await stage.finishAll();
  assertEquals(await Promise.all(calls), [..."abcde"]);
});
