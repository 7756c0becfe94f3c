// End-to-end: a call is frozen at the moment it is made, wherever it runs and whatever remembers it.
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  type Cache,
  cacheScope,
  ChangedArgumentError,
  createMemoryCache,
  Executor,
  openBag,
  type QuiverWarning,
  type Task,
  transfer,
} from "@quiver/quiver";
import { limited } from "@quiver/quiver/caches";
import { leaveNothing } from "../leave_nothing.ts";
import { CACHES, openFolder, openWay, type Way, type WayName, WAYS } from "./_ways.ts";
import * as tasks from "./testdata/frozen_tasks.ts";

leaveNothing();

interface Place {
  readonly way: Way;
  readonly cache: Cache;
  readonly folder: string;
  readonly warnings: QuiverWarning[];
}

/** Runs a test on each way, with each kind of cache. */
function testWays(
  name: string,
  fn: (place: Place) => Promise<void>,
  { ways = WAYS, caches = Object.keys(CACHES) }: {
    ways?: readonly WayName[];
    caches?: readonly string[];
  } = {},
): void {
  for (const wayName of ways) {
    Deno.test(`${wayName}: ${name}`, async () => {
      await using way = openWay(wayName);
      for (const kind of caches) {
        await using folder = await openFolder();
        await using opened = await CACHES[kind]?.(folder.path);
        assert(opened !== undefined);
        const { cache } = opened;
        const warnings: QuiverWarning[] = [];
        const onWarning = (warning: QuiverWarning) => void warnings.push(warning);
        await cacheScope(
          { cache, onWarning, storeArguments: "all" },
          () => fn({ way, cache, folder: folder.path, warnings }),
        );
        await assertHonest(cache, kind);
      }
    });
  }
}

/** What each task makes of stored arguments; a record must not say anything else. */
const PURE: { readonly [task: string]: (...args: never[]) => unknown } = {
  read: (box: tasks.Box) => box.n,
  readLater: (box: tasks.Box) => box.n,
  sum: (numbers: Float64Array) => numbers.reduce((a, b) => a + b, 0),
  increment: (numbers: Float64Array) => (numbers[0] ?? 0) + 1,
  drain: (list: number[]) => list.length,
};

async function assertHonest(cache: Cache, kind: string): Promise<void> {
  for await (const record of cache.records()) {
    const pure = PURE[record.task];
    if (pure === undefined) continue;
    const result = await cache.value(record.result);
    assert(result.hit, `${kind}: the result of ${record.task}`);
    const args = await Promise.all(record.args.map(async ({ value = "" }) => {
      const found = await cache.value(value);
      assert(found.hit, `${kind}: an argument of ${record.task}`);
      return found.value as never;
    }));
    assertEquals(result.value, pure(...args), `${kind}: ${record.task}`);
  }
}

testWays("a call runs with what it was made with, whatever the caller changes", async ({ way }) => {
  for (const task of [tasks.read, tasks.readLater]) {
    const box = { n: 0 };
    const calls: Promise<number>[] = [];
    for (let n = 0; n < 4; n++) {
      box.n = n;
      calls.push(way.call(task, box));
    }
    box.n = 999;
    queueMicrotask(() => box.n = 998);
    assertEquals(await Promise.all(calls), [0, 1, 2, 3]);
    assertEquals(await task.contains({ n: 999 }), false);
    assertEquals(await task.load({ n: 2 }), 2);
  }
});

testWays("changes two to four microtasks after the call do not count", async ({ way }) => {
  await way.call(tasks.readLater, { n: -1 });
  for (let ticks = 0; ticks < 6; ticks++) {
    const box = { n: ticks };
    const call = way.call(tasks.readLater, box);
    for (let tick = 0; tick < ticks; tick++) await Promise.resolve();
    box.n = 999;
    assertEquals(await call, ticks);
  }
  assertEquals(await tasks.readLater.contains({ n: 999 }), false);
});

