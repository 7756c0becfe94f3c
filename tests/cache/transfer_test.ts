// contract: calls that are copied or moved between caches of every kind, and what is never lost
import { assert, assertEquals, assertRejects } from "@std/assert";
import { createMemoryCache, openBag } from "@quiver/quiver";
import { Cache } from "../../src/cache/cache.ts";
import {
  limited,
  mix,
  openFileCache,
  openSqliteCache,
  query,
  readOnly,
  rekey,
  stack,
  union,
  voidCache,
} from "@quiver/quiver/caches";
import type { Stores } from "../../src/store/stores.ts";
import { toKey, toRecord } from "./_records.ts";

const big = new Float64Array(1000).fill(2);

/** Caches of each kind; each call of it makes new ones. */
async function withCaches(
  run: (open: (kind: string) => Promise<Cache>, kinds: readonly string[]) => Promise<void>,
): Promise<void> {
  const path = await Deno.makeTempDir();
  {
    await using opened = new AsyncDisposableStack();
    const signingKey = "a key of sixteen bytes";
    let count = 0;
    const kinds: Record<string, () => Cache | Promise<Cache>> = {
      memory: () => createMemoryCache(),
      bag: async () => opened.use(await openBag(`${path}/${count++}`, { fold: "manual" })),
      files: async () => opened.use(await openFileCache(`${path}/${count++}`)),
      SQLite: async () => opened.use(await openSqliteCache(`${path}/${count++}`)),
      signed: async () =>
        opened.use(await openBag(`${path}/${count++}`, { fold: "manual", signingKey })),
      limited: () => limited(createMemoryCache(), { maxItems: 100 }),
      stack: () => stack(createMemoryCache(), createMemoryCache()),
      mixed: () => mix({ values: createMemoryCache(), calls: createMemoryCache() }),
    };
    await run(async (kind) => await kinds[kind]?.() ?? voidCache, Object.keys(kinds));
  }
  await Deno.remove(path, { recursive: true });
}

/** Stores calls with a result each, and an argument that is large. */
async function fill(cache: Cache, results: Readonly<Record<number, unknown>>): Promise<void> {
  for (const [index, value] of Object.entries(results)) {
    const argument = await cache.putValue(big);
    const args = [{ name: "a", digest: argument, value: argument }];
    const result = value === undefined ? "a".repeat(64) : await cache.putValue(value);
    await cache.putRecord(toRecord({ args, result }, Number(index)));
  }
}

async function read(cache: Cache): Promise<Record<number, unknown>> {
  const found: Record<number, unknown> = {};
  for await (const { key, result, args } of query(cache)) {
    const value = await cache.value(result);
    found[Number(key)] = value.hit ? value.value : undefined;
    const stored = value.hit && await cache.value(args[0]?.value ?? "");
    if (stored !== false) assertEquals(stored, { hit: true, value: big });
  }
  return found;
}

// fleche 39
Deno.test("transfer() keeps what the other cache knows, unless it is to be overwritten", () =>
  withCaches(async (open, kinds) => {
    for (const [i, kind] of kinds.entries()) {
      const [from, to] = [await open(kind), await open(kinds[(i + 3) % kinds.length] ?? "")];
      await fill(from, { 1: "new", 2: "new", 3: undefined, 4: { big } });
      await fill(to, { 2: "old", 5: "old" });
      assertEquals(await query(from).transfer(to), { copied: 2, kept: 1, failed: 1 }, kind);
      assertEquals(await read(to), { 1: "new", 2: "old", 4: { big }, 5: "old" });
      assertEquals(await query(from).transfer(to), { copied: 0, kept: 3, failed: 1 });
      const overwritten = await query(from).transfer(to, { overwrite: true });
      assertEquals(overwritten, { copied: 3, kept: 0, failed: 1 });
      assertEquals(await read(to), { 1: "new", 2: "new", 4: { big }, 5: "old" });
      assertEquals(await query(from).count(), 4);
    }
  }));

Deno.test("transfer() replaces a record whose value is gone", () =>
  withCaches(async (open, kinds) => {
    for (const kind of kinds) {
      const [from, to] = [createMemoryCache(), await open(kind)];
      await fill(from, { 1: "whole" });
      await fill(to, { 1: undefined });
      assertEquals(await query(from).transfer(to), { copied: 1, kept: 0, failed: 0 }, kind);
      assertEquals(await read(to), { 1: "whole" });
    }
  }));

