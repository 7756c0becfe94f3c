// Contract: what @quiver/quiver/testing offers to the tests of others.
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { cacheScope, createMemoryCache, task } from "@quiver/quiver";
import {
  type CallRecord,
  createCache,
  type OwnEntry,
  type OwnStores,
  readOnly,
} from "@quiver/quiver/caches";
import {
  checkStores,
  expectHit,
  expectMiss,
  FakeClock,
  withFreshCache,
} from "@quiver/quiver/testing";
import { createOwnStores } from "../cache/_every_cache.ts";

const grow = task(import.meta, (rate: number, years: number = 1) => (1 + rate) ** years, {
  name: "grow",
});
const fails = task(import.meta, (): number => {
  throw new RangeError("no");
}, { name: "fails" });
const lists = task(import.meta, (n: number) => ({
  numbers: new Float64Array(n).fill(2.5),
  more: [new Uint8Array(n), new Map([[1, undefined]])],
}), { name: "lists" });

const sums = task(import.meta, (all: { numbers: Float64Array }) => all.numbers[0], {
  name: "sums",
});

Deno.test("withFreshCache() begins each test with an empty cache, under its arguments", async () => {
  const seen: unknown[] = [];
  const test = withFreshCache(async (cache, name: string) => {
    await expectMiss(grow, 0.5);
    seen.push(name, await grow(0.5), cache.statistics().misses);
    await expectHit(grow, 0.5);
  }, { tags: { test: true } });
  await test("first");
  await test("second");
  assertEquals(seen, ["first", 1.5, 1, "second", 1.5, 1]);
});

Deno.test("withFreshCache() hides the cache around it, and passes on what the test throws", async () => {
  const outer = createMemoryCache();
  await cacheScope({ cache: outer }, async () => {
    await grow(0.25);
    await withFreshCache(() => expectMiss(grow, 0.25))();
    await assertRejects(withFreshCache(() => fails()), RangeError, "no");
  });
  assertEquals(outer.statistics().misses, 1);
});

Deno.test("expectHit() gives the result without running, and says why there is none", async () => {
  await withFreshCache(async () => {
    const error = await assertRejects(() => expectHit(grow, 0.5), Error, "Expected a hit");
    assertEquals([error.name, error.stack?.includes("cached_test")], ["AssertionError", false]);
    await grow(0.5, 2);
    assertEquals(await expectHit(grow, 0.5, 2), 2.25);
    await assertRejects(() => expectHit(grow, 0.5, 3), Error, "argument years: 2 → 3");
    await assertRejects(() => expectMiss(grow, 0.5, 2), Error, "Expected a miss");
  })();
  await assertRejects(() => expectHit(grow, 0.5), Error, "Expected a hit");
});

Deno.test("FakeClock moves Date.now() by what it is put forward, until it is disposed", () => {
  const { now } = Date;
  {
    using clock = new FakeClock(1_000_000);
    assert(Date.now() >= 1_000_000 && Date.now() < 1_060_000);
    clock.advance(1e9);
    assert(Date.now() >= 1_001_000_000);
    clock.advance(-2e9);
    assert(Date.now() < 0);
    assertThrows(() => new FakeClock(), TypeError, "another FakeClock is in place");
    assertThrows(() => clock.advance(NaN), RangeError, "NaN");
    clock[Symbol.dispose]();
  }
  assertEquals(Date.now, now);
  assertThrows(() => new FakeClock(Infinity), RangeError, "Infinity");
  assertEquals(Date.now, now);
});

/** Stores in two Maps, some of whose methods do as a fault says. */
function openMaps(
  fault: { values?: Partial<OwnStores["values"]>; calls?: Partial<OwnStores["calls"]> } = {},
) {
  const bytes = new Map<string, Uint8Array<ArrayBuffer>>();
  const records = new Map<string, CallRecord>();
  const stores: OwnStores = {
    values: {
      get: (digest) => bytes.get(digest),
      put: (digest, value) => void bytes.set(digest, value),
      ...fault.values,
    },
    calls: {
      get: (key) => records.get(key),
      put: (record) => void records.set(record.key, record),
      delete: (key) => records.delete(key),
      records: () => [...records.values()],
      ...fault.calls,
    },
  };
  return { bytes, records, stores };
}

/** The same, each answer a promise. */
function openSlow() {
  const { stores: { values, calls }, ...rest } = openMaps();
  const later =
    <A extends unknown[], R>(fn: (...args: A) => R | Promise<R>) =>
    async (...args: A): Promise<R> => {
      await Promise.resolve();
      return await fn(...args);
    };
  const stores: OwnStores = {
    values: { get: later(values.get), put: later(values.put) },
    calls: {
      get: later(calls.get),
      put: later(calls.put),
      delete: later(calls.delete),
      records: async function* () {
        yield* calls.records();
      },
    },
  };
  return { ...rest, stores };
}

