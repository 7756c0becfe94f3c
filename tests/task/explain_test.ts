// collaboration: why a call is a miss, and edits that are said to have changed nothing
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  type Cache,
  cacheScope,
  createMemoryCache,
  openBag,
  type Task,
  task,
} from "@quiver/quiver";
import {
  type CallRecord,
  explain,
  limited,
  openSqliteCache,
  readOnly,
  rekey,
  stack,
} from "@quiver/quiver/caches";
import { explainCall } from "../../src/cache/explain.ts";
import { TemporaryDirectory } from "../bag/_temporary_directory.ts";

const decay = task(import.meta, function decay(rate: number, t: number, _verbose = false) {
  return Math.exp(-rate * t);
}, { version: 1, ignore: ["_verbose"] });

const alone = task(import.meta, (x: unknown) => x, { name: "alone" });

async function withCaches(run: (cache: Cache) => Promise<void>): Promise<void> {
  using folder = new TemporaryDirectory();
  await using bag = await openBag(`${folder.path}/bag`, { fold: "manual" });
  await using database = await openSqliteCache(`${folder.path}/db`);
  for (const cache of [createMemoryCache(), bag, database]) {
    await cacheScope({ cache }, () => run(cache));
  }
}

/** Stores the one record of a cache as it were if something had been otherwise. */
async function change(
  cache: Cache,
  edit: (record: CallRecord) => Partial<CallRecord>,
): Promise<void> {
  await rekey(cache, { change: edit });
}

Deno.test("task.explain() tells what is known, and that nothing is", () =>
  withCaches(async () => {
    const never = await decay.explain(0.1, 2);
    assertEquals(never, {
      task: "decay",
      key: await decay.digest(0.1, 2),
      hit: false,
      reasons: [{ kind: "never seen" }],
    } as never);
    assertStringIncludes(String(never), "is not known\n  no call of it is known");
    await decay(0.1, 2);
    const known = await decay.explain(0.1, 2, true);
    assertEquals([known.hit, known.reasons, known.nearest], [true, [], undefined]);
  }));

Deno.test("task.explain() tells which argument is another, with small values", () =>
  withCaches(async (cache) => {
    await decay(0.1, 2);
    await decay(0.5, 7);
    const { hit, reasons, nearest, ...rest } = await decay.explain(0.2, 2);
    assertEquals(hit, false);
    const [was, is] = await Promise.all([decay.digest(0.1, 2), decay.digest(0.2, 2)]);
    assertEquals([nearest?.key, rest.key], [was, is]);
    assertEquals(reasons.length, 1);
    const [reason] = reasons;
    assert(reason?.kind === "argument");
    assertEquals([reason.name, reason.wasValue, reason.isValue], ["rate", { value: 0.1 }, {
      value: 0.2,
    }]);
    assertEquals(reason.was, (await cache.record(was))?.args[0]?.digest);
    assertStringIncludes(String(await decay.explain(0.2, 2)), "argument rate: 0.1 → 0.2");
    await alone("a".repeat(1000));
    const [large] = (await alone.explain("b".repeat(1000))).reasons;
    assert(large?.kind === "argument" && large.was !== undefined && large.is !== undefined);
    assertEquals([large.wasValue, large.isValue], [undefined, undefined]);
  }));

Deno.test("task.explain() tells that the version, the code or the rules are others", () =>
  withCaches(async (cache) => {
    await decay(0.1, 2);
    await change(cache, () => ({ version: 0 }));
    const moved = { kind: "evicted" } as const;
    assertEquals((await decay.explain(0.1, 2)).reasons, [
      moved,
      { kind: "version", was: 0, is: 1 },
    ]);
    await change(cache, () => ({ version: 1, code: "ab".repeat(32) }));
    const [, reason] = (await decay.explain(0.1, 2)).reasons;
    assert(reason?.kind === "code");
    assertEquals([reason.part, reason.change, reason.was], ["decay()", "changed", "abababab"]);
    const [record] = await Array.fromAsync(cache.records());
    assert(record !== undefined);
    await cache.putRecord({ ...record, scheme: 1 });
    const kinds = (await decay.explain(0.1, 2)).reasons.map(({ kind }) => kind);
    assertEquals(kinds, ["evicted", "rules", "code"]);
  }));

Deno.test("task.explain() tells which part of the code is another", async () => {
  const cache = createMemoryCache();
  await cacheScope({ cache }, async () => {
    await decay(0.1, 2);
    const [record] = await Array.fromAsync(cache.records());
    assert(record !== undefined && record.code !== undefined);
    await decay.evict(0.1, 2);
    const parts = [`decay() ${record.code.slice(0, 8)}`, "./a.ts#helper 00000000", "npm:x 1.0.0"];
    await cache.putRecord({ ...record, key: "1".repeat(64), code: "1".repeat(64), parts });
    const { reasons } = await decay.explain(0.1, 2);
    assertEquals(reasons, [
      { kind: "evicted" },
      { kind: "code", part: "./a.ts#helper", change: "removed", was: "00000000" },
      { kind: "code", part: "npm:x", change: "removed", was: "1.0.0" },
    ]);
  });
});