testWays(
  "an array that is large is refused by name once it has changed, alone",
  async ({ way }) => {
    const numbers = new Float64Array(100_000).fill(1);
    await way.call(tasks.sum, numbers, 0);
    const calls = [1, 2].map((id) => way.call(tasks.sum, numbers, id));
    const honest = way.call(tasks.sum, numbers.slice(), 2);
    numbers[7] = 1000;
    const ends = await Promise.allSettled([...calls, honest]);
    for (const end of ends.slice(0, 2)) {
      if (end.status === "fulfilled") assertEquals(end.value, 100_000);
      else assert(end.reason instanceof ChangedArgumentError, String(end.reason));
    }
    assertEquals(ends[2], { status: "fulfilled", value: 100_000 });
    assertEquals(await way.call(tasks.sum, numbers, 3), 100_999);
  },
);

testWays("a body may change what it got, and so may its caller afterwards", async ({ way }) => {
  const list = [1, 2, 3];
  assertEquals([await way.call(tasks.drain, list), list.length], [3, 3]);
  assertEquals(await way.call(tasks.drain, list), 3);
  const numbers = new Float64Array(50_000);
  assertEquals(await way.call(tasks.increment, numbers), 1);
  assertEquals(await way.call(tasks.increment, numbers), 1);
  assertEquals(numbers[0], 0);
});

testWays("symbols and what a proxy hides do not reach the body", async ({ way }) => {
  const key = Symbol("n");
  assertEquals(await way.call(tasks.symbols, { [key]: 1 }), 0);
  const proxy = new Proxy({ n: 1 }, { get: (_, name) => name === "n" ? 2 : undefined });
  const end = await way.call(tasks.read, proxy).then(String, (error: Error) => error.name);
  // It is read through, or refused; nothing else.
  assert(end === "2" || end === "UnclonableError" || end === "1" && way.name === "here", end);
  assertEquals(await way.call(tasks.read, { n: 1 }), 1);
  assertEquals(await way.call(tasks.read, { n: 2 }), 2);
});

testWays("an accessor that gives something else each time makes no wrong record", async (place) => {
  const { way } = place;
  await way.call(tasks.read, { n: -1 });
  let reads = 0;
  const box = {
    get n(): number {
      return ++reads;
    },
  };
  const value = await way.call(tasks.read, box);
  assert(value >= 1 && value <= reads);
  for (let n = 1; n <= reads; n++) {
    if (await tasks.read.contains({ n })) assertEquals(await tasks.read.load({ n }), n);
  }
});

testWays(
  "an accessor that changes a large buffer beside it makes no wrong record",
  async (place) => {
    const { way } = place;
    const honest = (n: number) => ({ big: new Float64Array(20_000).with(0, n), n: 1 });
    assertEquals(await way.call(tasks.firstOfBig, honest(100)), 100);
    const big = new Float64Array(20_000);
    const box = {
      big,
      get n(): number {
        big[0] = (big[0] ?? 0) + 1;
        return 1;
      },
    };
    const end = await way.call(tasks.firstOfBig, box).catch((error: unknown) => error);
    assert(typeof end === "number" || end instanceof ChangedArgumentError, String(end));
    for (let n = 0; n < 8; n++) assertEquals(await way.call(tasks.firstOfBig, honest(n)), n);
  },
);

testWays(
  "an accessor that throws costs no result, and leaves no record",
  async ({ way, cache }) => {
    const box = {
      n: 1,
      get trap(): number {
        throw new RangeError("not to be read");
      },
    };
    for (let i = 0; i < 2; i++) {
      const call = way.call(tasks.read, box);
      if (way.name === "here") assertEquals(await call, 1);
      else await assertRejects(() => call, Error, "not to be read");
    }
    assertEquals(await Array.fromAsync(cache.records()), []);
  },
);

testWays("map() calls with each item as it was when it came", async ({ way }) => {
  const box = { n: 0 };
  function* boxes(): Generator<tasks.Box> {
    for (box.n = 0; box.n < 5; box.n++) yield box;
  }
  async function* boxesLater(): AsyncGenerator<tasks.Box> {
    for (const each of boxes()) {
      await Promise.resolve();
      yield each;
    }
  }
  const { executor } = way;
  assert(executor !== undefined);
  assertEquals(await Array.fromAsync(executor.map(tasks.read, boxes())), [0, 1, 2, 3, 4]);
  assertEquals(await Array.fromAsync(executor.map(tasks.readLater, boxesLater())), [0, 1, 2, 3, 4]);
  const uncached = cacheScope(
    { cache: undefined },
    () => Array.fromAsync(executor.map(tasks.read, boxes(), { chunkSize: 5 })),
  );
  assertEquals(await uncached, [0, 1, 2, 3, 4]);
}, { ways: ["web", "process", "inline"] });

