// end-to-end: what caches can do holds on every kind of cache, in every combination
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { cacheScope, createMemoryCache, task } from "@quiver/quiver";
import {
  filtered,
  limited,
  mix,
  query,
  readOnly,
  refreshing,
  stack,
  union,
} from "@quiver/quiver/caches";
import { FakeClock } from "@quiver/quiver/testing";
import { Cache } from "../../src/cache/cache.ts";
import { createOwnStores, untilLater, withEveryCache } from "./_every_cache.ts";
import { createCache } from "@quiver/quiver/caches";

const MINUTE = 60_000;
let failing = true;
let computed = 0;

const half = task(
  import.meta,
  (n: number) => ({ half: n / 2, all: new Float64Array(600).fill(n) }),
  {
    name: "half",
  },
);
const breaks = task(import.meta, (n: number) => {
  if (failing) throw new RangeError(`no ${n}`);
  return n;
}, { name: "breaks" });
const ages = task(import.meta, (n: number) => n + ++computed, {
  name: "ages",
  expiresAfter: MINUTE,
});
const settles = task(import.meta, (n: number) => n + ++computed, {
  name: "settles",
  expiresAfter: MINUTE,
  staleWhileRevalidate: MINUTE,
});

/** What stands on a cache, and stores into it or beside it. */
const WRITABLE: { readonly [name: string]: (cache: Cache) => Cache } = {
  "itself": (cache) => cache,
  "first of a stack": (cache) => stack(cache, createMemoryCache()),
  "second of a stack": (cache) => stack(createMemoryCache(), cache),
  "read-only below another": (cache) => stack(createMemoryCache(), readOnly(cache)),
  "refreshing": (cache) => refreshing(cache),
  "refreshing stack": (cache) => refreshing(stack(createMemoryCache(), cache)),
  "limited by age": (cache) => limited(cache, { maxAge: 1000 * MINUTE }),
  "values of a mix": (values) => mix({ values, calls: createMemoryCache() }),
  "calls of a mix": (calls) => mix({ values: createMemoryCache(), calls }),
  "own stores above": (cache) => stack(createCache(createOwnStores(true)), cache),
};

/** What shows a cache, and changes nothing. */
const READ_ONLY: { readonly [name: string]: (cache: Cache) => Cache } = {
  "read-only": readOnly,
  "union": (cache) => union(createMemoryCache(), cache),
  "filtered": (cache) => filtered(cache, ({ task }) => task !== "ages"),
  "filtered stack": (cache) => filtered(stack(createMemoryCache(), cache), {}),
  "read-only stack": (cache) => readOnly(stack(createMemoryCache(), cache)),
};

async function checkWritable(cache: Cache, what: string): Promise<void> {
  await cacheScope({ cache, keepFailures: true, strict: true }, async () => {
    const [first, second] = [half(8), half(8)];
    assertEquals([(await first).half, (await second).all[599]], [4, 8], what);
    const hit = half(8);
    await hit;
    assertEquals(
      [hit.hit, await half.contains(8), (await half.load(8)).half],
      [true, true, 4],
      what,
    );
    assertEquals(await query(cache, { task: half, args: { n: 8 } }).count(), 1, what);

    failing = true;
    await assertRejects(() => breaks(3), RangeError, "no 3");
    const { key } = await query(cache, { state: "failed", task: breaks }).only();
    // What no call needs goes, and nothing else does.
    await cache.putValue({ lonely: what });
    await untilLater();
    assert((await cache.gc({ gracePeriod: 0 })).values >= 1, `${what}: gc()`);
    assertEquals((await half.load(8)).all[0], 8, what);
    await assertRejects(() => breaks.reproduce(key), RangeError, "no 3");
    failing = false;
    assertEquals([await breaks(3), await query(cache, { state: "failed" }).count()], [3, 0], what);

    const other = createMemoryCache();
    await query(cache, half).transfer(other);
    assertEquals(await other.contains(await half.digest(8)), true, what);

    assertEquals(await cache.evict(await half.digest(8)), true, what);
    assertEquals([await half.contains(8), await cache.evict({ task: half })], [false, 0], what);
    assertEquals((await half(8)).half, 4, `${what}: what was forgotten is computed again`);
    assertEquals(await cache.evict(half), 1, what);
    assertEquals(await query(cache, half).any(), false, what);
  });
}

