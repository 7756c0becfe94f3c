// End-to-end: tasks that are made of methods have `this` as their first argument, and no others have one.
import { assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import {
  cacheScope,
  createMemoryCache,
  Executor,
  method,
  task,
  type WorkerType,
} from "@quiver/quiver";
import { query } from "@quiver/quiver/caches";
import { WorkerCalls } from "../../src/executor/guest/worker_calls.ts";
import { CallStatus } from "../../src/task/future.ts";
import { requireDefinition } from "../../src/task/definition.ts";
import { WORKER_TYPES } from "../../src/worker/worker.ts";
import { leaveNothing } from "../leave_nothing.ts";
import {
  careful,
  careless,
  Chain,
  flipped,
  Lattice,
  Local,
  magnetisation,
  ofChain,
  scaled,
  twice,
} from "../executor/testdata/method_tasks.ts";

leaveNothing();

const NO_THIS = "its function uses `this`, which a task does not have; make the task of `method(";

for (const workerType of WORKER_TYPES) {
  Deno.test(`${workerType}: a task of a method runs with its first argument as this`, async () => {
    await using executor = new Executor({ workerType, maxWorkers: 1 });
    assertEquals(await executor.submit(magnetisation, Lattice.of(1, 1, -1), 3), 3);
    await cacheScope({ cache: createMemoryCache() }, async () => {
      const lattice = Lattice.of(1, 1, 1);
      assertEquals(await executor.submit(magnetisation, lattice, 2), 6);
      const turned = await executor.submit(flipped, lattice);
      assertInstanceOf(turned, Lattice);
      assertEquals(await executor.submit(magnetisation, executor.submit(flipped, lattice), 2), -6);
      const items = [Lattice.of(1), Lattice.of(-1)];
      const all = await Array.fromAsync(executor.map(flipped, items));
      assertEquals(all.map(({ spins }) => spins[0]), [-1, 1]);
    });
    await refuseThis(workerType, executor);
  });
}

async function refuseThis(workerType: WorkerType, executor: Executor): Promise<void> {
  for (const cache of [undefined, createMemoryCache()]) {
    await cacheScope(cache === undefined ? {} : { cache }, async () => {
      await assertRejects(async () => await executor.submit(careless), TypeError, NO_THIS);
      await assertRejects(async () => await careless(), TypeError, NO_THIS);
      const items = Array.fromAsync(executor.map(careless as never, [1]));
      await assertRejects(async () => await items, TypeError, NO_THIS);
      assertEquals([await executor.submit(careful, 3), await careful(4)], [3, 4], workerType);
    });
  }
}

// fleche 11
Deno.test("keys of methods count this as the first argument, and the method's defaults", async () => {
  const cache = createMemoryCache();
  await cacheScope({ cache }, async () => {
    await magnetisation(Lattice.of(1, -1, 1), 2);
    const known = async (...args: Parameters<typeof magnetisation>) =>
      await magnetisation.contains(...args);
    assertEquals(await known(Lattice.of(1, -1, 1), 2, 1), true);
    assertEquals(await known(Lattice.of(1, -1, 1), 2, 3), false);
    assertEquals(await known(Lattice.of(1, 1, 1), 2), false);
    assertEquals([await scaled({ n: 2 }, 3), await scaled({ n: 2 }, 5)], [6, 6]);
    assertEquals([await twice(new Local(4)), await twice.contains(new Local(4))], [8, true]);
  });
  const [record] = await Array.fromAsync(query(cache, { task: magnetisation }));
  assertEquals(record?.args.map(({ name }) => name), ["this", "field", "unit"]);
});

Deno.test("a task of a method takes instances of its very class", async () => {
  const state =
    'Cannot call "magnetisation": its first argument is no instance of the class "Lattice"';
  for (const other of [new Chain(Int8Array.of(1)), { spins: 1 }, undefined, 1]) {
    const call = async () => await magnetisation(other as never, 1);
    await assertRejects(call, TypeError, state);
  }
  assertEquals(await ofChain(new Chain(Int8Array.of(1)), 1), 1);
  // Without a registration a class is lost on the way to a worker.
  await using executor = new Executor({ workerType: "web", maxWorkers: 1 });
  const lost = async () => await executor.submit(twice, new Local(1));
  await assertRejects(lost, TypeError, "register the class by `registerClass()`, if it has lost");
});

Deno.test("method() refuses what is no method", () => {
  assertThrows(
    () => method(Lattice, "missing" as "flipped"),
    TypeError,
    'Cannot make a method of "missing": "Lattice" has no such method',
  );
  assertThrows(() => method(1 as never), TypeError, "Cannot make a method of 1: it is no function");
  assertThrows(() => method(undefined as never, "x" as never), TypeError, "has no such method");
});

const said: string[] = [];

const patient = task(import.meta, function patient(_: number): void {
  // What names this is read before it runs.
  said.push("body");
});

Deno.test("a function that may use `this` is looked at before the deadline of its first call begins", async () => {
  const calls = new WorkerCalls();
  const { module, name } = requireDefinition(patient, "test").address;
  const control = Object.assign(new CallStatus("patient"), {
    send: (kind: string) => {
      said.push(kind);
      queueMicrotask(() => said.push("later"));
      return true;
    },
  });
  const chunk = {};
  for (const context of [{ announce: true }, { announce: true, chunk }]) {
    said.length = 0;
    await calls.run(
      { module, task: name, args: [1], context: { tags: {}, strict: false, ...context } },
      control,
    );
    assertEquals(said.slice(0, 3), ["started", "body", "later"]);
  }
});