testWays("what is changed while a call waits in the queue does not count", async (place) => {
  const { way, folder } = place;
  await way.call(tasks.read, { n: -1 });
  const busy = cacheScope({ cache: undefined }, () => way.call(tasks.untilFile, `${folder}/go`));
  const box = { n: 1 };
  const numbers = new Float64Array(40_000).fill(1);
  const call = way.call(tasks.read, box);
  // It may fail before the other is there.
  const large = way.call(tasks.sum, numbers, 1).catch((error: unknown) => error);
  await new Promise((resolve) => setTimeout(resolve));
  box.n = 2;
  numbers[0] = 5;
  await Deno.writeTextFile(`${folder}/go`, "");
  await busy;
  assertEquals(await call, 1);
  // It was copied when it was sent, perhaps before that.
  const end = await large;
  assert(end === 40_000 || end instanceof ChangedArgumentError, String(end));
  if (way.name === "process") {
    assert(String(end).includes("args[0] is not what its key was made of"));
  }
  assertEquals(await tasks.sum.contains(numbers, 1), false);
}, { ways: ["web", "process", "inline"] });

testWays("instances are what their key says, or refused", async ({ way, cache }) => {
  const grid = new tasks.Grid(3);
  if (way.name === "here") {
    assertEquals(await way.call(tasks.area, grid), 9);
    const call = way.call(tasks.area, new tasks.Grid(4));
    assertEquals(await call, 16);
  } else {
    await assertRejects(() => way.call(tasks.area, grid), ChangedArgumentError, "args[0]");
    assertEquals(await Array.fromAsync(cache.records()), []);
  }
});

testWays("a result that is an instance is given and not remembered", async (place) => {
  const { way, cache, warnings } = place;
  const grid = await way.call(tasks.makeGrid, 3);
  assertEquals(grid.size, 3);
  assertEquals(await Array.fromAsync(cache.records()), []);
  assertEquals(warnings.length, 1);
  assert(warnings[0]?.message.includes('Cannot store the result of "makeGrid"'));
});

testWays("a result is recorded as it was in the turn in which it was there", async ({ way }) => {
  for (let n = 1; n < 4; n++) await way.call(tasks.leak, n);
  for (let n = 1; n < 4; n++) assertEquals(await way.call(tasks.leak, n), { n });
  const boxes = await Promise.all([1, 2, 3].map((n) => way.call(tasks.reuse, n)));
  if (way.name !== "here") assertEquals(boxes, [{ n: 1 }, { n: 2 }, { n: 3 }]);
  for (let n = 1; n < 4; n++) assertEquals(await tasks.reuse.load(n), { n });
});

testWays("a caller whose arguments cannot be used is refused alone", async ({ way, folder }) => {
  await way.call(tasks.first, { value: 0 }, 0);
  const busy = cacheScope({ cache: undefined }, () => way.call(tasks.untilFile, `${folder}/go`));
  const leader = way.call(tasks.first, { value: 1 }, () => {});
  const others = [1, 2, 3].map(() => way.call(tasks.first, { value: 1 }, "plain"));
  const leading = assertRejects(() => leader, Error, "a function cannot be cloned");
  await Deno.writeTextFile(`${folder}/go`, "");
  await busy;
  await leading;
  assertEquals(await Promise.all(others), [1, 1, 1]);
}, { ways: ["web", "process", "inline"] });