const reading = task(import.meta, () => Deno.env.get("QUIVER_TEST_EXPLAIN"), {
  name: "reading",
  env: ["QUIVER_TEST_EXPLAIN"],
});

Deno.test("task.explain() tells that what the task reads by name is another", () =>
  withCaches(async () => {
    Deno.env.set("QUIVER_TEST_EXPLAIN", "1");
    await reading();
    assertEquals((await reading.explain()).hit, true);
    Deno.env.set("QUIVER_TEST_EXPLAIN", "2");
    const explanation = await reading.explain();
    const [reason, ...others] = explanation.reasons;
    assertEquals([explanation.hit, others], [false, []]);
    assert(reason?.kind === "read" && reason.was !== reason.is);
    assertEquals([reason.what, reason.name], ["env", "QUIVER_TEST_EXPLAIN"]);
    assertStringIncludes(String(explanation), "variable QUIVER_TEST_EXPLAIN: ");
    Deno.env.delete("QUIVER_TEST_EXPLAIN");
  }));

Deno.test("task.explain() tells that a result is gone", async () => {
  using folder = new TemporaryDirectory();
  {
    await using bag = await openBag(folder.path, { fold: "manual" });
    await cacheScope({ cache: bag }, () => decay(0.1, 2));
  }
  Deno.removeSync(`${folder.path}/journal`, { recursive: true });
  await using bag = await openBag(folder.path);
  const { hit, reasons } = await cacheScope({ cache: bag }, () => decay.explain(0.1, 2));
  assertEquals([hit, reasons.map(({ kind }) => kind)], [false, ["value missing"]]);
});

Deno.test("task.explain() tells that a call was evicted, until it is known again", async () => {
  using folder = new TemporaryDirectory();
  const evicted = async (cache: Cache): Promise<void> => {
    await cacheScope({ cache }, async () => {
      const never = await decay.explain(7, 7);
      assertEquals(never.reasons.some(({ kind }) => kind === "evicted"), false);
      const explanation = await decay.explain(0.1, 2);
      assertEquals([explanation.hit, explanation.reasons[0]], [false, { kind: "evicted" }]);
      assertStringIncludes(String(explanation), "it was known and was evicted");
      assertEquals((await explain(cache, explanation.key ?? "")).reasons, [{ kind: "evicted" }]);
    });
  };
  await withCaches(async (cache) => {
    const limits = limited(cache, { maxItems: 1 });
    await cacheScope({ cache: limits }, async () => {
      await decay(0.1, 2);
      await decay(0.1, 3);
      await Array.fromAsync(limits.records());
    });
    await evicted(limits);
    await evicted(stack(createMemoryCache(), cache));
    await decay(0.1, 2);
    assertEquals((await decay.explain(0.1, 2)).reasons.map(({ kind }) => kind), ["argument"]);
  });
  // A bag tells it to those who open it later, too.
  const open = () => openBag(`${folder.path}/later`, { fold: "manual" });
  {
    await using bag = await open();
    await cacheScope({ cache: bag }, () => decay(0.1, 2));
    await cacheScope({ cache: bag }, () => decay.evict(0.1, 2));
  }
  await using bag = await open();
  await evicted(bag);
  await bag.compact();
  const { reasons } = await cacheScope({ cache: bag }, () => decay.explain(0.1, 2));
  assertEquals(reasons, [{ kind: "never seen" }]);
});

Deno.test("explainCall() tells that a result has expired, and since when", async () => {
  const cache = createMemoryCache();
  await cacheScope({ cache }, () => decay(0.1, 2));
  const [record] = await Array.fromAsync(cache.records());
  assert(record !== undefined);
  const end = record.started + record.duration;
  const call = { ...record, valueOf: () => Promise.resolve(undefined) };
  const expired = await explainCall(cache, {
    ...call,
    expiredAt: ({ started, duration }) => Promise.resolve(started + duration - 1),
  });
  assertEquals([expired.hit, expired.reasons], [false, [{ kind: "expired", at: end - 1 }]]);
  assertStringIncludes(String(expired), `has expired at ${new Date(end - 1).toISOString()}`);
  const fresh = await explainCall(cache, { ...call, expiredAt: () => Promise.resolve(undefined) });
  assertEquals([fresh.hit, fresh.reasons], [true, []]);
});

Deno.test("task.explain() tells why a call has no key, and which known call is nearest", async () => {
  const cache = createMemoryCache();
  await cacheScope({ cache }, async () => {
    await decay(0.1, 2);
    await decay(0.3, 4);
    const unclear = () => {};
    const { hit, key, reasons, nearest } = await decay.explain(unclear as never, 4);
    assertEquals([hit, key], [false, undefined]);
    assert(reasons[0]?.kind === "no key");
    assertStringIncludes(reasons[0].message, "args[0]");
    assertEquals(nearest?.key, await decay.digest(0.3, 4));
    assertEquals(reasons[1]?.kind, "argument");
  });
  const { reasons } = await decay.explain(0.1, 2);
  assertEquals(reasons, [{ kind: "no cache" }]);
});