async function checkReadOnly(cache: Cache, base: Cache, what: string): Promise<void> {
  const warnings: string[] = [];
  const onWarning = ({ message }: { message: string }) => void warnings.push(message);
  await cacheScope({ cache, keepFailures: true, onWarning }, async () => {
    assertEquals([await half.contains(8), (await half.load(8)).half], [true, 4], what);
    assertEquals((await half(6)).half, 3);
    assertEquals(await half.contains(6), false, what);
    assert(warnings.some((message) => message.includes("the cache is read-only")), what);
    assertEquals(await query(cache, { state: "failed" }).count(), 1, what);
    assertEquals(await query(cache, half).count(), 1, what);
  });
  const key = await half.digest(8);
  for (
    const change of [
      () => cache.evict(key),
      () => cache.evict({ task: half }),
      () => cache.evict({ state: "failed" }),
      () => cache.gc(),
      () => cache.putValue(1),
      () => query(cache, { state: "failed" }).evict(),
    ]
  ) await assertRejects(async () => await change(), TypeError, "is read-only", what);
  assertThrows(() => limited(cache, { maxItems: 1 }), TypeError, "it is read-only");
  const aged = limited(cache, { maxAge: 1000 * MINUTE });
  assertEquals((await aged.lookup(key)).hit, true, what);
  assertEquals(await base.contains(key), true, what);
}

Deno.test("all that a cache can do holds on every kind, in every combination", () =>
  withEveryCache(async (base, kind) => {
    for (const [name, combine] of Object.entries(WRITABLE)) {
      // Each collection of a bag waits for what was put within the last second.
      if (kind === "bag" && !/itself|values/.test(name)) continue;
      await base.evict({});
      await checkWritable(combine(base), `${kind}, ${name}`);
    }
    await base.evict({});
    failing = true;
    await cacheScope({ cache: base, keepFailures: true }, async () => {
      await half(8);
      await assertRejects(() => breaks(1), RangeError);
    });
    for (const [name, combine] of Object.entries(READ_ONLY)) {
      await checkReadOnly(combine(base), base, `${kind}, ${name}`);
    }
  }));

Deno.test("limited() holds on every kind that can tell its calls, and what is made of them", () =>
  withEveryCache(async (base, kind) => {
    if (kind === "own") {
      assertThrows(() => limited(base, { maxItems: 1 }), TypeError, "cannot tell which calls");
      return;
    }
    for (
      const [name, combine] of Object.entries({
        ...WRITABLE,
        "read-only below another": (cache: Cache) => cache,
        "own stores above": (cache: Cache) => limited(cache, { maxItems: 5 }),
      })
    ) {
      for (const limits of [{ maxItems: 2 }, { maxBytes: 11_000 }]) {
        await base.evict({});
        const what = `${kind}, ${name}, ${Object.keys(limits)}`;
        const cache = limited(combine(base), limits);
        await cacheScope({ cache, strict: true }, async () => {
          for (const n of [1, 2, 3, 4]) await half(n);
          const known = await Promise.all([1, 2, 3, 4].map((n) => half.contains(n)));
          assertEquals(known, [false, false, true, true], what);
          assertEquals(await query(cache).count(), 2, what);
        });
      }
    }
  }));