testWays("trailing undefined is dropped for declared parameters only", async ({ way }) => {
  const { count, length, pair } = tasks;
  for (let round = 0; round < 2; round++) {
    assertEquals(await way.call(count, 1, undefined), 2);
    assertEquals(await way.call(count, 1), 1);
    assertEquals(await way.call(length, 1, undefined, undefined), 3);
    assertEquals(await way.call(length), 0);
    assertEquals(await way.call(pair, 1), "1 2");
    assertEquals(await way.call(pair, 1, 2), "1 2");
    assertEquals(await way.call(pair), "undefined 2");
  }
  assertEquals(await pair.digest(1), await pair.digest(1, undefined));
  assertEquals(await pair.digest(1), await pair.digest(1, 2));
});

testWays("a body that uses `this` is refused, with or without a cache", async ({ way }) => {
  const call = async () => await way.call(tasks.receiver, 1);
  await assertRejects(call, TypeError, "uses `this`, which a task does not have");
  await cacheScope({ cache: undefined }, () => assertRejects(call, TypeError, "uses `this`"));
});

testWays("memory that another thread writes to meanwhile leaves no record", async (place) => {
  const { way, cache, warnings } = place;
  const numbers = new Int32Array(new SharedArrayBuffer(4096));
  numbers[0] = 1;
  assertEquals(await way.call(tasks.shared, numbers), 1);
  const call = way.call(tasks.shared, numbers);
  assertEquals(await call, 1);
  const gate = new Int32Array(new SharedArrayBuffer(4));
  const racing = way.call(tasks.sharedLater, numbers, gate);
  const started = Atomics.waitAsync(gate, 0, 0).value;
  await started;
  numbers[1] = 41;
  Atomics.store(gate, 0, 2);
  Atomics.notify(gate, 0);
  assertEquals(await racing, 42);
  assertEquals(await cache.contains(await tasks.sharedLater.digest(numbers, gate)), false);
  numbers[1] = 0;
  assertEquals(await cache.contains(await tasks.sharedLater.digest(numbers, gate)), false);
  assert(warnings.some(({ message }) => message.includes("was changed while its body ran")));
}, { ways: ["web"] });

testWays("what is given away is the call's own", async ({ way }) => {
  const numbers = new Float64Array(50_000).fill(2);
  const call = way.call(tasks.sum, transfer(numbers), 1);
  assertEquals(await call, 100_000);
  assertEquals(numbers.length, 0);
  assertEquals(await way.call(tasks.sum, new Float64Array(50_000).fill(2), 1), 100_000);
});

testWays("futures among the arguments are captured when they are there", async ({ way }) => {
  const box = { n: 1 };
  const given = Promise.resolve(box);
  const call = way.call(tasks.read as unknown as Task<[Promise<tasks.Box>], number>, given);
  void given.then(() => Promise.resolve()).then(() => box.n = 2);
  const value = await call;
  assertEquals(await tasks.read.load({ n: value }), value);
});

testWays("a result that is another each time it is read harms no other", async ({ way }) => {
  const values = [0, 3, 6].flatMap((n) => [n, n + 1, n + 2]);
  for (const n of [0, 3, 6]) await way.call(tasks.ticking, n);
  for (const n of values) await way.call(tasks.box, n);
  for (const n of values) assertEquals(await way.call(tasks.box, n), { n });
});

testWays("futures may stand in arrays of any length, beside holes and names", async ({ way }) => {
  const many = [Promise.resolve(1), ...Array.from({ length: 200_000 }, (_, n) => n)];
  assertEquals(await way.call(tasks.lengthOf, many), 200_001);
  const odd = Object.assign([Promise.resolve(1), , 2], { name: Promise.resolve("odd") });
  assertEquals(await way.call(tasks.keysOf, odd), "0,2,name");
}, { caches: ["memory"] });

testWays("an array of four billion holes costs no time", async ({ way }) => {
  const holes: unknown[] = [];
  holes.length = 4e9;
  assertEquals(await way.call(tasks.lengthOf, holes), 4e9);
  const future = Object.assign([...holes.slice(0, 1)], { 3_999_999_998: Promise.resolve(1) });
  assertEquals(await way.call(tasks.keysOf, future), "0,3999999998");
}, { caches: ["memory"] });

