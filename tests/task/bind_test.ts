// Contract: what a bound task carries, and what it ignores.
import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  bind,
  cacheScope,
  createMemoryCache,
  currentScope,
  DeadlockError,
  openBag,
  type QuiverWarning,
  type Scope,
  task,
  withMetadata,
  withTags,
} from "@quiver/quiver";
import { voidCache } from "@quiver/quiver/caches";
import { type Description, restoreBound } from "@quiver/quiver/workers";
import type { BoundDescription } from "../../src/task/task.ts";

const double = task(import.meta, function double(x: number): number {
  return 2 * x;
});

const quadruple = task(import.meta, async function quadruple(x: number): Promise<number> {
  return await double(await double(x));
});

const seen = task(import.meta, function seen(): Scope {
  return currentScope();
}, { version: 1 });

const apply = task(
  import.meta,
  async function apply(fn: (x: number) => PromiseLike<number>, x: number): Promise<number> {
    return await fn(x);
  },
);

const echo = task(import.meta, async function echo(x: number): Promise<number> {
  return await late.fn(x);
});

/** What `echo` calls, which cannot be known when it is defined. */
const late = { fn: (x: number): PromiseLike<number> => Promise.resolve(x) };

Deno.test("Task.bind() freezes cache, tags and metadata, and ignores the outer scope", async () => {
  const [own, outer] = [createMemoryCache(), createMemoryCache()];
  const bound = await cacheScope({ cache: own, tags: { a: 1 }, metadata: { m: [1] } }, () => {
    return double.bind({ tags: { b: 2 } });
  });
  await cacheScope({ cache: outer, tags: { c: 3 }, metadata: { n: 1 }, strict: true }, async () => {
    const future = bound(21);
    assertEquals(await future, 42);
    assertEquals([future.hit, future.name], [false, "double"]);
    assertEquals(await bound(21), 42);
  });
  const key = await double.digest(21);
  assertEquals((await own.record(key))?.metadata, { m: [1], tags: { a: 1, b: 2 } });
  assertEquals(await outer.contains(key), false);
  assertEquals(own.statistics().hits, 1);
});

Deno.test("Task.bind() binds to no cache where none holds, and to what is asked for", async () => {
  const cache = createMemoryCache();
  const bare = seen.bind();
  const given = seen.bind({ cache: voidCache, leaseTimeout: 7, singleFlight: false });
  await cacheScope({ cache, tags: { outer: true } }, async () => {
    assertEquals((await bare()).cache, undefined);
    assertEquals((await bare()).tags, {});
    const scope = await given();
    assertStrictEquals(scope.cache, voidCache);
    assertEquals([scope.leaseTimeout, scope.singleFlight], [7, false]);
    const again = await given.bind({ tags: { again: true } })();
    assertEquals([again.cache, again.tags], [voidCache, { again: true }]);
  });
});

Deno.test("BoundTask() has nested tasks in its scope", async () => {
  const cache = createMemoryCache();
  const bound = quadruple.bind({ cache });
  assertEquals(await bound(3), 12);
  assert(await cache.contains(await double.digest(6)));
});

Deno.test("BoundTask has the helpers of its task, in its scope", async () => {
  const cache = createMemoryCache();
  const bound = double.bind({ cache });
  await bound(4);
  assertEquals(bound.address, double.address);
  assertEquals(await bound.digest(4), await double.digest(4));
  assertEquals([await bound.contains(4), await double.contains(4)], [true, false]);
  assertEquals(await bound.load(4), 8);
  assertEquals(await bound.evict(4), true);
  assertEquals(await bound.contains(4), false);
});

Deno.test("BoundTask() counts for a key by address and code, without its scope", async () => {
  const cache = createMemoryCache();
  await cacheScope({ cache, strict: true }, async () => {
    const plain = await apply.digest(double, 1);
    assertEquals(await apply.digest(double.bind({ tags: { a: 1 } }), 1), plain);
    assert(await apply.digest(quadruple.bind(), 1) !== plain);
    assertEquals(await apply(double.bind(), 1), 2);
    const again = apply(double, 1);
    assertEquals(await again, 2);
    assertEquals(again.hit, true);
  });
});

Deno.test("BoundTask() that waits for its own caller is told so", async () => {
  await cacheScope({ cache: createMemoryCache() }, async () => {
    late.fn = echo.bind();
    await assertRejects(async () => await echo(1), DeadlockError, "waits for itself");
  });
});

// fleche 33
Deno.test("bind() puts the tasks that a plain function calls into the bound scope", async () => {
  const [own, outer] = [createMemoryCache(), createMemoryCache()];
  const sum = async (a: number, b: number) => await double(a) + await double(b);
  const bound = await cacheScope({ cache: own, tags: { a: 1 } }, () => bind(sum));
  await cacheScope({ cache: outer }, async () => assertEquals(await bound(1, 2), 6));
  assert(await own.contains(await double.digest(2)));
  assertEquals(outer.statistics(), { ...outer.statistics(), hits: 0, misses: 0 });
  assertEquals(bound.name, "sum");
  const tags = bind(() => currentScope().tags, { tags: { b: 2 } });
  await withTags({ c: 3 }, () => assertEquals(tags(), { b: 2 }));
});

