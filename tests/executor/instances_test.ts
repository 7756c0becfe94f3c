// End-to-end: instances of registered classes as arguments and results, wherever calls run and are kept.
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { type Cache, cacheScope, createMemoryCache, Executor, openBag } from "@quiver/quiver";
import {
  InstanceError,
  openFileCache,
  openSqliteCache,
  query,
  registerClass,
  verifyBag,
} from "@quiver/quiver/caches";
import * as fc from "fast-check";
import { StoredInstance } from "../../src/value/class_registry.ts";
import { WORKER_TYPES } from "../../src/worker/worker.ts";
import { TemporaryDirectory } from "../store/_temporary_directory.ts";
import { Crate, withInstances } from "../value/arbitrary_value.ts";
import { sameValue } from "../value/same_value.ts";
import { leaveNothing } from "../leave_nothing.ts";
import {
  describe,
  double,
  echo,
  fail,
  Field,
  giveSecret,
  look,
  stored,
} from "./testdata/instance_tasks.ts";

leaveNothing();

type AnyCache = Cache & Partial<AsyncDisposable>;

const CACHES: { readonly [name: string]: (path: string) => AnyCache | Promise<AnyCache> } = {
  bag: (path) => openBag(path),
  files: (path) => openFileCache(path),
  sqlite: (path) => openSqliteCache(path),
  memory: () => createMemoryCache(),
};

/** What crosses to another process, and what is the same out of a store. */
const SENDABLE = withInstances.filter((value) =>
  !/SharedArrayBuffer|DOMException/.test(Deno.inspect(value, { depth: 20 }))
);

for (const workerType of WORKER_TYPES) {
  Deno.test(`${workerType}: what is computed with instances is what comes back, out of a cache, too`, async () => {
    using directory = new TemporaryDirectory();
    await using executor = new Executor({ workerType, maxWorkers: 1 });
    const values = fc.sample(SENDABLE, { numRuns: 25, seed: 7 });
    for (const [name, open] of Object.entries(CACHES)) {
      // On disk workers store by themselves, whichever of them it is.
      if (workerType !== "inline" && !["bag", "memory"].includes(name)) continue;
      const cache = await open(`${directory.path}/${name}`);
      await cacheScope({ cache }, async () => {
        const futures = values.map((value) => executor.submit(echo, value));
        for (const [index, value] of values.entries()) {
          const wanted = Object.assign(new Crate(), { content: value });
          assert(sameValue(await futures[index], wanted), `${name}: ${Deno.inspect(value)}`);
          const again = echo(value);
          assert(sameValue(await again, wanted), `${name}: hit: ${Deno.inspect(value)}`);
          assert(again.hit);
        }
        const field = new Field("a", Float64Array.from({ length: 1000 }, () => 2));
        const doubled = await executor.submit(double, field);
        assertInstanceOf(doubled.field, Field);
        assertEquals([doubled.field.name, doubled.field.sum, field.sum], ["2 a", 4000, 2000]);
        assertEquals(doubled.twice, [doubled.field, doubled.field]);
        assert(doubled.twice.every((one) => one === doubled.field));
        const known = executor.submit(double, field);
        assertEquals([(await known).field.sum, known.hit], [4000, true]);
      });
      await cache[Symbol.asyncDispose]?.();
    }
  });
}

for (const workerType of ["web", "process"] as const) {
  Deno.test(`${workerType}: a class that one side does not know is told by name and remedy`, async () => {
    class Ours {}
    registerClass(Ours, {
      name: `ours ${workerType}`,
      version: "b",
      toData: () => null,
      fromData: () => new Ours(),
    });
    await using executor = new Executor({ workerType, maxWorkers: 1 });
    for (const cache of [undefined, createMemoryCache()]) {
      await cacheScope(cache === undefined ? {} : { cache }, async () => {
        const there = await assertRejects(
          async () => await executor.submit(look, [new Ours()]),
          InstanceError,
          "import the module that calls `registerClass()`",
        );
        assertEquals(describe(there), [`ours ${workerType}`, "b", "unknown"]);
        const here = await assertRejects(async () => await executor.submit(giveSecret));
        assertEquals(describe(here), ["secret", 1, "unknown"]);
        // Nothing of it stays behind.
        assertEquals(await executor.submit(look, 1), "1");
        const error = await assertRejects(async () => await executor.submit(fail), RangeError);
        assert("at" in error && error.at instanceof Field && error.at.sum === 7);
      });
    }
  });
}

