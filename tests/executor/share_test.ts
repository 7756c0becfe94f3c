// end-to-end: a shared value is the value itself to keys and tasks, on every kind of worker
import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import {
  type Bag,
  type Cache,
  cacheScope,
  ChangedArgumentError,
  createMemoryCache,
  currentScope,
  Executor,
  openBag,
  ScopeClosedError,
  share,
  WorkerDiedError,
} from "@quiver/quiver";
import { type BoundCall, runBound, wrapExecutor } from "@quiver/quiver/pools";
import type { OutcomeListener } from "../../src/executor/dispatch/call.ts";
import { WorkerRunner } from "../../src/executor/engine/runner.ts";
import { LACKS } from "../../src/executor/wire/call_context.ts";
import { answerCall } from "../../src/task/call_task.ts";
import { requireDefinition } from "../../src/task/definition.ts";
import type { CallRequest } from "../../src/worker/worker.ts";
import { leaveNothing } from "../leave_nothing.ts";
import type { Sample } from "./testdata/share_tasks.ts";
import * as tasks from "./testdata/share_tasks.ts";

leaveNothing();

const LENGTH = 40_000;

function createArray(): Float64Array {
  return tasks.makeArray(LENGTH);
}

function createSample(data: Float64Array): Sample {
  return { data, names: new Map([["k", 7]]), nested: { list: [1, 2] } };
}

/** A bag in a folder of its own, which is gone at the end. */
async function openOwnBag(): Promise<
  { readonly bag: Bag; readonly path: string } & AsyncDisposable
> {
  const path = await Deno.makeTempDir();
  const bag = await openBag(`${path}/results.bag`, { fold: "manual" });
  const end = async () => {
    await bag.close();
    await Deno.remove(path, { recursive: true });
  };
  return { bag, path, [Symbol.asyncDispose]: end };
}

function within<T>(cache: Cache | undefined, fn: () => Promise<T>): Promise<T> {
  return cache === undefined ? fn() : cacheScope({ cache, onWarning: () => {} }, fn);
}

