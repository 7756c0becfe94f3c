// The tests of wrapped pools, which wrapped_pools_test.ts runs with the permissions that the pools need.
import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import {
  cacheScope,
  createMemoryCache,
  type Future,
  openBag,
  type Task,
  UnclonableError,
  withTags,
} from "@quiver/quiver";
import { type PoolArguments, wrapExecutor } from "@quiver/quiver/pools";
import { Piscina } from "piscina";
import { Tinypool } from "tinypool";
import workerpool from "workerpool";
import * as carried from "./carried_tasks.ts";
import * as tasks from "./pool_tasks.ts";

/** A wrapped pool with one worker. */
interface WrappedPool extends AsyncDisposable {
  /** Calls a task by the pool's method. */
  call<A extends readonly unknown[], R>(task: Task<A, R>, ...rest: PoolArguments<A>): Future<R>;
  /** Calls something of the pool's own by its method. */
  own(): Promise<unknown>;
  /** How often the pool's method was called. */
  taken(): number;
}

const OWN = new URL("./pool_module.ts", import.meta.url).href;

/** Counts how often a method is called, beneath what `wrapExecutor` puts there. */
function count(pool: object, method: string): () => number {
  let calls = 0;
  const own = Reflect.get(pool, method);
  Reflect.set(pool, method, (...args: unknown[]) => {
    calls++;
    return Reflect.apply(own, pool, args);
  });
  return () => calls;
}

function openPiscina(): WrappedPool {
  const pool = new Piscina({ minThreads: 1, maxThreads: 1 });
  const taken = count(pool, "run");
  const { run } = wrapExecutor(pool);
  return {
    call: run,
    own: () => run(3, { filename: OWN, name: "half" }),
    taken,
    [Symbol.asyncDispose]: () => pool.destroy(),
  };
}

function openTinypool(runtime: "worker_threads" | "child_process"): WrappedPool {
  // With `Atomics.wait`, its default, most of its threads never start in Deno 2.9.6.
  const pool = new Tinypool({ minThreads: 1, maxThreads: 1, runtime, useAtomics: false });
  const taken = count(pool, "run");
  const { run } = wrapExecutor(pool);
  return {
    call: run,
    own: () => run(3, { filename: OWN, name: "half" }),
    taken,
    [Symbol.asyncDispose]: () => pool.destroy(),
  };
}

function openWorkerpool(
  workerType: "thread" | "process",
  serialization: "json" | "advanced" = "json",
): WrappedPool {
  const pool = workerpool.pool({ maxWorkers: 1, workerType, forkOpts: { serialization } });
  const taken = count(pool, "exec");
  const { exec } = wrapExecutor(pool);
  return {
    call: exec,
    own: async () => await exec((x: number) => x / 2, [3]),
    taken,
    [Symbol.asyncDispose]: async () => void await pool.terminate(),
  };
}

const POOLS: { readonly [name: string]: () => WrappedPool } = {
  "piscina": openPiscina,
  "tinypool, threads": () => openTinypool("worker_threads"),
  "tinypool, processes": () => openTinypool("child_process"),
  "workerpool, threads": () => openWorkerpool("thread"),
  "workerpool, processes": () => openWorkerpool("process"),
  "workerpool, processes that clone": () => openWorkerpool("process", "advanced"),
};

