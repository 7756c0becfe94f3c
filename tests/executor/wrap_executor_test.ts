// Collaboration: what a wrapped pool is asked for, with pools that run calls in this isolate.
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  bind,
  cacheScope,
  CancelledError,
  createMemoryCache,
  currentScope,
  Executor,
  openBag,
  task,
  UnclonableError,
  withTags,
} from "@quiver/quiver";
import { CallStatus, Future } from "../../src/task/future.ts";
import { type PoolAdapter, wrapExecutor } from "@quiver/quiver/pools";
import { leaveNothing } from "../leave_nothing.ts";
import { findAdapter } from "../../src/executor/pools/pool_runner.ts";
import { WorkerCalls } from "../../src/executor/guest/worker_calls.ts";
import * as tasks from "./testdata/bound_tasks.ts";

leaveNothing();

const square = task(import.meta, function square(x: number): number {
  return x * x;
});

const sumOfSquares = task(import.meta, async function sumOfSquares(a: number, b: number) {
  return await square(a) + await square(b);
});

const fail = task(import.meta, function fail(): never {
  throw new RangeError("out of range");
});

/** A pool whose methods note what they are given and call functions when asked to. */
class FakePool {
  readonly taken: unknown[][] = [];
  async submit<T>(fn: (...args: never[]) => T, ...args: unknown[]): Promise<Awaited<T>> {
    this.taken.push([fn, ...args]);
    // Outside of the scope of whoever submits, as a queue would.
    await Promise.resolve();
    return await Reflect.apply(fn, undefined, args);
  }
}

// fleche 30
Deno.test("wrapExecutor() gives the same object, and wrapping twice is harmless", async () => {
  const pool = new FakePool();
  const wrapped = wrapExecutor(pool);
  assertStrictEquals<unknown>(wrapped, pool);
  assertStrictEquals<unknown>(wrapExecutor(wrapped), pool);
  assertStrictEquals<unknown>(wrapExecutor(pool, { method: "submit" }), pool);
  assertEquals(await wrapped.submit(square, 3), 9);
  assertEquals(pool.taken.length, 1);
  await using executor = new Executor({ workerType: "inline" });
  const { submit } = executor;
  assertStrictEquals<unknown>(wrapExecutor(executor), executor);
  assertStrictEquals(executor.submit, submit);
});

// fleche 31
Deno.test("wrapExecutor() settles a hit without touching the pool", async () => {
  const cache = createMemoryCache();
  const pool = wrapExecutor(new FakePool());
  await cacheScope({ cache }, async () => {
    const first = pool.submit(square, 4);
    assertInstanceOf(first, Future);
    assertEquals([await first, first.hit, pool.taken.length], [16, false, 1]);
    const second = pool.submit(square, 4);
    assertEquals([await second, second.hit, pool.taken.length], [16, true, 1]);
    assertEquals(second.state, "done");
  });
});

Deno.test("wrapExecutor() runs a miss in the scope it was submitted in", async () => {
  const cache = createMemoryCache();
  const pool = wrapExecutor(new FakePool());
  await cacheScope({ cache, tags: { a: 1 } }, () => pool.submit(sumOfSquares, 3, square(4)));
  const outer = await sumOfSquares.digest(3, 16);
  const nested = [await square.digest(3), await square.digest(16)];
  const read = async (key: string) => (await cache.record(key))?.metadata;
  assertEquals(await read(outer), { tags: { a: 1 }, calls: { made: nested } });
  for (const key of nested) {
    assertEquals(await read(key), { tags: { a: 1 }, calls: { by: outer } });
  }
});

Deno.test("wrapExecutor() answers a bound task from its own scope", async () => {
  const [own, outer] = [createMemoryCache(), createMemoryCache()];
  const pool = wrapExecutor(new FakePool());
  const bound = square.bind({ cache: own });
  await cacheScope({ cache: outer }, async () => {
    for (const hit of [false, true]) {
      const future = pool.submit(bound, 5);
      assertEquals([await future, future.hit], [25, hit]);
    }
  });
  assertEquals([pool.taken.length, outer.statistics().misses], [1, 0]);
});

