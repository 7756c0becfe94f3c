// end-to-end: what tasks say of how executors make their calls, on each kind of worker
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { cacheScope, createMemoryCache, currentDirectory, Executor, task } from "@quiver/quiver";
import { query } from "@quiver/quiver/caches";
import { leaveNothing } from "../leave_nothing.ts";
import { WORKER_TYPES } from "../../src/worker/worker.ts";
import { flaky, hangsOnce, place, removing } from "./testdata/comfort_tasks.ts";

leaveNothing();

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

for (const workerType of WORKER_TYPES) {
  // fleche 21
  Deno.test(`${workerType}: retries, deadlines and directories of tasks`, async () => {
    await using executor = new Executor({ workerType, maxWorkers: 2 });
    const path = await Deno.makeTempFile();
    assertEquals(await executor.submit(flaky, path, 2), 3);
    const submitted = executor.submit(flaky, path, 99).catch((error) => error);
    assertEquals(Reflect.get(Object(await submitted), "attempts"), 4);
    await Deno.writeTextFile(path, "");
    const mapped = executor.map(flaky, [[path, 3]], { spread: true });
    assertEquals(await Array.fromAsync(mapped), [4]);
    await Deno.remove(path);

    const [directory = "", cwd, ...names] = await executor.submit(place, false);
    assertEquals(names, ["own.txt"]);
    assertEquals(cwd === directory, workerType === "process");
    assertEquals(await exists(directory), false);
    for await (const end of executor.map(place, [true, false], { onError: "yield" })) {
      const used = end.status === "rejected" ? end.reason.message : end.value[0];
      assert(used !== directory && !await exists(used));
    }
    const kept = await executor.submit(place, false);
    assertEquals(kept[1] === Deno.cwd(), workerType !== "process");

    if (workerType === "process") {
      // Workers of its own, whose working directory is gone when their first call ends.
      const [before, gone] = [Deno.cwd(), await Deno.makeTempDir()];
      Deno.chdir(gone);
      await using other = new Executor({ workerType, maxWorkers: 1 });
      const removed = await other.submit(removing, gone).finally(() => Deno.chdir(before));
      assertEquals([removed, await exists(gone)], [gone, false]);
      const [own = "", there] = await other.submit(place, false);
      assertEquals([there, await exists(own)], [own, false]);
    }

    if (workerType === "inline") {
      assertEquals(await executor.submit(hangsOnce, 7), 7);
      assertEquals(executor.statistics().retried, 9);
    }
  });
}

Deno.test("Executor({ limits, has }) hold in submit and map, with priorities, on inline workers", async () => {
  let running = 0;
  let most = 0;
  const body = async (n: number) => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve, 1));
    running--;
    return n;
  };
  const ask = task(import.meta, body, { name: "ask", limits: ["api"] });
  const also = task(import.meta, (n: number) => body(n), { name: "askAlso", limits: ["api"] });
  await using executor = new Executor({ workerType: "inline", maxWorkers: 8, limits: { api: 3 } });
  const items = Array.from({ length: 40 }, (_, n) => n);
  const futures = items.map((n) => executor.with({ priority: n % 3 }).submit(ask, n));
  assertEquals(await Array.fromAsync(executor.map(also, items)), items);
  await cacheScope({ cache: createMemoryCache() }, async () => {
    assertEquals(await Array.fromAsync(executor.map(also, items, { chunkSize: 8 })), items);
  });
  assertEquals(await Promise.all(futures), items);
  assertEquals(most, 3);
});

Deno.test("task({ rate }) lets no more calls begin in any time of that length", async () => {
  const begun: number[] = [];
  const hit = task(import.meta, (_: number) => void begun.push(performance.now()), {
    name: "hit",
    rate: { calls: 3, per: 60 },
  });
  await using executor = new Executor({ workerType: "inline", maxWorkers: 8 });
  await Array.fromAsync(executor.map(hit, [1, 2, 3, 4]));
  await Promise.all([5, 6, 7].map((n) => executor.submit(hit, n)));
  assertEquals(begun.length, 7);
  for (let index = 3; index < begun.length; index++) {
    assert((begun[index] ?? 0) - (begun[index - 3] ?? 0) >= 60);
  }
});

Deno.test("A call that the body of another makes uses what that has, and is refused where all wait for all", async () => {
  const inner = task(import.meta, () => 1, { name: "inner", limits: ["a"] });
  const other = task(import.meta, () => 1, { name: "innerOther", limits: ["b"] });
  const both = Promise.withResolvers<void>();
  let there = 0;
  const meet = () => {
    if (++there === 2) both.resolve();
    return both.promise;
  };
  const options = { workerType: "inline", maxWorkers: 2, limits: { a: 1, b: 1 } } as const;
  await using executor = new Executor(options);
  const outer = task(import.meta, () => executor.submit(inner), { name: "outer", limits: ["a"] });
  assertEquals(await executor.submit(outer), 1);
  // Somebody else waits for what the body's caller has, before the body makes the same call.
  const gate = Promise.withResolvers<void>();
  const late = task(import.meta, async () => {
    await gate.promise;
    return await executor.submit(inner);
  }, { name: "outerLate", limits: ["a"] });
  const holding = executor.submit(late);
  const waiting = executor.submit(inner);
  gate.resolve();
  assertEquals(await Promise.all([holding, waiting]), [1, 1]);
  const first = task(import.meta, async () => {
    await meet();
    return await executor.submit(other);
  }, { name: "holdsA", limits: ["a"] });
  const second = task(import.meta, async () => {
    await meet();
    return await executor.submit(inner);
  }, { name: "holdsB", limits: ["b"] });
  const ends = await Promise.allSettled([executor.submit(first), executor.submit(second)]);
  const failed = ends.filter((end) => end.status === "rejected");
  assert(failed.length >= 1);
  for (const { reason } of failed) assert(/held by calls that wait/.test(String(reason)));
  assertEquals(await executor.submit(outer), 1);
});