Deno.test("transfer() with pop moves what it copies, and nothing else", () =>
  withCaches(async (open, kinds) => {
    for (const [i, kind] of kinds.entries()) {
      const [from, to] = [await open(kind), await open(kinds[(i + 5) % kinds.length] ?? "")];
      await fill(from, { 1: "new", 2: "new", 3: undefined, 4: { big }, 6: "unasked" });
      await fill(to, { 2: "old" });
      const calls = query(from, ({ key }) => key !== toKey(6));
      assertEquals(
        await calls.transfer(to, { pop: true }),
        { copied: 2, kept: 1, failed: 1 },
        kind,
      );
      assertEquals(await read(from), { 2: "new", 3: undefined, 6: "unasked" });
      assertEquals(await read(to), { 1: "new", 2: "old", 4: { big } });
      const rest = await calls.transfer(to, { pop: true, overwrite: true });
      assertEquals(rest, { copied: 1, kept: 0, failed: 1 });
      assertEquals([await read(from), (await read(to))[2]], [
        { 3: undefined, 6: "unasked" },
        "new",
      ]);
    }
  }));

/** Stores that tell what is done with them, and may fail before that. */
function watch(stores: Stores, tell: (step: string) => void): Cache {
  const { values, calls } = stores;
  return new Cache({
    ...stores,
    values: {
      put: (value) => (tell("value"), values.put(value)),
      get: (digest) => values.get(digest),
    },
    calls: {
      put: (record) => (tell(`put ${Number(record.key)}`), calls.put(record)),
      get: (key) => calls.get(key),
      delete: (key) => (tell(`delete ${Number(key)}`), calls.delete(key)),
      records: () => calls.records(),
    },
  });
}

Deno.test("transfer() with pop loses nothing wherever it is stopped", async () => {
  for (let stop = 0;; stop++) {
    const [source, target] = [createMemoryCache(), createMemoryCache()];
    await fill(source, { 1: "a", 2: "b" });
    const steps: string[] = [];
    const tell = (step: string) => {
      if (steps.length === stop) throw new RangeError("stopped");
      steps.push(step);
    };
    const [from, to] = [watch(source.stores, tell), watch(target.stores, tell)];
    const moved = await query(from).transfer(to, { pop: true }).catch((error) => error);
    assertEquals({ ...await read(source), ...await read(target) }, { 1: "a", 2: "b" });
    // Whoever does it again has all of them there.
    const again = await query(source).transfer(target, { pop: true });
    assertEquals([await read(source), await read(target)], [{}, { 1: "a", 2: "b" }]);
    if (moved instanceof RangeError) continue;
    assertEquals([moved.copied, again.copied, stop], [2, 0, 8]);
    assertEquals(steps.filter((step) => step !== "value"), [
      "put 1",
      "delete 1",
      "put 2",
      "delete 2",
    ]);
    return;
  }
});

Deno.test("transfer() with pop leaves what was stored anew meanwhile", async () => {
  const source = createMemoryCache();
  await fill(source, { 1: "old" });
  const result = await source.putValue("newer");
  const to = watch(createMemoryCache().stores, (step) => {
    if (step === "put 1") source.stores.calls.put(toRecord({ result, started: 9 }, 1));
  });
  assertEquals((await query(source).transfer(to, { pop: true })).copied, 1);
  assertEquals((await query(source).only()).result, result);
});

Deno.test("transfer() with pop keeps what the other cache does not", async () => {
  const from = createMemoryCache();
  await fill(from, { 1: "a", 2: "b" });
  const result = await query(from).transfer(voidCache, { pop: true });
  assertEquals(result, { copied: 0, kept: 0, failed: 2 });
  assertEquals(await read(from), { 1: "a", 2: "b" });
});

