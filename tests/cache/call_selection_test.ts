// collaboration: the selection of calls, made with records of a cache in memory
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { cacheScope, createMemoryCache, openBag, type QuiverWarning, task } from "@quiver/quiver";
import { Cache } from "../../src/cache/cache.ts";
import { openSqliteCache, query, where } from "@quiver/quiver/caches";
import { fill } from "./_records.ts";

// fleche 47
Deno.test("CallSelection.only() wants one call", async () => {
  const cache = createMemoryCache();
  await fill(cache, [{ task: "f" }, { task: "f" }, { task: "g" }]);
  assertEquals((await query(cache, { task: "g" }).only()).task, "g");
  const only = (task: string) => () => query(cache, { task }).only();
  await assertRejects(only("h"), RangeError, "Cannot give the only call: no call matches");
  await assertRejects(only("f"), RangeError, "more than one call matches");
});

// fleche 47
Deno.test("CallSelection.latest() and oldest() go by the end of the body", async () => {
  const cache = createMemoryCache();
  assertEquals(await query(cache).latest(), undefined);
  assertEquals(await query(cache).oldest(), undefined);
  await fill(cache, [
    { started: 10, duration: 50, task: "long" },
    { started: 20, duration: 1, task: "short" },
    { started: 30, duration: 5, task: "other" },
  ]);
  assertEquals((await query(cache).latest())?.task, "long");
  assertEquals((await query(cache).oldest())?.task, "short");
  assertEquals((await query(cache).filter(({ task }) => task !== "long").latest())?.task, "other");
});

// fleche 47
Deno.test("query() can be gone over again, and then sees what is new", async () => {
  const cache = createMemoryCache();
  await fill(cache, [{}, {}]);
  const calls = query(cache);
  assertEquals([await calls.count(), await calls.count()], [2, 2]);
  await fill(cache, [{}, {}, {}]);
  assertEquals([await calls.count(), await calls.any()], [3, true]);
});

Deno.test("CallSelection.take() asks for no more than it gives", async () => {
  const cache = createMemoryCache();
  await fill(cache, [{}, {}, {}]);
  let asked = 0;
  const calls = query(cache, () => ++asked > 0);
  assertEquals(await calls.take(0).count(), 0);
  assertEquals(asked, 0);
  assertEquals(await calls.take(2).count(), 2);
  assertEquals(asked, 2);
  assertEquals(await calls.take(9).count(), 3);
  assertThrows(() => calls.take(NaN), RangeError, "must be a number of at least 0");
});

Deno.test("CallSelection.evict() forgets what was selected", async () => {
  const cache = createMemoryCache();
  await fill(cache, [{ task: "f" }, { task: "g" }, { task: "f" }]);
  assertEquals(await query(cache, { task: "f" }).evict(), 2);
  assertEquals((await query(cache).only()).task, "g");
});

Deno.test("CallSelection.transfer() copies calls whose results are there", async () => {
  const [from, to] = [createMemoryCache(), createMemoryCache()];
  const result = await from.putValue({ big: new Float64Array(1000).fill(2) });
  await fill(from, [{ result }, { result: "a".repeat(64) }]);
  assertEquals(await query(from).transfer(to), { copied: 1, kept: 0, failed: 1 });
  const record = await query(to).only();
  assertEquals(await to.value(record.result), {
    hit: true,
    value: { big: new Float64Array(1000).fill(2) },
  });
});

Deno.test("query() refuses a field that it does not know when it is looked up", async () => {
  const cache = new Cache(createMemoryCache().stores);
  // @ts-expect-error: a caller without types.
  const calls = query(cache, { taks: "f" });
  await assertRejects(() => calls.count(), TypeError, '"taks" is no field');
  assert(!(await query(cache).any()));
});

const decay = task(
  import.meta,
  (rate: number, options: { steps: number; label?: string } = { steps: 1 }) => ({
    rest: Math.exp(-rate * options.steps),
    orbit: new Float64Array(options.steps * 1000),
  }),
  { name: "decay" },
);