for (const { name, run } of checkStores(() => openMaps().stores)) Deno.test(`prompt: ${name}`, run);
for (const { name, run } of checkStores(() => openSlow().stores)) Deno.test(`slow: ${name}`, run);
for (const { name, run } of checkStores(() => createOwnStores(true))) {
  Deno.test(`all: ${name}`, run);
}

Deno.test("checkStores() finds what is wrong with what stores may leave out", async () => {
  const { values, calls, failures } = createOwnStores();
  const put = 1;
  const wrong: OwnStores[] = [
    { values, calls, failures: calls },
    { values: { ...values, delete: () => {} }, calls },
    { values: { ...values, entries: () => [] }, calls },
    { values: { ...values, entries: () => [{ digest: "1".repeat(64), bytes: 0, put }] }, calls },
  ];
  for (const stores of wrong) {
    const ends = await Promise.allSettled(
      checkStores(() => ({ ...createOwnStores(), ...stores })).map(({ run }) => run()),
    );
    assert(ends.some(({ status }) => status === "rejected"));
  }
  assertEquals(failures === calls, false);
});

Deno.test("createCache() waits for what is a promise to `await` only", async () => {
  const cache = createCache(openThenables().stores);
  await cacheScope({ cache }, async () => {
    await lists(3000);
    await expectHit(lists, 3000);
    assertEquals(await cache.evict(await lists.digest(3000)), true);
    await expectMiss(lists, 3000);
  });
});

/** The same, each answer what only `await` takes for a promise. */
function openThenables() {
  const { stores: { values, calls }, ...rest } = openMaps();
  const lazily =
    <A extends unknown[], R>(fn: (...args: A) => R | Promise<R>) => (...args: A): Promise<R> => {
      const thenable: unknown = {
        then: (resolve: (answer: R | Promise<R>) => void) =>
          queueMicrotask(() => resolve(fn(...args))),
      };
      return thenable as Promise<R>;
    };
  const stores: OwnStores = {
    values: { get: lazily(values.get), put: lazily(values.put) },
    calls: {
      get: lazily(calls.get),
      put: lazily(calls.put),
      delete: lazily(calls.delete),
      records: calls.records,
    },
  };
  return { ...rest, stores };
}

/** How many of the checks refuse stores. */
async function refusals(open: () => OwnStores): Promise<string[]> {
  const refused: string[] = [];
  for (const { name, run } of checkStores(open)) {
    await run().catch(() => refused.push(name.split(" ")[0] ?? ""));
  }
  return refused;
}

Deno.test("checkStores() finds stores that lose, mix up or keep too much", async () => {
  const whole = openMaps();
  const faults: { [name: string]: () => OwnStores } = {
    "values.get()": () => openMaps({ values: { get: () => undefined } }).stores,
    "values.put()": () => {
      const { bytes, stores } = openMaps();
      const put = (digest: string, value: Uint8Array<ArrayBuffer>) =>
        void bytes.set(digest, new Uint8Array(value.buffer));
      return { ...stores, values: { ...stores.values, put } };
    },
    "calls.get()": () => openMaps({ calls: { get: () => undefined } }).stores,
    "calls.delete()": () => openMaps({ calls: { delete: () => true } }).stores,
    "calls.records()": () => openMaps({ calls: { records: () => [] } }).stores,
    "calls.put()": () => whole.stores,
  };
  assertEquals(await refusals(() => openMaps().stores), []);
  for (const [name, open] of Object.entries(faults)) {
    const refused = await refusals(open);
    assert(refused.includes(name), `${name}: ${refused}`);
  }
});

Deno.test("checkStores() disposes what it opens, also when a check fails", async () => {
  let open = 0;
  const checks = checkStores(() => {
    open++;
    const { stores } = openMaps({ calls: { get: () => undefined } });
    return { ...stores, [Symbol.asyncDispose]: () => Promise.resolve(void open--) };
  });
  const ended = await Promise.allSettled(checks.map(({ run }) => run()));
  assert(ended.some(({ status }) => status === "rejected"));
  assertEquals(open, 0);
});