Deno.test("transfer() moves no call within one cache, whatever that is a part of", async () => {
  const path = await Deno.makeTempDir();
  {
    await using bag = await openBag(`${path}/bag`, { fold: "manual" });
    await Deno.symlink(`${path}/bag`, `${path}/link`);
    await using again = await openBag(`${path}/link`, { fold: "manual" });
    const [memory, other] = [createMemoryCache(), createMemoryCache()];
    const pairs: readonly (readonly [Cache, Cache])[] = [
      [memory, memory],
      [bag, again],
      [memory, stack(memory, other)],
      [memory, stack(other, memory)],
      [stack(memory, bag), memory],
      [stack(other, memory), limited(memory, { maxItems: 9 })],
      [limited(bag, { maxItems: 9 }), stack(memory, again)],
      [mix({ values: other, calls: memory }), memory],
      [stack(other, union(memory)), stack(memory)],
    ];
    for (const cache of [memory, bag]) await fill(cache, { 1: "a", 2: "b" });
    for (const [from, to] of pairs) {
      const moving = () => query(from).transfer(to, { pop: true, overwrite: true });
      await assertRejects(moving, TypeError, "one cache is a part of the other");
    }
    for (const cache of [memory, bag]) assertEquals(await read(cache), { 1: "a", 2: "b" });
    assertEquals(await query(memory).transfer(memory), { copied: 0, kept: 2, failed: 0 });
    assertEquals((await query(bag).transfer(again, { overwrite: true })).copied, 2);
    assertEquals(await read(bag), { 1: "a", 2: "b" });
  }
  await Deno.remove(path, { recursive: true });
});

Deno.test("transfer() says which cache is read-only, and which option is none", async () => {
  const [from, to] = [createMemoryCache(), createMemoryCache()];
  await fill(from, { 1: "a" });
  const calls = query(from);
  await assertRejects(() => calls.transfer(readOnly(to)), TypeError, "into this cache");
  await assertRejects(() => calls.transfer(union(to)), TypeError, "it is read-only");
  const moving = () => query(readOnly(from)).transfer(to, { pop: true });
  await assertRejects(moving, TypeError, "Cannot move calls out of this cache: it is read-only");
  // @ts-expect-error: a caller without types.
  await assertRejects(() => calls.transfer(to, { move: true }), TypeError, '"move"');
  assertEquals(await query(to).count(), 0);
  assertEquals((await query(union(from)).transfer(to)).copied, 1);
});

Deno.test("transfer() reports what the other cache does not keep, moved or not", async () => {
  const mine = createMemoryCache();
  await fill(mine, { 1: "one", 2: "two" });
  const nothing = { copied: 0, kept: 0, failed: 2 };
  for (const options of [{}, { overwrite: true }, { pop: true }]) {
    assertEquals(await query(mine).transfer(voidCache, options), nothing);
  }
  assertEquals(await read(mine), { 1: "one", 2: "two" });
});

Deno.test("transfer() takes no text for a yes or no", async () => {
  const [mine, yours] = [createMemoryCache(), createMemoryCache()];
  await fill(mine, { 1: "mine" });
  await fill(yours, { 1: "yours" });
  for (const name of ["overwrite", "pop"]) {
    const move = () => query(mine).transfer(yours, { [name]: "no" } as never);
    await assertRejects(move, TypeError, `\`${name}\` must be true or false: it is string`);
  }
  assertEquals([await read(mine), await read(yours)], [{ 1: "mine" }, { 1: "yours" }]);
});

Deno.test("what takes a cache names what is none", async () => {
  const cache = createMemoryCache();
  for (const none of ["memory", null, undefined, {}, new Map(), Promise.resolve(cache)]) {
    // As a program without types has it.
    const other = none as never;
    for (
      const use of [
        () => query(other),
        () => query(cache).transfer(other),
        () => rekey(other),
        () => limited(other, { maxItems: 1 }),
        () => mix({ values: other, calls: cache }),
        () => mix({ values: cache, calls: other }),
      ]
    ) await assertRejects(async () => await use(), TypeError, "must be a cache: ");
  }
});

Deno.test("transfer() does not wait for who computes the key there", async () => {
  const [from, to] = [createMemoryCache(), createMemoryCache()];
  await fill(from, { 1: "a" });
  using lease = to.stores.leases.tryAcquire(toKey(1));
  using own = from.stores.leases.tryAcquire(toKey(1));
  assert(lease !== undefined && own !== undefined);
  assertEquals(await query(from).transfer(to, { pop: true }), { copied: 1, kept: 0, failed: 0 });
  assertEquals([await read(from), await read(to)], [{}, { 1: "a" }]);
});