async function fillWithDecays(cache: Cache): Promise<void> {
  await cacheScope({ cache, strict: true }, async () => {
    for (const rate of [1, 2, 3]) await decay(rate, { steps: rate, label: rate > 1 ? "b" : "a" });
    await decay(4);
  });
}

async function ratesOf(
  calls: AsyncIterable<{ args: readonly unknown[]; key: string }>,
  cache: Cache,
) {
  const rates: unknown[] = [];
  for await (const { args } of calls) {
    const [{ value = "" } = {}] = args as { value?: string }[];
    const found = await cache.value(value);
    if (found.hit) rates.push(found.value);
  }
  return rates.sort();
}

Deno.test("query() finds calls by their arguments, results and sizes", async () => {
  const path = await Deno.makeTempDir();
  {
    await using bag = await openBag(`${path}/bag`, { fold: "manual" });
    await using database = await openSqliteCache(`${path}/calls.db`);
    for (const cache of [createMemoryCache(), bag, database]) {
      await fillWithDecays(cache);
      const rates = (what: Parameters<typeof query>[1]) => ratesOf(query(cache, what), cache);
      assertEquals(await rates({ args: { rate: (r) => r > 2 } }), [3, 4]);
      assertEquals(await rates({ task: decay, args: { rate: 2 } }), [2]);
      assertEquals(await rates({ args: { rate: where.between(2, 3) } }), [2, 3]);
      // Objects by their digests, in which the order of keys does not count.
      assertEquals(await rates({ args: { options: { label: "b", steps: 2 } } }), [2]);
      assertEquals(await rates({ args: { options: (o: { steps: number }) => o.steps < 3 } }), [
        1,
        2,
      ]);
      // Fields of an object, which is what the items of a sweep are.
      assertEquals(await rates({ args: { steps: where.atLeast(2) } }), [2, 3]);
      assertEquals(await rates({ args: { "options.label": "b", rate: 3 } }), [3]);
      assertEquals(await rates({ args: { options: where.absent } }), [4]);
      assertEquals(await rates({ args: { nothing: where.present } }), []);
      assertEquals(await rates({ result: ({ rest }: { rest: number }) => rest > 0.3 }), [1]);
      assertEquals(
        await rates({ result: { orbit: new Float64Array(1000), rest: Math.exp(-1) } }),
        [1],
      );
      assertEquals(await rates({ size: where.above(20_000) }), [3]);
      assertEquals(await rates({ size: (bytes) => bytes < 10_000 }), [1, 4]);
      assertEquals(await rates({ state: "failed" }), []);
      assertEquals((await rates({ state: "done", duration: where.atLeast(0) })).length, 4);
    }
  }
  await Deno.remove(path, { recursive: true });
});

Deno.test("query() says of which calls it is not known whether they match, and leaves them out", async () => {
  const cache = createMemoryCache();
  const result = await cache.putValue(1);
  const stored = await cache.putValue(5);
  const digest = "d".repeat(64);
  await fill(cache, [
    { result, args: [{ name: "n", digest: stored, value: stored }] },
    { result, args: [{ name: "n", digest }] },
    { result, args: [{ name: "n", digest, lost: digest }] },
    { result: "e".repeat(64), args: [{ name: "n", digest, value: digest }] },
  ]);
  const warnings: string[] = [];
  const onWarning = ({ message }: QuiverWarning) => void warnings.push(message);
  const count = (what: Parameters<typeof query>[1]) => query(cache, what, { onWarning }).count();
  assertEquals(await count({ args: { n: (n: number) => n > 2 } }), 1);
  assertEquals(warnings.length, 1);
  const key = `${1}`.padStart(64, "0");
  assert(warnings[0]?.startsWith(`Cannot tell whether 3 calls match, first ${key}`), warnings[0]);
  // What is compared by its digest is known, and what the rest of the template leaves out is not asked.
  assertEquals(await count({ args: { n: 5 } }), 1);
  assertEquals(await count({ task: "none", args: { n: (n: number) => n > 2 } }), 0);
  assertEquals(warnings.length, 1);
  assertEquals(await count({ result: 1 }), 3);
  assert(warnings[1]?.includes("whether a call matches"), warnings[1]);
  assertEquals(await Array.fromAsync(query(cache, {}, { onWarning }).results()), [1, 1, 1]);
  assert(warnings[2]?.startsWith("Cannot read the result of a call"), warnings[2]);
});