// fleche 33
Deno.test("wrapExecutor() passes what is not a task through, and bind() has it see the scope", async () => {
  const cache = createMemoryCache();
  const pool = wrapExecutor(new FakePool());
  const plain = (a: number, b: number) => square(a * b);
  await cacheScope({ cache, tags: { a: 1 } }, async () => {
    assertEquals(await pool.submit(plain, 2, 3), 36);
    assertEquals(pool.taken.at(-1), [plain, 2, 3]);
    assertEquals(await pool.submit(bind(() => currentScope().tags)), { a: 1 });
    assertEquals(await pool.submit(bind(plain), 3, 3), 81);
  });
  assert(await cache.contains(await square.digest(9)));
});

Deno.test("wrapExecutor() computes a call once that is submitted twice at once", async () => {
  const pool = wrapExecutor(new FakePool());
  await cacheScope({ cache: createMemoryCache() }, async () => {
    const futures = [pool.submit(square, 6), pool.submit(square, 6)];
    assertEquals(await Promise.all(futures), [36, 36]);
    assertEquals(futures.map((future) => future.hit), [false, true]);
  });
  assertEquals(pool.taken.length, 1);
});

Deno.test("wrapExecutor() rejects with what the task or the pool throws, and remembers neither", async () => {
  const cache = createMemoryCache();
  const pool = wrapExecutor(new FakePool());
  const full = wrapExecutor({
    submit: (): never => {
      throw new Error("the pool is full");
    },
  });
  await cacheScope({ cache }, async () => {
    await assertRejects(() => pool.submit(fail), RangeError, "out of range");
    await assertRejects(() => full.submit(square, 7), Error, "the pool is full");
    assertEquals(await pool.submit(square, 7), 49);
  });
});

Deno.test("wrapExecutor() splits the options of run and exec off", async () => {
  const seen: unknown[][] = [];
  const options = { priority: 3 };
  const runner = wrapExecutor({
    run: (fn: () => unknown, ...rest: unknown[]) => (seen.push(rest), fn()),
  });
  const execs = wrapExecutor({
    exec: (fn: () => unknown, ...rest: unknown[]) => (seen.push(rest), fn()),
  });
  assertEquals(await runner.run(square, [8], options), 64);
  assertEquals(await execs.exec(square, [8], options), 64);
  assertEquals(await runner.run(square, [9]), 81);
  assertEquals(seen, [[options], [[], options], []]);
  assertThrows(() => runner.run(square, 8 as never), TypeError, "arguments come in an array");
  assertThrows(() => execs.exec(square, [8], 3 as never), TypeError, "options are no object");
});

Deno.test("wrapExecutor() gives a call up with the reason of the signal, though its pool does not", async () => {
  const given: (() => Promise<void>)[] = [];
  const taken = Promise.withResolvers<void>();
  const pool = wrapExecutor({
    run: async (fn: () => Promise<void>, _options?: object) => {
      given.push(fn);
      taken.resolve();
      await new Promise<void>(() => {});
    },
  });
  const controller = new AbortController();
  const { signal } = controller;
  const running = pool.run(square, [3], { signal });
  await taken.promise;
  controller.abort(new RangeError("enough"));
  await assertRejects(() => running, RangeError, "enough");
  assertEquals(running.state, "cancelled");
  const late = pool.run(square, [4], { signal });
  assertEquals(late.state, "cancelled");
  await assertRejects(() => late, RangeError, "enough");
  assertEquals(given.length, 1);
});