for (const [kind, open] of Object.entries({ prompt: openMaps, slow: openSlow })) {
  Deno.test(`createCache() on ${kind} stores never gives what is lost, damaged or mixed up`, async () => {
    const { bytes, records, stores } = open();
    const cache = createCache(stores);
    const run = () => cacheScope({ cache, strict: true }, () => lists(1000));
    const expected = await run();
    const key = await lists.digest(1000);
    const [large, small] = [...bytes.keys()].sort((a, b) =>
      bytes.get(b)!.length - bytes.get(a)!.length
    );
    assert(large !== undefined && small !== undefined);
    const harms: (() => void)[] = [
      () => bytes.delete(large),
      () => bytes.set(large, bytes.get(small)!),
      () => bytes.get(large)!.set([9], 700),
      () => bytes.set(large, bytes.get(large)!.slice(0, -1)),
      () => bytes.set(large, new Uint8Array(0)),
      () => bytes.set(records.get(key)!.result, Uint8Array.of(255, 1, 2, 3, 4, 5)),
      () => records.set(key, { ...records.get(key)!, key: "0".repeat(64) }),
      () => records.set(key, { nothing: true } as unknown as CallRecord),
    ];
    for (const [i, harm] of harms.entries()) {
      harm();
      assertEquals(await cacheScope({ cache }, () => lists.contains(1000)), false, `harm ${i}`);
      assertEquals(await run(), expected, `harm ${i}`);
      assertEquals(await cacheScope({ cache }, () => lists.contains(1000)), true, `harm ${i}`);
    }
    assertEquals(cache.statistics().misses, 1 + harms.length);
  });
}

Deno.test("createCache() loses nothing of what is put while its garbage is collected", async () => {
  for (const isLater of [false, true]) {
    const own = createOwnStores(isLater);
    const asked = Promise.withResolvers<void>();
    const freed = Promise.withResolvers<void>();
    const dropping: string[] = [];
    const values: OwnStores["values"] = {
      ...own.values,
      async delete(digest) {
        dropping.push(digest);
        asked.resolve();
        await freed.promise;
        await own.values.delete?.(digest);
      },
    };
    const cache = createCache({ ...own, values });
    const list = { numbers: new Float64Array(1000).fill(2.5) };
    const orphans = [await cache.putValue(list), await cache.putValue(["more"])];
    using clock = new FakeClock();
    clock.advance(10_000);
    const collected = cache.gc({ gracePeriod: 1000 });
    await asked.promise;
    // One is being dropped, the others are to be.
    const puts = Promise.all([cache.putValue(list), cache.putValue(["more"])]);
    freed.resolve();
    await puts;
    const { values: dropped } = await collected;
    assert(dropped >= 1 && dropped === dropping.length);
    for (const orphan of orphans) assertEquals((await cache.value(orphan)).hit, true, `${isLater}`);
    clock.advance(10_000);
    // A part stays for as long as the value does that it is a part of.
    await cacheScope({ cache, storeArguments: "all" }, () => sums(list));
    assertEquals(await cache.gc({ gracePeriod: 0 }), { values: 1, bytes: 6 });
    assertEquals(await cache.value(orphans[0]!), { hit: true, value: list });
  }
});

Deno.test("createCache() refuses what has no methods, and cannot collect garbage", async () => {
  const { stores } = openMaps();
  const { values, calls } = stores;
  const wrong = [
    undefined,
    {},
    { values },
    { values: { get: 1, put: 2 }, calls },
    {
      values,
      calls: new Map(),
    },
    { values: { ...values, entries: () => [] }, calls },
    { values, calls, failures: new Map() },
    {
      ...{ values: { ...values, delete: () => {} }, calls },
    },
  ];
  for (const given of wrong) {
    assertThrows(
      () => createCache(given as unknown as OwnStores),
      TypeError,
      "Cannot create a cache",
    );
  }
  const cache = createCache(stores);
  await assertRejects(() => cache.gc(), TypeError, "cannot drop values");
  const entries = () => [{ digest: "1".repeat(64), bytes: 0 } as OwnEntry];
  const vague = createCache({ values: { ...values, delete: () => {}, entries }, calls });
  await assertRejects(() => vague.gc(), TypeError, "gives no `{ digest, bytes, put }`");
  assertEquals([cache.description, readOnly(cache).readOnly], [undefined, true]);
});

Deno.test("createCache() runs calls when stores throw, and warns once", async () => {
  const { stores } = openMaps({
    values: {
      put: () => {
        throw new Error("no network");
      },
    },
  });
  const warnings: string[] = [];
  const onWarning = ({ cause }: { cause?: unknown }) => void warnings.push(`${cause}`);
  const results = await cacheScope({ cache: createCache(stores), onWarning }, async () => {
    return [await grow(0.5), await grow(0.5)];
  });
  assertEquals(results, [1.5, 1.5]);
  assert(
    warnings.length >= 1 && warnings.every((text) => text.includes("no network")),
    `${warnings}`,
  );
});