testWays("what a body gave away may be passed on as often as wanted", async ({ way }) => {
  const given = way.call(tasks.give, 3);
  const add = tasks.sum as unknown as Task<[Promise<Float64Array>, number], number>;
  const sums = await Promise.all([1, 2].map((id) => way.call(add, given, id)));
  assertEquals(sums, [120_000, 120_000]);
  const numbers = await given;
  assertEquals(await way.call(tasks.sum, numbers, 3), 120_000);
  assertEquals(await way.call(tasks.sum, numbers, 4), 120_000);
});

testWays("what is given away may be shown by other arguments, too", async ({ way }) => {
  const bytes = new Uint8Array(300_000);
  const call = way.call(tasks.overlap, transfer({ first: bytes }), bytes.subarray(5));
  assertEquals(await call, "300000 0 299995");
  const more = new Uint8Array(300_001);
  const both = way.call(tasks.overlap, transfer({ first: more }), transfer(more.subarray(5)));
  assertEquals(await both, "300001 0 299996");
});

testWays("what is given away bears no mark of that", async ({ way }) => {
  assertEquals(await way.call(tasks.symbols, transfer({ n: 1 })), 0);
  assertEquals(await way.call(tasks.symbols, transfer(new Uint8Array(200_000))), 0);
});

testWays("what is given away is still there when another had the lease", async (place) => {
  const { way, cache } = place;
  await way.call(tasks.sum, new Float64Array(3), 0);
  const numbers = new Float64Array(50_000).fill(2);
  const key = await tasks.sum.digest(numbers, 1);
  const lease = cache.stores.leases.tryAcquire(key);
  assert(lease !== undefined);
  const call = way.call(tasks.sum, transfer(numbers), 1);
  // A worker runs one call after the other: the first was told that somebody else computes it.
  await way.call(tasks.sum, new Float64Array(3), 1);
  lease[Symbol.dispose]();
  assertEquals(await call, 100_000);
});

testWays("views of one buffer share nothing in a body that is remembered", async ({ way }) => {
  for (const size of [1000, 200_000]) {
    const bytes = new Uint8Array(2 * size);
    const half = bytes.subarray(0, size);
    assertEquals(await way.call(tasks.overlap, { first: bytes }, half), `${2 * size} 0 ${size}`);
    const items = { first: half, map: new Map([[1, bytes.subarray(size)]]) };
    const odd = bytes.subarray(1, size);
    assertEquals(await way.call(tasks.overlap, items, odd), `${size} 0 ${size - 1}`);
  }
});

testWays("map() without a cache keeps large items and results apart", async ({ way }) => {
  const { executor } = way;
  assert(executor !== undefined);
  const buffer = new Float64Array(40_000);
  function* buffers(): Generator<Float64Array> {
    for (let n = 0; n < 4; n++) yield buffer.fill(n);
  }
  await cacheScope({ cache: undefined }, async () => {
    for (const chunkSize of [1, 4]) {
      const options = { chunkSize };
      const add = tasks.sum as unknown as Task<[Float64Array], number>;
      const sums = await Array.fromAsync(executor.map(add, buffers(), options));
      assertEquals(sums, [0, 40_000, 80_000, 120_000]);
      const boxes = await Array.fromAsync(executor.map(tasks.reuse, [1, 2, 3], options));
      assertEquals(boxes, [{ n: 1 }, { n: 2 }, { n: 3 }]);
      const filled = await Array.fromAsync(executor.map(tasks.refill, [1, 2, 3], options));
      assertEquals(filled.map(([first]) => first), [1, 2, 3]);
    }
  });
}, { ways: ["web", "process", "inline"], caches: ["memory"] });

testWays("a caller who moves a buffer while its call waits is refused alone", async ({ way }) => {
  const late = Promise.withResolvers<number>();
  const add = tasks.sum as unknown as Task<[Float64Array, Promise<number>], number>;
  await way.call(tasks.sum, new Float64Array(3), 0);
  const [one, other] = [1, 2].map(() => new Float64Array(50_000).fill(1));
  assert(one !== undefined && other !== undefined);
  const calls = [way.call(add, one, late.promise), way.call(tasks.sum, other, 1)];
  const honest = way.call(tasks.sum, new Float64Array(50_000).fill(1), 1);
  one.buffer.transfer();
  other.buffer.transfer();
  late.resolve(1);
  const [first, second] = await Promise.allSettled(calls);
  assert(first?.status === "rejected" && first.reason instanceof ChangedArgumentError);
  // Perhaps it was copied before that.
  if (second?.status === "rejected") assert(second.reason.message.includes("args[0]"));
  assertEquals(await honest, 50_000);
});

