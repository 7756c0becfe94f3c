// End-to-end: tasks called in this isolate, with a memory cache.
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertNotEquals,
  assertRejects,
  assertThrows,
} from "@std/assert";
import {
  CacheMissError,
  cacheScope,
  createMemoryCache,
  currentScope,
  digestSymbol,
  Future,
  IndigestibleError,
  query,
  QuiverError,
  task,
  type TaskOptions,
  withTags,
} from "@quiver/quiver";
import { TaskDefinition } from "../../src/task/task_definition.ts";

let runs = 0;
function addUp(a: number, b = 2): number {
  runs++;
  return a + b;
}
const add = task(import.meta, addUp, { name: "add" });

async function inCache<T>(fn: (warnings: string[]) => Promise<T>): Promise<T> {
  const warnings: string[] = [];
  const onWarning = ({ message }: { message: string }) => warnings.push(message);
  runs = 0;
  return await cacheScope({ cache: createMemoryCache(), onWarning }, () => fn(warnings));
}

// fleche 1, 3
Deno.test("task() runs the body once for equal calls", () =>
  inCache(async () => {
    assertEquals(await add(1), 3);
    assertEquals(await add(1), 3);
    assertEquals(await add(1, 2), 3);
    assertEquals(await add(1, undefined), 3);
    assertEquals(runs, 1);
  }));

// fleche 2
Deno.test("task() behaves the same with and without options", async () => {
  const bare = task(import.meta, function bare(x: number) {
    return x;
  });
  const optioned = task(import.meta, function optioned(x: number) {
    return x;
  }, {});
  await inCache(async () => {
    for (const each of [bare, optioned]) {
      assertEquals([await each(1), await each.contains(1)], [1, true]);
    }
  });
});

Deno.test("task() runs the body each time without a cache", async () => {
  runs = 0;
  const first = add(1);
  assertEquals(await first, 3);
  assertEquals(first.hit, false);
  assertEquals(first.key, undefined);
  await add(1);
  assertEquals(runs, 2);
});

/** The key of `f(1)` at one moment of a module's life: its text may be edited between two. */
async function keyOf(fn: (x: number) => number, options: TaskOptions = {}): Promise<string> {
  const definition = new TaskDefinition("file:///edited.ts", fn, { name: "f", ...options });
  await definition.readProfile();
  const call = definition.toKeyedCall([1]);
  assert(call !== undefined);
  return call.key;
}

// fleche 5, 6
Deno.test("task() misses when the version changed, in value or type", async () => {
  const fn = (x: number) => x;
  const keys = [
    await keyOf(fn),
    await keyOf(fn, { version: 1 }),
    await keyOf(fn, { version: "1" }),
  ];
  assertEquals(new Set(keys).size, 3);
  assertEquals(await keyOf(fn, { version: 1 }), keys[1]);
});

// fleche 7, executors 85
Deno.test("task() misses when the function's tokens changed, unless code is none", async () => {
  const key = await keyOf((x) => x + 1);
  assertNotEquals(await keyOf((x) => x + 2), key);
  assertEquals(await keyOf((x) => /* the same */ x + 1), key);
  assertEquals(
    await keyOf((x) => x + 1, { code: "none" }),
    await keyOf((x) => x, { code: "none" }),
  );
});

// fleche 9
Deno.test("task() warns and does not remember without a required argument", async () => {
  let bodies = 0;
  const seeded = (a: number, seed = 1) => (bodies++, a + seed);
  const needs = task(import.meta, seeded, { name: "needs", require: ["seed"] });
  await inCache(async (warnings) => {
    assertEquals([await needs(1), await needs(1)], [2, 2]);
    assertEquals([bodies, warnings.length], [2, 1]);
    assertEquals([await needs(1, 1), await needs(1, 1)], [2, 2]);
    assertEquals(bodies, 3);
  });
});

// fleche 10
Deno.test("task() warns and runs uncached when an argument has no digest", async () => {
  let bodies = 0;
  const apply = task(import.meta, (fn: (n: number) => number) => (bodies++, fn(2)), {
    name: "apply",
  });
  await inCache(async (warnings) => {
    assertEquals(await apply((n) => n * 10), 20);
    assertEquals(await apply((n) => n * 10), 20);
    assertEquals([bodies, warnings.length], [2, 1]);
    await assertRejects(() => apply.digest((n) => n), IndigestibleError, "args[0]");
    await assertRejects(() => apply.contains((n) => n), IndigestibleError);
    const { cache } = currentScope();
    assertEquals(cache && await query(cache, apply).count(), 0);
  });
});