Deno.test("a result that has expired hides none beneath it that has not", () =>
  withEveryCache(async (base, kind) => {
    for (const age of [ages, settles]) {
      const [other, below] = [createMemoryCache(), base];
      const call = (cache: Cache) => cacheScope({ cache, strict: true }, () => age(1));
      using clock = new FakeClock();
      const old = [await call(other), await call(other)];
      assertEquals(old[0], old[1]);
      clock.advance(1.5 * MINUTE);
      const fresh = await call(below);
      assert(fresh !== old[0]);
      const runs = computed;
      for (
        const [name, cache] of Object.entries({
          union: union(other, below),
          "union in a stack": stack(createMemoryCache(), union(other, below)),
          "read-only stack": stack(readOnly(other), below),
          "filtered stack": filtered(stack(readOnly(other), below), { task: age }),
          "limited by age": limited(stack(readOnly(other), below), { maxAge: 2 * MINUTE }),
          stack: stack(other, below),
        })
      ) {
        await cacheScope({ cache, strict: true }, async () => {
          const found = age(1);
          const what = `${kind}, ${name}, ${age.address.name}`;
          assertEquals([await found, found.hit, await age.contains(1)], [fresh, true, true], what);
          assertEquals([await age.load(1), (await age.explain(1)).hit], [fresh, true], what);
          assertEquals(await (await age.shelve(1)).get(), fresh, what);
        });
      }
      await untilLater();
      assertEquals(computed, runs, "and none is computed anew");
      // A stack has copied it into its first.
      assertEquals([await call(other), computed], [fresh, runs]);
      clock.advance(3 * MINUTE);
      assert(await call(stack(other, below)) > fresh, "where all have expired the call runs");
    }
  }));

Deno.test("what is too old for a limit, or was lost, is answered by nothing that does not count", async () => {
  const [top, below] = [createMemoryCache(), createMemoryCache()];
  for (const cache of [top, below]) await cacheScope({ cache }, () => ages(7));
  const key = await ages.digest(7);
  const [old, fresh] = await Promise.all([top.record(key), below.record(key)]);
  assert(old !== undefined && fresh !== undefined && old.result !== fresh.result);
  await top.putRecord({ ...old, started: 1000, wall: 1000 });
  const value = async (cache: Cache) => {
    const found = await cache.lookup(key);
    return found.hit ? found.value : undefined;
  };
  const own = [computed - 1, computed].map((run) => 7 + run);
  const aged = (cache: Cache) => limited(cache, { maxAge: MINUTE });
  for (const cache of [union(top, below), stack(readOnly(top), below)]) {
    assertEquals([await value(cache), await value(aged(cache))], own);
  }
  // The value of the fresh one is lost: neither it nor the one that has expired answers.
  const { calls, leases } = below.stores;
  const lost = new Cache({ calls, leases, values: createMemoryCache().stores.values });
  for (const cache of [union(lost, top), stack(lost, top), stack(readOnly(lost), readOnly(top))]) {
    await cacheScope({ cache }, async () => assertEquals(await ages.contains(7), false));
    assertEquals(await value(aged(cache)), undefined);
    assertEquals(await value(cache), own[0], "where any counts, any is given");
  }
});

Deno.test("a cache that cannot be read, or is closed, hides nothing beneath it", () =>
  withEveryCache(async (base, kind) => {
    await cacheScope({ cache: base }, () => half(8));
    const own = createOwnStores();
    const fails = (): never => {
      throw new Error("no network");
    };
    const [atOnce, later] = [fails, () => Promise.reject(new Error("no network"))].map((get) =>
      createCache({ values: { ...own.values, get }, calls: { ...own.calls, get } })
    );
    const noValues = createCache({ ...own, values: { ...own.values, get: fails } });
    await cacheScope({ cache: createCache(own) }, () => half(8));
    assert(atOnce !== undefined && later !== undefined);
    for (const broken of [atOnce, later, noValues]) {
      for (
        const cache of [union(broken, base), stack(broken, base), readOnly(stack(broken, base))]
      ) {
        await cacheScope({ cache, strict: true }, async () => {
          const found = half(8);
          assertEquals([(await found).half, found.hit], [4, true], kind);
        });
      }
      // What nobody knows is told of.
      await cacheScope({ cache: union(broken, base), strict: true }, async () => {
        await assertRejects(() => half.load(800 + Number(broken !== noValues)), Error);
      });
    }
  }));