Deno.test("wrapExecutor() brings calls to other isolates by an adapter", async () => {
  const path = await Deno.makeTempDir();
  const calls = new WorkerCalls();
  const seen: (object | undefined)[] = [];
  const adapter: PoolAdapter = {
    method: "add",
    send: (give, call, options) => (seen.push(options), give(call)),
  };
  const pool = {
    add: async (call: unknown): Promise<unknown> => {
      assert(typeof call === "object");
      return structuredClone(
        await Reflect.apply(calls.run, calls, [structuredClone(call), new CallStatus("bound")]),
      );
    },
  };
  const add = wrapExecutor(pool, adapter).add;
  {
    await using bag = await openBag(`${path}/bag`, { fold: "manual" });
    await cacheScope({ cache: bag, strict: true }, () =>
      withTags({ a: 1 }, async () => {
        assertEquals(await Reflect.apply(add, pool, [tasks.quadruple, 3]), 12);
        assertEquals(await Reflect.apply(add, pool, [tasks.apply, tasks.double.bind(), 7]), 14);
        const read = async (key: string) => (await bag.record(key))?.metadata;
        const outer = await tasks.quadruple.digest(3);
        const nested = [await tasks.double.digest(3), await tasks.double.digest(6)];
        assertEquals(await read(outer), { tags: { a: 1 }, calls: { made: nested } });
        for (const key of nested) {
          assertEquals(await read(key), { tags: { a: 1 }, calls: { by: outer } });
        }
        const by = await tasks.apply.digest(tasks.double.bind(), 7);
        assertEquals(await read(await tasks.double.digest(7)), { tags: { a: 1 }, calls: { by } });
      }));
    await calls.close();
  }
  assertEquals(seen, [undefined, undefined]);
  await Deno.remove(path, { recursive: true });
});

Deno.test("wrapExecutor() names what a pool or an adapter does wrong", async () => {
  assertThrows(() => wrapExecutor({}), TypeError, "no method submit, run, exec");
  assertThrows(() => wrapExecutor({ run: () => {} }, { method: "add" }), TypeError, "`add`");
  const idle = wrapExecutor({ submit: () => 1 });
  await assertRejects(() => idle.submit(square, 1), TypeError, "has not called the function");
  const adapter: PoolAdapter = { method: "run", send: (give, call) => give(call) };
  const deaf = wrapExecutor({ run: (_: unknown) => Promise.resolve(1) }, adapter);
  await assertRejects(() => deaf.run(square, [1]), TypeError, "has not answered it by `runBound`");
  const error = await assertRejects(
    () => deaf.run(tasks.applyAll, [{ deep: () => 1 } as never]),
    UnclonableError,
  );
  assertStringIncludes(error.message, 'Cannot send args[0].deep of "applyAll" to a worker');
});

Deno.test("findAdapter() asks for a file where the pool can import no other module", async () => {
  const given: unknown[][] = [];
  const give = (...args: unknown[]) => given.push(args);
  const call = { module: "file:///m.ts", task: "t", args: [], context: undefined };
  const remote = "https://jsr.io/@quiver/quiver/0.1.0/src/executor/pools/pool_worker.ts";
  const threads = findAdapter({ run: () => {}, threads: [], options: {} }, "run", remote);
  assertThrows(() => threads.send?.(give, call, {}), TypeError, "pass the option `filename`");
  const options = { filename: "/my_worker.ts", name: "mine" };
  threads.send?.(give, call, options);
  const execs = findAdapter({ exec: () => {}, proxy: () => {} }, "exec", remote);
  await execs.send?.(give, call, undefined);
  assertEquals(given[0], [call, options]);
  assertEquals(given[1]?.[0], "run");
  assertStringIncludes(JSON.stringify(given[1]?.[1]), remote);
});

/** A queue as p-queue is: options stand behind the function. */
class Queue {
  readonly taken: (QueueOptions | undefined)[] = [];
  async add<T>(fn: () => T | Promise<T>, options?: QueueOptions): Promise<T> {
    this.taken.push(options);
    await Promise.resolve();
    return await fn();
  }
}

interface QueueOptions {
  readonly priority?: number;
  readonly signal?: AbortSignal;
}

const describe = task(import.meta, function describe(...args: unknown[]): string {
  return JSON.stringify(args);
});

Deno.test("wrapExecutor() gives a pool options that never become arguments of the task", async () => {
  const cache = createMemoryCache();
  const queue = wrapExecutor(new Queue());
  await cacheScope({ cache }, async () => {
    const urgent = queue.add.with({ priority: 2 });
    assertEquals(await urgent(describe, 3), "[3]");
    assertEquals(queue.taken, [{ priority: 2 }]);
    // Options are not part of the key.
    const again = queue.add.with({ priority: 5 })(describe, 3);
    assertEquals([await again, again.hit, queue.taken.length], ["[3]", true, 1]);
    // What stands behind the task is the task's, whatever it looks like.
    assertEquals(await queue.add(describe, 3, { priority: 1 }), '[3,{"priority":1}]');
    assertEquals(await urgent(describe, { priority: 1 }), '[{"priority":1}]');
    assertEquals(await urgent(describe), "[]");
    assertEquals(queue.taken.slice(1), [undefined, { priority: 2 }, { priority: 2 }]);
    // What is no task goes to the queue as before.
    assertEquals(await queue.add(() => 7, { priority: 9 }), 7);
    assertEquals(queue.taken.at(-1), { priority: 9 });
  });
  // @ts-expect-error The queue knows no such option.
  queue.add.with({ priorty: 2 });
});