// fleche 11
Deno.test("task() lets instances that digest equal share a hit", async () => {
  class Model {
    constructor(public rate: number, readonly label: string) {}
    [digestSymbol]() {
      return this.rate;
    }
  }
  let bodies = 0;
  const evaluate = task(import.meta, (model: Model) => (bodies++, model.rate * 2), {
    name: "evaluate",
  });
  await inCache(async (warnings) => {
    const model = new Model(1, "left");
    assertEquals([await evaluate(model), await evaluate(new Model(1, "right"))], [2, 2]);
    assertEquals(bodies, 1);
    model.rate = 4;
    assertEquals([await evaluate(model), bodies], [8, 2]);
    // The instance itself cannot be stored: its record keeps the digest, and says so.
    assertEquals(warnings.length, 1);
  });
});

// fleche 13
Deno.test("task() remembers nothing when the body throws", async () => {
  let bodies = 0;
  const flaky = task(import.meta, (x: number) => {
    if (bodies++ === 0) throw new RangeError("first");
    return x;
  }, { name: "flaky" });
  await inCache(async () => {
    await assertRejects(() => flaky(1), RangeError, "first");
    assertEquals(await flaky.contains(1), false);
    assertEquals([await flaky(1), await flaky(1), bodies], [1, 1, 2]);
  });
});

// fleche 14
Deno.test("task() gives the body what its key was made of, and leaves the caller's alone", async () => {
  let bodies = 0;
  const drain = task(import.meta, (list: number[]) => {
    bodies++;
    return list.splice(0).length;
  }, { name: "drain" });
  await inCache(async () => {
    const list = [1, 2, 3];
    assertEquals(await drain(list), 3);
    assertEquals(list, [1, 2, 3]);
    assertEquals(await drain(list), 3);
    assertEquals(bodies, 1);
  });
});

Deno.test("task() runs with its arguments as they were when it was called", async () => {
  const read = task(import.meta, (box: { n: number }) => box.n, { name: "read" });
  await inCache(async () => {
    await read({ n: 0 });
    const mutable = { n: 1 };
    const call = read(mutable);
    mutable.n = 2;
    assertEquals(await call, 1);
    assertEquals([await read.contains({ n: 1 }), await read.contains({ n: 2 })], [true, false]);
  });
});

Deno.test("task() remembers undefined and null", async () => {
  let bodies = 0;
  const nothing = task(import.meta, (x: number) => (bodies++, x > 0 ? undefined : null), {
    name: "nothing",
  });
  await inCache(async () => {
    assertEquals([await nothing(1), await nothing(1)], [undefined, undefined]);
    assertEquals([await nothing(0), await nothing(0)], [null, null]);
    assertEquals(bodies, 2);
  });
});

// fleche 34
Deno.test("task() gives the plain value of a body that returns a future", async () => {
  let bodies = 0;
  const outer = task(import.meta, (x: number) => (bodies++, add(x, 10)), { name: "outer" });
  await inCache(async () => {
    assertEquals([await outer(1), await outer(1), bodies], [11, 11, 1]);
  });
});

// fleche 34
Deno.test("task() remembers nothing when the future that its body returns fails", async () => {
  let bodies = 0;
  const inner = task(import.meta, (x: number) => {
    if (bodies++ === 0) throw new RangeError("first");
    return x;
  }, { name: "failing inner" });
  const outer = task(import.meta, (x: number) => inner(x), { name: "failing outer" });
  await inCache(async () => {
    await assertRejects(() => outer(1), RangeError, "first");
    assertEquals([await outer.contains(1), await inner.contains(1)], [false, false]);
    assertEquals([await outer(1), await outer(1), bodies], [1, 1, 2]);
  });
});

Deno.test("task() is done only when the future that its body returns is", async () => {
  const gate = Promise.withResolvers<number>();
  const waiting = task(import.meta, () => gate.promise, { name: "waiting" });
  const passing = task(import.meta, () => waiting(), { name: "passing" });
  const call = passing();
  await Promise.resolve();
  assertEquals(call.state, "running");
  gate.resolve(3);
  assertEquals([await call, call.state], [3, "done"]);
  const failing = task(import.meta, () => {
    throw new RangeError("at once");
  }, { name: "failing" });
  const failed = failing();
  await assertRejects(() => failed, RangeError, "at once");
  assertEquals(failed.state, "done");
});