Deno.test("CallSelection orders, groups and leaves out calls, and can be gone over again", async () => {
  const cache = createMemoryCache();
  await fillWithDecays(cache);
  const calls = query(cache, decay);
  const rates = async (some: typeof calls) => {
    const found: unknown[] = [];
    for await (const { args } of some) {
      const value = await cache.value(args[0]?.value ?? "");
      found.push(value.hit && value.value);
    }
    return found;
  };
  const sorted = calls.sorted({ arg: "rate" }, { reverse: true });
  for (let round = 0; round < 2; round++) assertEquals(await rates(sorted), [4, 3, 2, 1]);
  assertEquals(await rates(sorted.skip(1).take(2)), [3, 2]);
  assertEquals(await rates(calls.sorted({ arg: "steps" })), [1, 2, 3, 4]);
  assertEquals(await rates(calls.sorted(({ started }) => -started)), [4, 3, 2, 1]);
  // By rate 1 to 4: what is no date is as good as absent.
  const dates = [new Date(3), new Date(NaN), new Date(1), new Date(2)];
  const order = new Map(
    (await Array.fromAsync(calls.sorted({ arg: "rate" }))).map(({ key }, i) => [key, dates[i]]),
  );
  const byDate = calls.sorted({ arg: "rate" }).sorted(({ key }) => order.get(key));
  assertEquals(await rates(byDate), [3, 4, 1, 2]);
  assertEquals(await rates(calls.unique({ arg: "label" })), [1, 2, 4]);
  assertEquals(await rates(calls.unique({ arg: "options" })), [1, 2, 3, 4]);
  assertEquals(await rates(calls.filter(async ({ args }) => await args.length === 1)), [4]);
  const groups = await calls.groupBy<string | undefined>({ arg: "label" });
  assertEquals(
    Array.from(groups, ([label, { length }]) => [label, length]),
    [["a", 1], ["b", 2], [undefined, 1]],
  );
  assertEquals((await calls.groupBy("task")).get("decay")?.length, 4);
  assertEquals((await sorted.first())?.key, await decay.digest(4));
  assertEquals([await calls.empty(), await calls.take(0).empty()], [false, true]);
  assertEquals(await calls.skip(3).evict(), 1);
  assertEquals(await calls.count(), 3);
});

Deno.test("query() refuses what cannot tell which calls are meant, by name", async () => {
  const cache = createMemoryCache();
  await fillWithDecays(cache);
  const wrong = (what: object) => () => query(cache, what as never).count();
  await assertRejects(wrong({ argument: {} }), TypeError, '"argument" is no field');
  await assertRejects(wrong({ args: 7 }), TypeError, "`args` must be an object");
  await assertRejects(wrong({ size: "7" }), TypeError, "`size`");
  await assertRejects(wrong({ duration: null }), TypeError, "`duration`");
  await assertRejects(wrong({ state: "lost" }), TypeError, "done, failed");
  await assertRejects(wrong({ args: { rate: () => Promise.resolve(true) } }), TypeError, "promise");
  await assertRejects(wrong({ args: { rate: Symbol("1") } }), Error, "args.rate");
  await assertRejects(() => query(cache, () => Promise.resolve(true) as never).count(), TypeError);
  await assertRejects(() => query(cache).unique("tsak" as never).count(), TypeError, '"tsak"');
  await assertRejects(() => query(cache).sorted({} as never).count(), TypeError, "sort calls");
  assertThrows(() => query(cache).skip(-1), RangeError, "at least 0");
  assertThrows(() => where.above(NaN), RangeError, "where.above");
  assertThrows(() => where.below({} as never), TypeError, "not object");
  assertThrows(() => where.atMost(new Date(NaN)), RangeError, "no date");
});