Deno.test("here: a leader whose buffer was moved fails alone, however the cache answers", async () => {
  const small = new Float64Array(3);
  await cacheScope({ cache: createMemoryCache() }, () => tasks.sum(small, 0));
  // Its first answer is one to wait for.
  await cacheScope({ cache: limited(createMemoryCache(), { maxItems: 3 }) }, async () => {
    const numbers = new Float64Array(50_000).fill(1);
    const leader = tasks.sum(numbers, 1);
    const honest = tasks.sum(numbers.slice(), 1);
    numbers.buffer.transfer();
    await assertRejects(
      () => leader,
      ChangedArgumentError,
      "args[0] is not what its key was made of",
    );
    assertEquals(await honest, 50_000);
  });
});

Deno.test("Executor.submit() holds a large array once, however many calls wait", async () => {
  for (const open of [() => Promise.resolve(createMemoryCache())]) {
    await using executor = new Executor({ maxWorkers: 1, workerType: "web" });
    await cacheScope({ cache: await open() }, async () => {
      const controller = new AbortController();
      const numbers = new Float64Array(4_000_000).fill(1);
      const before = Deno.memoryUsage().external + Deno.memoryUsage().rss;
      const bounded = executor.with({ signal: controller.signal });
      const calls = Array.from({ length: 60 }, (_, id) => bounded.submit(tasks.sum, numbers, id));
      const ended = Promise.allSettled(calls);
      await calls[0];
      const after = Deno.memoryUsage().external + Deno.memoryUsage().rss;
      controller.abort();
      await ended;
      // Sixty copies would take 1.9 GB.
      assert(after - before < 1e9, `${(after - before) / 1e6} MB`);
    });
  }
});

Deno.test("a call that waits for the parser is frozen before it waits", async () => {
  const source = `
    import { cacheScope, createMemoryCache, task } from "@quiver/quiver";
    const read = task(import.meta, (box) => box.n, { name: "read" });
    const cache = createMemoryCache();
    const values = await cacheScope({ cache }, () => {
      const box = { n: 0, large: new Float64Array(50_000) };
      const calls = [];
      for (let n = 0; n < 3; n++) {
        box.n = n;
        box.large[0] = n;
        calls.push(read(box));
      }
      return Promise.all(calls);
    });
    console.log(JSON.stringify(values), [...cache.records()].length);
  `;
  await using folder = await openFolder();
  const root = new URL("../../", import.meta.url);
  await Deno.writeTextFile(`${folder.path}/main.js`, source);
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", "--config", new URL("deno.json", root).pathname, "main.js"],
    cwd: folder.path,
  }).output();
  const text = new TextDecoder().decode(stdout).trim();
  assertEquals(text, "[0,1,2] 3", new TextDecoder().decode(stderr));
});

Deno.test("a read-only cache refuses changed arguments, too", async () => {
  await using folder = await openFolder();
  await (await openBag(folder.path)).close();
  await using bag = await openBag(folder.path, { mode: "read" });
  await using way = openWay("web");
  await cacheScope({ cache: bag, onWarning: () => {} }, async () => {
    await way.call(tasks.read, { n: 0 });
    const busy = cacheScope(
      { cache: undefined },
      () => way.call(tasks.untilFile, `${folder.path}/go`),
    );
    const numbers = new Float64Array(40_000).fill(1);
    const leader = way.call(tasks.sum, numbers, 1);
    const honest = way.call(tasks.sum, numbers.slice(), 1);
    numbers[0] = 5;
    const leading = assertRejects(() => leader, ChangedArgumentError);
    await Deno.writeTextFile(`${folder.path}/go`, "");
    await busy;
    await leading;
    assertEquals(await honest, 40_000);
  });
});