// fleche 35, executors 90
Deno.test("task() runs once for calls made at once", async () => {
  let bodies = 0;
  const gate = Promise.withResolvers<void>();
  const slow = task(import.meta, async (x: number) => {
    bodies++;
    await gate.promise;
    return [x];
  }, { name: "slow" });
  await inCache(async () => {
    const calls = [slow(1), slow(1), slow(1)];
    gate.resolve();
    const results = await Promise.all(calls);
    assertEquals(results, [[1], [1], [1]]);
    assertEquals(bodies, 1);
    assertEquals(calls.map(({ hit }) => hit), [false, true, true]);
  });
});

// fleche 55
Deno.test("task() gives each caller a value of its own", async () => {
  const make = task(import.meta, () => ({ list: [1] }), { name: "make" });
  await inCache(async () => {
    const first = await make();
    first.list.push(2);
    const second = await make();
    assertEquals(second, { list: [1] });
    second.list.push(3);
    assertEquals(await make(), { list: [1] });
  });
});

// fleche 27
Deno.test("task() records tags of all scopes, and they do not change the key", async () => {
  const cache = createMemoryCache();
  await cacheScope({ cache, tags: { project: "argon" } }, async () => {
    await withTags({ run: 1 }, () => add(5, 5));
    const key = await add.digest(5, 5);
    const record = await cache.record(key);
    assertEquals(record?.metadata, { tags: { project: "argon", run: 1 } });
    assertEquals(record?.task, "add");
    assertEquals(record?.args.map(({ name }) => name), ["a", "b"]);
    assert(await add.contains(5, 5));
    await add(6, 6);
    const outer = await cache.record(await add.digest(6, 6));
    assertEquals(outer?.metadata, { tags: { project: "argon" } });
  });
});

Deno.test("task() waits for futures among the arguments at any depth", async () => {
  const total = task(import.meta, (input: { list: number[]; more: Map<string, number> }) => {
    return input.list.reduce((a, b) => a + b, 0) + (input.more.get("x") ?? 0);
  }, { name: "total" });
  await inCache(async () => {
    const future = add(1, 1);
    const more = new Map([["x", add(2, 3)]]);
    assertEquals(await total({ list: [future, 10], more } as never), 17);
  });
});

Deno.test("Task.load() never runs the body, and Task.evict() forgets", () =>
  inCache(async () => {
    await assertRejects(() => add.load(7), CacheMissError, "does not know it");
    await add(7);
    assertEquals(await add.load(7), 9);
    assertEquals(await add.evict(7), true);
    assertEquals(await add.evict(7), false);
    await assertRejects(() => add.load(7), CacheMissError);
    assertEquals(runs, 1);
  }));

Deno.test("task() refuses a call that waits for itself", async () => {
  const loop: (x: number) => Future<number> = task(
    import.meta,
    async (x: number): Promise<number> => (await loop(x)) + 1,
    { name: "loop" },
  );
  await inCache(() => assertRejects(() => loop(1), QuiverError, "waits for itself"));
});

// executors 86
Deno.test("task() names what is wrong with a definition", async () => {
  const fn = (x: number) => x;
  assertThrows(() => task(import.meta, () => 1), TypeError, "has no name");
  assertThrows(() => task(import.meta, fn, { nmae: "x" } as never), TypeError, '"nmae"');
  assertThrows(() => task(import.meta, fn, { code: "all" } as never), TypeError, "`code`");
  assertThrows(() => task(import.meta, 1 as never), TypeError, "not a function");
  assertThrows(
    () => task(import.meta, (x: number) => x, { name: "add" }),
    TypeError,
    "has a task of that name already",
  );
  const wrong = task(import.meta, fn, { name: "wrongIgnore", ignore: ["y"] });
  await assertRejects(() => wrong.digest(1), TypeError, 'names "y"');
});

Deno.test("Future.at() and Future.get() pick from a result", async () => {
  const pair = task(import.meta, () => ({ list: [1, 2, 3] }), { name: "pair" });
  const list = pair().get("list");
  assertInstanceOf(list, Future);
  assertEquals([await list.at(0), await list.at(-1), await list.at(9)], [1, 3, undefined]);
});

Deno.test("Future.onDone() calls back once, before and after the end", async () => {
  const future = add(1, 1);
  const states: string[] = [];
  future.onDone(({ state }) => states.push(state));
  await future;
  future.onDone(({ state }) => states.push(state));
  await Promise.resolve();
  assertEquals(states, ["done", "done"]);
});
