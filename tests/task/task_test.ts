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
  IndigestibleError,
  QuiverError,
  task,
  type TaskOptions,
  withTags,
} from "@quiver/quiver";
import { Future } from "../../src/task/future.ts";
import { digestSymbol, query, rekey } from "@quiver/quiver/caches";
import { TaskDefinition } from "../../src/task/definition.ts";

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
  const definition = new TaskDefinition("file:///edited.ts", fn, {
    name: "f",
    code: "function",
    ...options,
  });
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

Deno.test("task() counts a version that its options inherit", async () => {
  class Options {
    readonly name: string = "inherited";
    readonly code = "function";
    get version(): number {
      return 1;
    }
  }
  const versioned = task("file:///inherited.ts", (x: number) => x, new Options());
  const plain = task("file:///other.ts", (x: number) => x, {
    name: "inherited",
    code: "function",
  });
  const cache = createMemoryCache();
  await cacheScope({ cache }, () => Promise.all([versioned(1), plain(1)]));
  const versions = new Map<string, unknown>();
  for await (const { module, version } of query(cache)) versions.set(module, version);
  assertEquals(versions.get("file:///inherited.ts"), 1);
  assertEquals(versions.get("file:///other.ts"), undefined);
  assertEquals(versions.size, 2);
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

Deno.test("task() misses when a parameter is not ignored any more, and when it was not before", async () => {
  const scale = (a: number, k?: number) => a * (k ?? 1);
  // One module at two moments of its life: its text may be edited between two runs.
  const whatever = task("file:///before.ts", scale, {
    name: "scale",
    code: "function",
    ignore: ["k"],
  });
  const exact = task("file:///after.ts", scale, { name: "scale", code: "function" });
  const edited = ({ module }: { module: string }) => ({
    module: module === "file:///before.ts" ? "file:///after.ts" : "file:///before.ts",
  });
  for (const [before, after] of [[whatever, exact], [exact, whatever]] as const) {
    await inCache(async () => {
      const { cache } = currentScope();
      assert(cache !== undefined);
      await before(2);
      await before(2, 10);
      await rekey(cache, { change: edited });
      assertEquals([await after.contains(2), await after.contains(2, 10)], [false, false]);
      await rekey(cache, { change: edited });
      assertEquals([await before.contains(2), await before.contains(2, 10)], [true, true]);
    });
  }
  await inCache(async () => {
    assertEquals([await whatever(2, 10), await whatever(2), await whatever(2, 3)], [20, 20, 20]);
  });
});

Deno.test("task() runs what cannot be keyed, warns once, and refuses only to make a key", async () => {
  const fns = [
    [Math.max, [1, 2]],
    [((a: number, b: number) => a + b).bind(undefined, 1), [1]],
    [new Proxy((a: number) => a * 2, {}), [1]],
  ] as const;
  for (const [i, [fn, args]] of fns.entries()) {
    const options = { name: `unreadable ${i}`, require: ["x"], version: 1 };
    const odd = task(import.meta, fn as (...args: number[]) => number, options);
    await inCache(async (warnings) => {
      assertEquals([await odd(...args), await odd(...args)], [2, 2]);
      assertEquals(warnings, [
        `Cannot remember a call of "unreadable ${i}": its code cannot be read; the call runs anyway`,
      ]);
      await assertRejects(() => odd.digest(...args), TypeError, "as with bound and native");
      await assertRejects(() => odd.contains(...args), TypeError);
      const { cache } = currentScope();
      assertEquals(cache && await query(cache).count(), 0);
    });
    await cacheScope({ cache: createMemoryCache(), strict: true }, async () => {
      await assertRejects(() => odd(...args), QuiverError, "its code cannot be read");
    });
  }
});

Deno.test("task() runs with a task whose code cannot be read as its argument", async () => {
  const native = task(import.meta, Math.abs, { name: "abs" });
  const apply = task(import.meta, (fn: (n: number) => PromiseLike<number>) => fn(-2), {
    name: "apply to two",
  });
  await inCache(async (warnings) => {
    assertEquals(await apply(native as never), 2);
    assertEquals(
      warnings[0],
      'Cannot remember a call of "apply to two": the code of its argument ' +
        '"abs" cannot be read; the call runs anyway',
    );
    await assertRejects(() => apply.digest(native as never), TypeError, "bound and native");
    // Its code does not count: there is nothing to read.
    const codeless = task(import.meta, Math.abs, { name: "codeless abs", code: "none" });
    assertEquals(await apply(codeless as never), 2);
    assert(await apply.contains(codeless as never));
  });
});

Deno.test("task() runs when a method of an argument throws as it is digested", async () => {
  const broken = () => {
    throw new RangeError("mine");
  };
  const look = task(import.meta, (_: object) => 1, { name: "look at" });
  await inCache(async (warnings) => {
    assertEquals(await look({ [digestSymbol]: broken }), 1);
    assertEquals(warnings.length, 1);
    await assertRejects(() => look.digest({ [digestSymbol]: broken }), RangeError, "mine");
  });
});

Deno.test("task() does not remember instances that stand for themselves or for nothing", async () => {
  class Model {
    constructor(readonly rate: number, readonly form: (self: Model) => unknown) {}
    [digestSymbol]() {
      return this.form(this);
    }
  }
  const rate = task(import.meta, (model: Model) => model.rate, { name: "rate" });
  for (const form of [(self: Model) => self, (self: Model) => [{ self }], () => undefined]) {
    await inCache(async (warnings) => {
      const models = [1, 2].map((rate) => new Model(rate, form));
      assertEquals(await Promise.all(models.map((model) => rate(model))), [1, 2]);
      assertEquals(warnings.length, 1);
      for (const model of models) await assertRejects(() => rate.digest(model), IndigestibleError);
    });
  }
});

// fleche 9
Deno.test("task() takes an explicit undefined for a required argument that is left out", async () => {
  let bodies = 0;
  const given = task(import.meta, (x?: number, y?: number, ...z: (number | undefined)[]) => {
    return bodies++, (x ?? 0) + (y ?? 0) + z.length;
  }, { name: "given", require: ["x", "y", "z"] });
  await inCache(async (warnings) => {
    await given(undefined, 1, 1);
    await given(1, undefined, 1);
    await given(1, 1, undefined, undefined);
    await given(1, 1);
    const { cache } = currentScope();
    assertEquals([bodies, warnings.length, cache && await query(cache).count()], [4, 3, 0]);
    await assertRejects(() => given.digest(undefined, 1, 1), TypeError, '"x" must be given');
    assertEquals([await given(1, 1, undefined, 1), await given(1, 1, undefined, 1)], [4, 4]);
    assertEquals([bodies, warnings.length], [5, 3]);
  });
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
    assertEquals(await add.contains(7), false);
    await add(7);
    assertEquals([await add.contains(7), await add.load(7)], [true, 9]);
    assertEquals(await add.evict(7), true);
    assertEquals([await add.contains(7), await add.evict(7)], [false, false]);
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
  for (const options of [null, 1, "name"]) {
    assertThrows(() => task(import.meta, fn, options as never), TypeError, "the options are");
  }
  // In a key they would all be one.
  for (const name of [null, Symbol("fn"), 1, {}]) {
    const define = () => task(import.meta, fn, { name } as never);
    assertThrows(define, TypeError, "`name` is a string");
  }
  for (const version of [NaN, Infinity, -Infinity, null, true, 1n, {}, []]) {
    const define = () => task(import.meta, fn, { name: "versioned", version } as never);
    assertThrows(define, TypeError, "`version` is a string or a finite number");
  }
  for (const names of ["verbose", 1, null, new Set(["x"]), ["x", 1]]) {
    for (const option of ["ignore", "require"]) {
      const define = () => task(import.meta, fn, { name: "named", [option]: names } as never);
      assertThrows(define, TypeError, `\`${option}\` is an array of parameter names`);
    }
  }
  for (const version of ["", "1", 0, -1.5, undefined]) {
    task(import.meta, fn, { name: `version ${version}`, version } as never);
  }
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