Deno.test("bind() of a task is Task.bind()", async () => {
  const cache = createMemoryCache();
  assertEquals(await bind(double, { cache })(5), 10);
  assert(await cache.contains(await double.digest(5)));
});

Deno.test("bind() says that a plain function cannot travel, and what could", () => {
  const error = assertThrows(() => JSON.stringify([bind(function half() {})]), TypeError);
  assertStringIncludes(error.message, 'Cannot describe "half" as only tasks can travel');
  assertStringIncludes(error.message, "task(import.meta, fn)");
  assertThrows(() => bind(3 as never), TypeError, "Cannot bind 3");
  assertThrows(() => double.bind({ cahce: 1 } as never), TypeError, '"cahce" is not an option');
  assertThrows(() => double.bind({ workers: {} } as never), TypeError, "workers of its own");
});

// fleche 29
Deno.test("BoundTask survives JSON and structured clone with cache, tags and metadata", async () => {
  const path = await Deno.makeTempDir();
  {
    await using bag = await openBag(`${path}/bag`, { fold: "manual" });
    const scope = { cache: bag, tags: { a: 1 }, metadata: { m: { n: null } }, leaseTimeout: 9000 };
    const bound = await cacheScope(scope, () => quadruple.bind());
    const copies: Description[] = [
      JSON.parse(JSON.stringify(bound)),
      structuredClone(bound.description),
    ];
    for (const [x, copy] of copies.entries()) {
      assertEquals(copy, bound.description);
      await using restored = await restoreBound<[number], number>(copy);
      await withTags({ outer: true }, async () => assertEquals(await restored(x), 4 * x));
      assertEquals(restored.description, bound.description);
      const [key, made] = [await quadruple.digest(x), await double.digest(2 * x)];
      const common = { m: { n: null }, tags: { a: 1 } };
      const both: [string, { [name: string]: string | string[] }][] = [
        [key, { made: [...new Set([await double.digest(x), made])] }],
        [made, { by: key }],
      ];
      for (const [call, calls] of both) {
        assertEquals((await bag.record(call))?.metadata, { ...common, calls });
      }
    }
    await using own = await restoreBound(bound.description, { cache: bag, tags: { b: 2 } });
    const future = own(1);
    await future;
    assertEquals(future.hit, true);
  }
  await Deno.remove(path, { recursive: true });
});

Deno.test("BoundTask.toJSON() warns of a cache that stays behind, and a strict scope throws", async () => {
  const warnings: QuiverWarning[] = [];
  const cache = createMemoryCache();
  const onWarning = (warning: QuiverWarning) => warnings.push(warning);
  const bound = double.bind({ cache, onWarning });
  await using restored = await restoreBound<[number], number>(JSON.parse(JSON.stringify(bound)));
  assertEquals(await restored(2), 4);
  assertEquals(cache.statistics().misses, 0);
  assertEquals(warnings.length, 1);
  assertStringIncludes(warnings[0]?.message ?? "", 'the cache of the bound task "double"');
  const strict = double.bind({ cache, strict: true });
  assertThrows(() => strict.description, Error, "Cannot describe the cache");
  JSON.stringify(double.bind({ cache: voidCache, onWarning }));
  JSON.stringify(double.bind({ onWarning }));
  assertEquals(warnings.length, 1);
});

Deno.test("restoreBound() refuses what describes no bound task, and a task that is not there", async () => {
  for (const wrong of [null, 1, {}, { type: "bound-task" }, double.address]) {
    await assertRejects(() => restoreBound(wrong as never), TypeError, "does not describe one");
  }
  const { type, address, scope } = double.bind().description as BoundDescription;
  const lost = { type, address: { ...address, name: "lost" }, scope };
  await assertRejects(() => restoreBound(lost), Error, 'Cannot find task "lost"');
});

Deno.test("withMetadata() goes into records beside the tags, where templates find it", async () => {
  const cache = createMemoryCache();
  await cacheScope(
    { cache, tags: { a: 1 } },
    () => withMetadata({ machine: "a" }, () => withMetadata({ run: { id: 7 } }, () => double(8))),
  );
  const record = await cache.record(await double.digest(8));
  assertEquals(record?.metadata, { machine: "a", run: { id: 7 }, tags: { a: 1 } });
  assertEquals(await cache.evict({ metadata: { run: { id: 8 } } }), 0);
  assertEquals(await cache.evict({ metadata: { run: { id: 7 } } }), 1);
  await assertRejects(
    () => withMetadata({ tags: {} }, () => 1),
    TypeError,
    'the metadata "tags" are the tags',
  );
});