for (const [name, open] of Object.entries(POOLS)) {
  const test = (title: string, fn: () => Promise<void>) => Deno.test(`${name}: ${title}`, fn);

  // fleche 29, 30, 31
  test("wrapExecutor() fills the bag in the pool's worker, and a hit does not touch the pool", async () => {
    const path = await Deno.makeTempDir();
    {
      await using bag = await openBag(`${path}/bag`, { fold: "manual" });
      await using pool = open();
      await cacheScope({ cache: bag, strict: true }, () =>
        withTags({ a: 1 }, async () => {
          const first = pool.call(tasks.sumOfSquares, [3, 4]);
          assertEquals([await first, first.hit, pool.taken()], [25, false, 1]);
          const outer = await tasks.sumOfSquares.digest(3, 4);
          const nested = [await tasks.square.digest(3), await tasks.square.digest(4)];
          assertEquals((await bag.record(outer))?.metadata, {
            tags: { a: 1 },
            calls: { made: nested },
          });
          for (const key of nested) {
            assertEquals((await bag.record(key))?.metadata, {
              tags: { a: 1 },
              calls: { by: outer },
            });
          }
          const second = pool.call(tasks.sumOfSquares, [3, 4]);
          assertEquals([await second, second.hit, pool.taken()], [25, true, 1]);
          const bound = tasks.square.bind({ tags: { b: 2 } });
          assertEquals(await pool.call(bound, [5]), 25);
          assertEquals((await bag.record(await tasks.square.digest(5)))?.metadata, {
            tags: { a: 1, b: 2 },
          });
        }));
    }
    await Deno.remove(path, { recursive: true });
  });

  test("wrapExecutor() carries data and errors as they are, and other work passes through", async () => {
    const cache = createMemoryCache();
    await using pool = open();
    assertEquals(await pool.own(), 1.5);
    await cacheScope({ cache, strict: true }, async () => {
      const result = await pool.call(tasks.reverse, [Float64Array.of(1, -0, NaN)]);
      assertEquals(result, new Map([["reversed", Float64Array.of(NaN, -0, 1)]]));
      assert(await tasks.reverse.contains(Float64Array.of(1, -0, NaN)));
    });
    await assertRejects(() => pool.call(tasks.fail, ["type"]), TypeError, "of the wrong type");
    const error = await assertRejects(() => pool.call(tasks.fail, ["own"]), Error, "of the task");
    assertEquals([error.name, Reflect.get(error, "code")], ["PoolError", 42]);
    assertInstanceOf(error.cause, RangeError);
    await assertRejects(() => pool.call(tasks.fail, ["result"]), UnclonableError, "deep[0]");
    await assertRejects(() => pool.call(tasks.square, [(() => 1) as never]), UnclonableError);
    assertEquals(await pool.call(tasks.square, [6]), 36);
  });

  test("wrapExecutor() carries URLs and errors, and refuses what would arrive as nothing", async () => {
    await using pool = open();
    const url = new URL("http://a.b/?c=d");
    assertEquals(await pool.call(carried.echo, [[url]]), [url]);
    const back = await pool.call(carried.echo, [new AggregateError([new carried.KnownError(3)])]);
    assertInstanceOf(back, AggregateError);
    assertInstanceOf(back.errors[0], carried.KnownError);
    await assertRejects(
      () => pool.call(carried.make, ["headers"]),
      UnclonableError,
      "Cannot send result.list[0] back from a worker: an instance of Headers arrives as an empty",
    );
    await assertRejects(
      () => pool.call(carried.echo, [[new Headers()]]),
      UnclonableError,
      'Cannot send args[0][0] of "echo" to a worker: an instance of Headers arrives as an empty',
    );
    await assertRejects(() => pool.call(carried.make, ["deep"]), UnclonableError, "too deeply");
  });
}

for (const name of ["piscina", "tinypool, threads"]) {
  const open = POOLS[name] ?? openPiscina;

  Deno.test(`${name}: wrapExecutor() ends a call by the pool's signal, for its caller only`, async () => {
    await using pool = open();
    const runs = new Int32Array(new SharedArrayBuffer(4));
    const [running, waiting] = [new AbortController(), new AbortController()];
    await cacheScope({ cache: createMemoryCache() }, async () => {
      const leader = pool.call(tasks.hangOnce, [runs], { signal: running.signal });
      const other = pool.call(tasks.hangOnce, [runs]);
      const third = pool.call(tasks.hangOnce, [runs], { signal: waiting.signal });
      await Atomics.waitAsync(runs, 0, 0).value;
      waiting.abort(new RangeError("enough of waiting"));
      await assertRejects(() => third, RangeError, "enough of waiting");
      running.abort(new RangeError("enough of running"));
      await assertRejects(() => leader, RangeError, "enough of running");
      assertEquals([await other, runs[0]], [2, 2]);
    });
  });
}

for (const name of ["piscina", "workerpool, processes"]) {
  const open = POOLS[name] ?? openPiscina;

  Deno.test(`${name}: wrapExecutor() loses only the call whose worker dies`, async () => {
    await using pool = open();
    await assertRejects(() => pool.call(tasks.die, []), Error);
    assertEquals(await pool.call(tasks.square, [7]), 49);
  });
}