Deno.test("wrapExecutor() refuses options that stand behind a task as the pool has them", async () => {
  const cache = createMemoryCache();
  const queue = wrapExecutor(new Queue());
  const misplaced = () => Reflect.apply(queue.add, queue, [square, 3, { priority: 1 }]);
  const rest = task(import.meta, (_: number, ...more: object[]) => more.length, { name: "rest" });
  const optional = task(import.meta, (_: number, { by = 1 } = {}) => by, { name: "optional" });
  const counts = task(import.meta, function counts(_: number): number {
    return arguments.length;
  });
  for (const options of [{}, { cache }]) {
    await cacheScope(options, async () => {
      await assertRejects(misplaced, TypeError, "options of the pool go ahead of it");
      assertEquals(await queue.add(rest, 3, { a: 1 }), 1);
      assertEquals(await queue.add(optional, 3, { by: 2 }), 2);
      assertEquals(await Reflect.apply(queue.add, queue, [counts, 3, { a: 1 }]), 2);
    });
  }
  assertEquals(await cache.contains(await square.digest(3)), false);
});

Deno.test("wrapExecutor() takes options for submit, and for the method that an adapter names", async () => {
  const pool = wrapExecutor(new FakePool());
  assertEquals(await pool.submit.with({ timeout: 5 })(square, 3), 9);
  assertEquals(pool.taken.at(-1)?.slice(1), [{ timeout: 5 }]);
  const given: unknown[] = [];
  const push = async <T>(fn: () => T | Promise<T>, options?: object) => {
    given.push(options);
    return await fn();
  };
  const queue = wrapExecutor({ push }, { method: "push" });
  const [plain, urgent] = [queue.push(square, 4), queue.push.with({ first: true })(square, 5)];
  assertEquals([await plain, await urgent], [16, 25]);
  assertEquals(given, [undefined, { first: true }]);
});

Deno.test("wrapExecutor() follows the signal among a pool's options", async () => {
  const queue = wrapExecutor({
    add: (_: () => unknown, _options?: QueueOptions) => new Promise(() => {}),
  });
  const controller = new AbortController();
  const { signal } = controller;
  const waiting = queue.add.with({ signal })(square, 3);
  controller.abort(new RangeError("enough"));
  await assertRejects(() => waiting, RangeError, "enough");
  await assertRejects(() => queue.add.with({ signal })(square, 4), RangeError, "enough");
});

Deno.test("wrapExecutor() lets others run a call that was given up when its pool had dropped it", async () => {
  let given = Promise.withResolvers<() => unknown>();
  const queue = wrapExecutor({
    add: (fn: () => unknown, _options?: QueueOptions) => {
      given.resolve(fn);
      return new Promise(() => {});
    },
  });
  const controller = new AbortController();
  await cacheScope({ cache: createMemoryCache() }, async () => {
    const signalled = queue.add.with({ signal: controller.signal })(square, 70);
    const late = await given.promise;
    controller.abort(new RangeError("enough"));
    await assertRejects(() => signalled, RangeError, "enough");
    assertEquals([await square(70), await late()], [4900, undefined]);
    given = Promise.withResolvers();
    const aborted = queue.add(square, 71);
    await given.promise;
    const waiting = square(71);
    aborted.abort();
    await assertRejects(() => aborted, CancelledError);
    assertEquals([await waiting, waiting.hit], [5041, false]);
  });
});

Deno.test("wrapExecutor() names options that are none, and functions that are no task", () => {
  const queue = wrapExecutor(new Queue());
  assertThrows(() => queue.add.with(3 as never), TypeError, "Cannot add calls: the pool's options");
  const urgent = queue.add.with({ priority: 1 });
  assertThrows(() => urgent((() => 1) as never), TypeError, "it is not a task");
});