Deno.test("A call that a body waits for goes before a more urgent one that needs the same", async () => {
  const has = { memory: 4 };
  const options = { workerType: "inline", maxWorkers: 3, limits: { a: 1 }, has } as const;
  await using executor = new Executor(options);
  const order: string[] = [];
  const gate = Promise.withResolvers<void>();
  const all = task(import.meta, () => gate.promise, { name: "all", needs: has });
  const inner = task(import.meta, () => void order.push("inner"), {
    name: "needed",
    needs: { memory: 2 },
  });
  const begun = Promise.withResolvers<void>();
  const outer = task(import.meta, async () => {
    const waited = executor.submit(inner);
    begun.resolve();
    await waited;
  }, { name: "waits for needed", limits: ["a"] });
  const urgent = task(import.meta, () => void order.push("urgent"), { name: "urgent", needs: has });
  const calls = [executor.submit(all), executor.submit(outer)];
  await begun.promise;
  calls.push(executor.with({ priority: 2 }).submit(urgent));
  gate.resolve();
  await Promise.all(calls);
  assertEquals(order, ["inner", "urgent"]);
});

Deno.test("Retries of an executor wait, those of a task go before, and those of a view before both", async () => {
  const tries = new Map<number, number>();
  const count = (n: number) => {
    tries.set(n, (tries.get(n) ?? 0) + 1);
    if (n < 0 || tries.get(n) === 1) throw new Error(`no ${n}`);
    return n;
  };
  const any = task(import.meta, count, { name: "countAny" });
  const own = task(import.meta, (n: number) => count(n), { name: "countOwn", retries: 0 });
  const retries = { times: 2, delay: 1, factor: 1, jitter: 1 };
  await using executor = new Executor({ workerType: "inline", retries });
  const items = Array.from({ length: 50 }, (_, n) => n);
  assertEquals(await Array.fromAsync(executor.map(any, items)), items);
  assertEquals([...tries.values()], items.map(() => 2));
  await assertRejects(async () => await executor.submit(any, -1), Error, "no -1");
  await assertRejects(async () => await executor.submit(own, -2), Error, "no -2");
  await assertRejects(async () => await executor.with({ retries: 3 }).submit(own, -3), Error);
  const view = executor.with({ retries: { times: 1, when: () => false } });
  await assertRejects(() => Array.fromAsync(view.map(any, [-4])), Error, "no -4");
  assertEquals([-1, -2, -3, -4].map((n) => tries.get(n)), [3, 1, 4, 1]);
});

Deno.test("A failure that is kept says how often the call has run, in maps, too", async () => {
  const fail = task(import.meta, (n: number) => {
    throw new Error(`no ${n}`);
  }, { name: "failAlways", retries: 2 });
  await using executor = new Executor({ workerType: "inline" });
  const cache = createMemoryCache();
  await cacheScope({ cache, keepFailures: true }, async () => {
    await assertRejects(async () => await executor.submit(fail, 1), Error, "no 1");
    for await (const _ of executor.map(fail, [2, 3], { onError: "skip" }));
  });
  const failed = await Array.fromAsync(query(cache, { state: "failed" }));
  assertEquals(failed.map(({ failure }) => failure?.attempts), [3, 3, 3]);
});

Deno.test("What a task and its executor say of comforts is checked by name", async () => {
  const define = (options: object) => () => task(import.meta, () => {}, options);
  for (
    const [options, error] of [
      [{ retries: -1 }, RangeError],
      [{ retries: {} }, TypeError],
      [{ retries: { times: NaN } }, RangeError],
      [{ retries: { times: 1, jitter: 2 } }, RangeError],
      [{ retries: { times: 1, dealy: 2 } }, TypeError],
      [{ deadline: NaN }, RangeError],
      [{ rate: { calls: 0, per: 1 } }, RangeError],
      [{ rate: { calls: 1 } }, TypeError],
      [{ rate: 5 }, TypeError],
      [{ limits: "api" }, TypeError],
      [{ needs: { cores: -1 } }, TypeError],
      [{ needs: { cores: NaN } }, TypeError],
      [{ isolate: "yes" }, TypeError],
    ] as const
  ) assertThrows(define({ name: "bad", ...options }), error, 'define task "bad"');
  assertThrows(() => new Executor({ limits: { api: 0 } }), TypeError, "limits");
  assertThrows(() => new Executor({ has: { cores: NaN } }), TypeError, "has");
  assertThrows(() => currentDirectory(), TypeError, "isolate");

  const limited = task(import.meta, (_: number) => {}, { name: "limited", limits: ["apu"] });
  const large = task(import.meta, (_: number) => {}, { name: "large", needs: { gpu: 3 } });
  const options = { workerType: "inline", limits: { api: 1 }, has: { gpu: 2 } } as const;
  await using executor = new Executor(options);
  for (const one of [executor, executor.with({})]) {
    assertThrows(() => one.submit(limited, 1), TypeError, 'no limit "apu", but api');
    assertThrows(() => one.map(large, [1]), TypeError, 'needs 3 of "gpu", and the executor has 2');
  }
});