Deno.test("explain() tells the same of a key", async () => {
  const cache = createMemoryCache();
  await cacheScope({ cache }, async () => {
    await decay(0.1, 2);
    await decay(0.2, 2);
  });
  const { hit, reasons } = await explain(cache, await decay.digest(0.2, 2));
  assertEquals([hit, reasons.map(({ kind }) => kind)], [true, ["argument"]]);
  const short = (await decay.digest(0.2, 2)).slice(0, 8);
  assertEquals((await explain(cache, short)).hit, true);
  const none = await explain(cache, "0".repeat(64));
  assertEquals([none.hit, none.reasons], [false, [{ kind: "never seen" }]]);
  await assertRejects(() => explain({} as never, ""), TypeError, "must be a cache");
  await assertRejects(() => explain(cache, 1 as never), TypeError, "its key is no text");
});

/** Has the calls of a task be those of other code. */
async function makeOlder(cache: Cache, code: string, task: Task<never, unknown>): Promise<void> {
  await rekey(cache, {
    change: ({ task: name }) => name === task.address.name ? { code: code.repeat(64) } : {},
  });
}

Deno.test("task.accept() keeps the results of calls of older code", () =>
  withCaches(async (cache) => {
    await decay(0.1, 2);
    await decay(0.2, 3);
    await alone(1);
    await makeOlder(cache, "a", decay);
    assertEquals(await decay.contains(0.1, 2), false);
    const listed = await decay.accept({ dryRun: true });
    assertEquals([listed.accepted.length, listed.known, listed.unknown], [2, 0, 0]);
    assertEquals(await decay.contains(0.1, 2), false);
    const done = await decay.accept();
    assertEquals(done, listed);
    assertEquals(await decay.load(0.1, 2), Math.exp(-0.2));
    const call = decay(0.2, 3);
    await call;
    assertEquals(call.hit, true);
    // Nothing is taken away from those who run the older code.
    assertEquals((await Array.fromAsync(cache.records())).length, 5);
    assertEquals(await decay.accept(), { accepted: [], known: 2, unknown: 0 });
  }));

Deno.test("task.accept() means the last edit, or all since a moment, and never another version", () =>
  withCaches(async (cache) => {
    await decay(0.1, 2);
    await makeOlder(cache, "a", decay);
    const [first] = await Array.fromAsync(cache.records());
    assert(first !== undefined);
    await decay(0.2, 2);
    const [second] = (await Array.fromAsync(cache.records())).filter(({ key }) =>
      key !== first.key
    );
    assert(second !== undefined);
    await rekey(cache, { change: ({ key }) => key === second.key ? { code: "b".repeat(64) } : {} });
    const other = { ...first, version: 2, code: "c".repeat(64), key: "c".repeat(64) };
    await cache.putRecord({ ...other, started: Date.now() + 1e6 });
    const { accepted } = await decay.accept({ dryRun: true });
    assertEquals(accepted.map(({ code }) => code?.[0]), ["b"]);
    const since = await decay.accept({ since: new Date(0), dryRun: true });
    assertEquals(since.accepted.map(({ code }) => code?.[0]).sort(), ["a", "b"]);
    const none = await decay.accept({ since: Date.now() + 1e5, dryRun: true });
    assertEquals(none.accepted, []);
    await decay.accept({ since: 0 });
    assertEquals(await decay.contains(0.1, 2), true);
    assertEquals(await decay.contains(0.2, 2), true);
  }));

Deno.test("task.accept() carries over calls whose keys were made by older rules", () =>
  withCaches(async (cache) => {
    await decay(0.1, 2);
    const [record] = await Array.fromAsync(cache.records());
    assert(record !== undefined);
    const code = "d".repeat(64);
    const { digestKey } = await import("../../src/call/call_key.ts");
    const { toIdentity } = await import("../../src/call/record_key.ts");
    const old = { ...record, code, scheme: 1 };
    const key = digestKey(toIdentity(old), old.args.map(({ digest }) => digest), 1);
    await cache.evict(record.key);
    await cache.putRecord({ ...old, key });
    assertEquals(await decay.contains(0.1, 2), false);
    assertEquals((await decay.accept()).accepted.length, 1);
    assertEquals(await decay.load(0.1, 2), Math.exp(-0.2));
  }));

Deno.test("task.accept() refuses what it cannot do", async () => {
  await assertRejects(() => decay.accept(), TypeError, "there is no cache here");
  const cache = createMemoryCache();
  await cacheScope({ cache }, async () => {
    await assertRejects(() => decay.accept({ sinc: 1 } as never), TypeError, '"sinc"');
    await assertRejects(() => decay.accept({ since: "now" as never }), TypeError, "`since`");
    await assertRejects(() => decay.accept({ since: NaN }), RangeError, "no time");
    await assertRejects(() => decay.accept(null as never), TypeError);
    const codeless = task(import.meta, () => 1, { name: "codeless", code: "none" });
    await assertRejects(() => codeless.accept(), TypeError, "its code does not count");
  });
  await cacheScope({ cache: readOnly(cache) }, async () => {
    await assertRejects(() => decay.accept(), TypeError, "the cache is read-only");
    assertEquals((await decay.accept({ dryRun: true })).accepted, []);
  });
});