for (const workerType of ["web", "process", "inline"] as const) {
  Deno.test(`${workerType}: a shared value counts and arrives as the value itself`, async () => {
    await using own = await openOwnBag();
    await using executor = new Executor({ maxWorkers: 1, workerType });
    for (const cache of [undefined, createMemoryCache(), own.bag]) {
      const data = createArray();
      const sample = createSample(data);
      using shared = share(data);
      using whole = share(sample);
      data.fill(0); // What is shared is what it was.
      const plain = createArray();
      await within(cache, async () => {
        const calls = [1, 2, 3].map((index) => executor.submit(tasks.at, shared, index));
        assertEquals(await Promise.all(calls), [0.5, 1, 1.5]);
        const expected = ["SharedArrayBuffer", 7, [1, 2], 2.5];
        assertEquals(await executor.submit(tasks.describe, whole, 5), expected);
        const inside = { ...createSample(plain), data: shared };
        assertEquals(await executor.submit(tasks.describe, inside, 6), [
          ...expected.slice(0, 3),
          3,
        ]);
        const { nested } = sample;
        for (const nothing of [undefined, null, 0]) {
          const names = new Map([["k", share(nothing)]]) as unknown as Map<string, number>;
          const described = executor.submit(tasks.describe, { ...sample, names, nested }, 0);
          assertEquals(await described, ["ArrayBuffer", nothing, [1, 2], 0]);
        }
        const items = [{ data: shared, at: 3 }, { data: shared, at: 4 }];
        const picked = executor.map(
          tasks.pick,
          items as unknown as { data: Float64Array; at: number }[],
        );
        assertEquals(await Array.fromAsync(picked), [1.5, 2]);
        // What comes back is the caller's own.
        for (const [count, length] of [[0, LENGTH], [3, 3]] as const) {
          const result = await executor.submit(tasks.back, shared, count);
          assertEquals([result.length, result.buffer.constructor.name], [length, "ArrayBuffer"]);
        }
        if (cache === undefined) return;
        assert(await tasks.at.contains(plain, 1));
        assert(await tasks.describe.contains(createSample(plain), 5));
        assert(await tasks.describe.contains(createSample(plain), 6));
        assert(await tasks.pick.contains({ data: plain, at: 4 }));
        const hit = executor.submit(tasks.at, plain, 2);
        assertEquals([await hit, hit.hit], [1, true]);
      });
    }
  });

  Deno.test(`${workerType}: a worker gets a shared value once, and each new worker again`, async () => {
    const array = createArray();
    using shared = share(array);
    using list = share([array, { deep: ["text"] }]);
    await using executor = new Executor({ maxWorkers: 1, workerType });
    const submit = (value: unknown) => executor.submit(tasks.sameAsLast, value, 0);
    const same = [];
    for (const value of [shared, shared, list, list]) same.push(await submit(value));
    assertEquals(same, [false, true, false, true]);
    if (workerType === "inline") return;
    await assertRejects(async () => await executor.submit(tasks.die, shared), WorkerDiedError);
    assertEquals(await submit(shared), false);
    assertEquals(await executor.submit(tasks.at, shared, 3), 1.5);
  });

  Deno.test(`${workerType}: what was written to a shared value is not remembered`, async () => {
    await using own = await openOwnBag();
    for (const cache of [createMemoryCache(), own.bag]) {
      const plain = createArray();
      using shared = share(plain);
      {
        await using executor = new Executor({ maxWorkers: 1, workerType });
        await within(cache, async () => {
          const refused = await executor.submit(tasks.refused, shared, share([1, 2]));
          assertEquals(refused.map((text) => text === ""), [false, false, false, false]);
          assertEquals(await executor.submit(tasks.at, shared, 1), 0.5);
          // All of it: nothing that is looked at can miss that.
          for (let index = 0; index < LENGTH; index += 512) {
            const written = executor.submit(tasks.write, shared, index);
            if (await written.catch((error) => error) instanceof ChangedArgumentError) break;
          }
        });
      }
      await within(cache, async () => {
        for (let index = 0; index < LENGTH; index += 512) {
          assertEquals(await tasks.write.contains(plain, index), false, `${index}`);
        }
      });
      if (workerType === "process") continue;
      const failed = await assertRejects(
        async () => await within(cache, async () => await tasks.at(shared, 9)),
        ChangedArgumentError,
      );
      assertEquals(failed.message.includes("has written into its arrays"), true);
    }
  });

  Deno.test(`${workerType}: calls have what was shared when they were made`, async () => {
    await using executor = new Executor({ maxWorkers: 1, workerType });
    for (const cache of [undefined, createMemoryCache()]) {
      await within(cache, async () => {
        const submit = () => {
          using shared = share(createArray());
          return [1, 2].map((index) => executor.submit(tasks.at, shared, index));
        };
        assertEquals(await Promise.all(submit()), [0.5, 1]);
        const closed = share(createArray());
        closed.close();
        closed.close();
        const said = "its handle was closed; share the value again";
        for (
          const call of [
            () => executor.submit(tasks.at, closed, 1),
            () => tasks.at(closed, 1),
            () => tasks.pick({ data: closed, at: 1 }),
          ]
        ) await assertRejects(async () => await call(), ScopeClosedError, said);
      });
    }
  });

  Deno.test(`${workerType}: a task passes a shared array on`, async () => {
    await using own = await openOwnBag();
    await using executor = new Executor({ maxWorkers: 1, workerType });
    for (const cache of [undefined, own.bag]) {
      using shared = share(createArray());
      const passed = await within(
        cache,
        async () => await executor.submit(tasks.passOn, shared, 7),
      );
      assertEquals(passed, [3.5, 3.5, 4]);
      // The array of an instance is none of a copy, and what comes back is the caller's own.
      using wave = share(new tasks.Wave(createArray()));
      assertEquals(wave.byteLength, 8 * LENGTH);
      const back = await within(cache, async () => await executor.submit(tasks.backWave, wave));
      const about = [back instanceof tasks.Wave, back.data.buffer.constructor.name, back.data[5]];
      assertEquals(about, [true, "ArrayBuffer", 2.5]);
      if (cache === undefined || workerType !== "inline") continue;
      await within(cache, async () => {
        await executor.submit(tasks.writeWave, wave);
        assertEquals(await tasks.writeWave.contains(new tasks.Wave(createArray())), false);
        await assertRejects(() => tasks.backWave(wave), ChangedArgumentError, "has written");
      });
    }
    await within(own.bag, async () => assert(await tasks.at.contains(createArray(), 7)));
  });
}

Deno.test("web: what a worker has written to is found, though it was ended before it could look", async () => {
  await using own = await openOwnBag();
  const plain = createArray();
  await within(own.bag, async () => {
    const shared = share(plain);
    const executor = new Executor({ maxWorkers: 1 });
    await executor.submit(tasks.at, shared, 1);
    await executor.submit(tasks.write, shared, 4321).catch(() => {});
    await executor.submit(tasks.at, shared, 4321).catch(() => {});
    executor.terminate();
    shared.close();
    assertEquals(await tasks.at.contains(plain, 4321), false);
    assertEquals(await tasks.write.contains(plain, 4321), false);
  });
});

Deno.test("process: a worker that cannot read the bag is sent what is shared", async () => {
  await using own = await openOwnBag();
  const root = new URL("../../", import.meta.url);
  const read = [root.pathname, Deno.realPathSync(new URL("node_modules", root))];
  const permissions = { read, write: false, env: true } as const;
  await using executor = new Executor({ maxWorkers: 1, workerType: "process", permissions });
  using shared = share(createArray());
  const warnings: string[] = [];
  const onWarning = ({ message }: { message: string }) => void warnings.push(message);
  await cacheScope({ cache: own.bag, onWarning }, async () => {
    assertEquals(await executor.submit(tasks.at, shared, 3), 1.5);
  });
  assert(warnings.some((text) => text.includes("in a worker: calls there are not remembered")));
});