Deno.test("a result of another version is a miss, or read where the class says so", async () => {
  const cache = createMemoryCache();
  const warnings: string[] = [];
  const options = {
    cache,
    onWarning: ({ message }: { message: string }) => warnings.push(message),
  };
  await cacheScope(options, async () => {
    await stored("field", 1);
    const converted = stored("field", 1);
    assertInstanceOf(await converted, Field);
    assertEquals([(await converted as Field).name, converted.hit], ["old field", true]);
    await stored("field", 3);
    assertEquals([await stored.contains("field", 3), await stored.contains("field", 1)], [
      false,
      true,
    ]);
    const again = stored("field", 3);
    await again;
    assertEquals([again.hit, warnings], [false, []]);
    const records = await Array.fromAsync(query(cache, { task: stored }));
    const results = records.map(async ({ result }) => (await cache.value(result)).hit);
    const settled = await Promise.allSettled(results);
    assertEquals(settled.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
  });
});

Deno.test("explain() tells of an instance that cannot be made what stands for it", async () => {
  const cache = createMemoryCache();
  await cacheScope({ cache }, async () => {
    const field = new Field("x", new Float64Array(1));
    await look(field);
    const [record] = await Array.fromAsync(query(cache));
    const [argument] = record?.args ?? [];
    assert(record !== undefined && argument !== undefined);
    const old = new StoredInstance({ name: "field", version: 0 }, { name: "older" });
    const value = await cache.putValue(old);
    await cache.evict(record.key);
    const args = [{ ...argument, digest: "0".repeat(64), value }];
    await cache.putRecord({ ...record, key: "0".repeat(64), args });
    const text = String(await look.explain(field));
    assertStringIncludes(text, 'argument value: Stored { name: "field", version: 0,');
  });
});

Deno.test("a result whose class nobody has registered is kept by all that is done with a bag", async () => {
  using directory = new TemporaryDirectory();
  const path = `${directory.path}/bag`;
  await using bag = await openBag(path);
  const warnings: string[] = [];
  const onWarning = ({ message, cause }: { message: string; cause?: unknown }) => {
    warnings.push(`${message}: ${cause}`);
  };
  await cacheScope({ cache: bag, onWarning }, async () => {
    await stored("nobody", 1);
    assertEquals(warnings, []);
    const again = stored("nobody", 1);
    await again;
    assertEquals([again.hit, warnings.length], [false, 1]);
    assertStringIncludes(
      warnings[0] ?? "",
      'instance of "nobody" (version 1): no class of that name',
    );
    assertEquals(await stored.contains("nobody", 1), false);
  });
  const [record] = await Array.fromAsync(query(bag));
  assert(record !== undefined);
  const { key, result } = record;
  await assertRejects(async () => await bag.read(result), InstanceError, '"nobody"');
  await assertRejects(async () => await bag.value(result), InstanceError, '"nobody"');
  // Who looks into it needs no class.
  const entries = await Array.fromAsync(bag.list(`${key}/result`));
  assertEquals(entries.map(({ name, kind }) => [name, kind]), [
    ["name", "string"],
    ["values", "Float64Array"],
  ]);
  const [listed] = (await Array.fromAsync(bag.list(key))).filter(({ name }) => name === "result");
  assertEquals([listed?.kind, listed?.size], ["nobody", 2]);
  assertEquals(await bag.read(result, "values"), new Float64Array([1]));
  await bag.fold();
  await bag.gc({ gracePeriod: 0 });
  await bag.compact({ gracePeriod: 0 });
  assertEquals((await verifyBag(path, { repair: true })).sound, true);
  await bag.backup(`${directory.path}/backup`);
  await bag.exportHdf5(`${directory.path}/all.h5`);
  await using files = await openFileCache(`${directory.path}/files`);
  await query(bag).transfer(files);
  await using imported = await openBag(`${directory.path}/imported`);
  await imported.importHdf5(`${directory.path}/all.h5`);
  await using signed = await openBag(`${directory.path}/signed`, { signingKey: "k".repeat(32) });
  await query(bag).transfer(signed);
  await using backup = await openBag(`${directory.path}/backup`);
  // A later program knows it.
  class Nobody {
    constructor(readonly data: unknown) {}
  }
  registerClass(Nobody, {
    name: "nobody",
    toData: ({ data }) => data,
    fromData: (data) => new Nobody(data),
  });
  for (const cache of [bag, backup, files, imported, signed]) {
    await cacheScope({ cache }, async () => {
      const known = stored("nobody", 1);
      const wanted = new Nobody({ name: "nobody", values: new Float64Array([1]) });
      assertEquals([await known, known.hit], [wanted, true]);
    });
  }
});
