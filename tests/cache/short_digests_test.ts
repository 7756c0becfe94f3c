// end-to-end: digests in short, and values that are known by their digests, in each kind of cache
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  AmbiguousDigestError,
  CacheMissError,
  cacheScope,
  D,
  DependencyError,
  Executor,
  share,
  task,
} from "@quiver/quiver";
import { expand, shrink, stack, voidCache } from "@quiver/quiver/caches";
import { createMemoryCache } from "@quiver/quiver";
import { CACHES, openFolder } from "../frozen/_ways.ts";
import { at, make } from "../executor/testdata/share_tasks.ts";

const sum = task(import.meta, function sum(a: number, { b }: { b: number }): number {
  return a + b;
});

for (const [kind, open] of Object.entries(CACHES)) {
  // fleche 22, 23
  Deno.test(`${kind}: D() gives a stored value by its digest, and a result by its key`, async () => {
    await using folder = await openFolder();
    await using opened = await open(folder.path);
    const { cache } = opened;
    await cacheScope({ cache }, async () => {
      const array = Float64Array.from({ length: 3000 }, (_, index) => index);
      const digest = await cache.putValue(array);
      const five = await cache.putValue(5);
      await sum(1, { b: 2 });
      const key = await sum.digest(1, { b: 2 });
      assertEquals(await D(digest), array);
      assertEquals(await D(digest.slice(0, 9)), array);
      assertEquals(await D(key), 3);
      assertEquals(await D(key.slice(0, 9)), 3);
      // As an argument it stands for the value, at any depth.
      assertEquals(await sum(D<number>(key), { b: D<number>(five.slice(0, 10)) }), 8);
      const byDigest = [D<number>(key), { b: D<number>(five.slice(0, 10)) }] as const;
      assertEquals(await sum.digest(...byDigest), await sum.digest(3, { b: 5 }));
      const record = await cache.record(await sum.digest(3, { b: 5 }));
      const values = record?.args.map(({ value }) => cache.value(value ?? ""));
      assertEquals(await Promise.all(values ?? []), [{ hit: true, value: 3 }, {
        hit: true,
        value: { b: 5 },
      }]);
      assertEquals(await expand(cache, await shrink(cache, key)), key);
      assertEquals((await shrink(cache, digest)).length, 8);
      const none = "0123456789".padEnd(64, "a");
      for (const unknown of [none, none.slice(0, 10)]) {
        const error = await assertRejects(async () => await D(unknown), CacheMissError);
        assertEquals(error.key, unknown);
      }
      const failed = await assertRejects(
        async () => await sum(D<number>(none), { b: 1 }),
        DependencyError,
      );
      assert(failed.cause instanceof CacheMissError);
    });
  });

  // fleche 23
  Deno.test(`${kind}: a digest in short that is ambiguous says how much of it is needed`, async () => {
    await using folder = await openFolder();
    await using opened = await open(folder.path);
    const { cache } = opened;
    const byStart = new Map<string, { digest: string; value: number }>();
    let pair: readonly { digest: string; value: number }[] | undefined;
    for (let value = 0; pair === undefined; value++) {
      const digest = await createMemoryCache().putValue(value);
      const other = byStart.get(digest.slice(0, 4));
      if (other !== undefined) pair = [other, { digest, value }];
      byStart.set(digest.slice(0, 4), { digest, value });
    }
    for (const { value } of pair) await cache.putValue(value);
    const [one] = pair;
    const start = one?.digest.slice(0, 4) ?? "";
    await cacheScope({ cache }, async () => {
      const error = await assertRejects(async () => await D(start), AmbiguousDigestError);
      assertEquals(error.matches, pair.map(({ digest }) => digest).sort());
      assert(error.message.includes(`give the first ${error.needed} characters`), error.message);
      for (const { digest, value } of pair) {
        assertEquals(await D(digest.slice(0, error.needed)), value);
      }
      await assertRejects(
        async () => await D((one?.digest ?? "").slice(0, error.needed - 1)),
        AmbiguousDigestError,
      );
    });
  });
}

Deno.test("D(), shrink() and expand() refuse what is no digest, and where there is no cache", async () => {
  assertThrows(() => D("abcd"), TypeError, "there is no cache here");
  await cacheScope({ cache: voidCache }, () => {
    assertThrows(() => D("abcd"), TypeError, "there is no cache here");
  });
  const cache = createMemoryCache();
  for (const wrong of ["", "abc", "ABCD", "xyzw", "a".repeat(65)]) {
    await cacheScope({ cache }, async () => {
      await assertRejects(async () => await D(wrong), SyntaxError, "64 lower-case hexadecimal");
    });
    await assertRejects(() => expand(cache, wrong), SyntaxError);
    await assertRejects(() => shrink(cache, wrong), SyntaxError);
  }
});

Deno.test("D() finds what any layer has, a shared value, and says when a result is damaged", async () => {
  const [top, below] = [createMemoryCache(), createMemoryCache()];
  const array = Float64Array.from({ length: 40_000 }, (_, index) => index);
  const digest = await below.putValue(share(array));
  await cacheScope({ cache: stack(top, below) }, async () => {
    assertEquals(await D(digest.slice(0, 12)), array);
  });
  await cacheScope({ cache: below }, async () => {
    await sum(7, { b: 8 });
    const key = await sum.digest(7, { b: 8 });
    below.stores.values.reject?.((await below.record(key))?.result ?? "");
    await assertRejects(
      async () => await D(key),
      CacheMissError,
      "its result is missing or damaged",
    );
  });
});

// fleche 22
Deno.test("D() travels to workers as the value", async () => {
  await using executor = new Executor({ maxWorkers: 1, workerType: "inline" });
  await cacheScope({ cache: createMemoryCache() }, async () => {
    await executor.submit(make, 30_000);
    const key = await make.digest(30_000);
    assertEquals(await executor.submit(at, D<Float64Array>(key.slice(0, 16)), 4), 2);
  });
});