Deno.test("process: a large result of another call is read where it is stored", async () => {
  await using own = await openOwnBag();
  await using executor = new Executor({ maxWorkers: 2, workerType: "process" });
  await cacheScope({ cache: own.bag }, async () => {
    const made = executor.submit(tasks.make, 200_000);
    const read = [1, 2].map((index) => executor.submit(tasks.at, made, index));
    assertEquals(await Promise.all(read), [0.5, 1]);
    assertEquals(await executor.submit(tasks.write, made, 3), 3);
    assertEquals(await executor.submit(tasks.at, made, 3), 1.5);
  });
});

Deno.test("WorkerRunner has workers read what the cache has, and sends what they lack", async () => {
  await using own = await openOwnBag();
  const requests: CallRequest[] = [];
  const sources = [LACKS, "computed"];
  const dispatch = (request: CallRequest, _: unknown, listener: OutcomeListener) => {
    requests.push(request);
    const source = sources[requests.length - 1] ?? "";
    listener.resolve({ type: "value", value: 1, source, duration: 0, warnings: [] });
  };
  const runner = new WorkerRunner({ dispatch }, false, { reads: true });
  const array = tasks.makeArray(200_000);
  await cacheScope({ cache: own.bag }, async () => {
    const digest = await own.bag.putValue(array);
    const call = () =>
      answerCall(requireDefinition(tasks.at, "call"), [array, 1], currentScope(), runner);
    assertEquals(await call(), 1);
    const stored = requests.map(({ context }) => Reflect.get(Object(context), "stored"));
    assertEquals(stored, [[[0, digest]], undefined]);
    assertEquals(requests.map(({ args }) => args[0]), [undefined, array]);
    // So it is with what has large arrays in it.
    const sample = createSample(array);
    const within = await own.bag.putValue(sample);
    for (const [given, wanted] of [[sample, [[0, within]]], [{ ...sample, z: 1 }, undefined]]) {
      requests.length = 1;
      const args = [Promise.resolve(given), 1];
      await answerCall(requireDefinition(tasks.describe, "call"), args, currentScope(), runner);
      assertEquals(Reflect.get(Object(requests[1]?.context), "stored"), wanted);
    }
  });
});

Deno.test("process: a value that is damaged in the bag is sent instead", async () => {
  await using own = await openOwnBag();
  await using executor = new Executor({ maxWorkers: 1, workerType: "process" });
  using shared = share(createArray());
  await cacheScope({ cache: own.bag }, async () => {
    await own.bag.putValue(shared);
    for await (const { name } of Deno.readDir(`${own.bag.path}/journal`)) {
      using file = await Deno.open(`${own.bag.path}/journal/${name}`, { write: true });
      await file.seek(1000, Deno.SeekMode.Start);
      await file.write(new Uint8Array(64).fill(9));
    }
    assertEquals(await executor.submit(tasks.at, shared, 3), 1.5);
  });
});

Deno.test("task.load(), evict() and explain() take shared values for what they stand for", async () => {
  await cacheScope({ cache: createMemoryCache() }, async () => {
    using list = share([1, 2, 4]);
    await tasks.count([1, 2, 3]);
    const explanation = await tasks.count.explain(list);
    assert(String(explanation).includes("[ 1, 2, 3 ] → [ 1, 2, 4 ]"), String(explanation));
    assertEquals(await tasks.count(list), 3);
    assertEquals(await tasks.count.load(list), 3);
    assertEquals(await tasks.count.digest(list), await tasks.count.digest([1, 2, 4]));
    assertEquals(await tasks.count.evict(list), true);
    assertEquals(await tasks.count.contains([1, 2, 4]), false);
  });
});

Deno.test("a call here gets what is shared, and looks at all of it afterwards", async () => {
  const cache = createMemoryCache();
  using shared = share(createArray());
  assertEquals(await tasks.at(shared, 1), 0.5);
  await cacheScope({ cache, onWarning: () => {} }, async () => {
    assertEquals(await tasks.at(shared, 1), 0.5);
    assertInstanceOf(shared.value.buffer, SharedArrayBuffer);
    assertEquals(await tasks.write(shared, 12_345), 12_345);
    assertEquals(await tasks.write.contains(createArray(), 12_345), false);
    await assertRejects(async () => await tasks.at(shared, 2), ChangedArgumentError);
    assertEquals(await tasks.at.contains(createArray(), 1), false);
  });
});

Deno.test("wrapExecutor() gives a pool copies of what is shared", async () => {
  const pool = wrapExecutor(
    { run: async (call: BoundCall) => await runBound(structuredClone(call)) },
    { method: "run", send: (give, call) => give(call) },
  );
  // The first one makes this isolate a pool's worker.
  using whole = share(createSample(createArray()));
  assertEquals(await pool.run(tasks.describe, [whole, 4]), ["ArrayBuffer", 7, [1, 2], 2]);
});
