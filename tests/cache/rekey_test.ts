// collaboration: calls get the keys that they would have today, in caches of every kind
import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Cache, cacheScope, createMemoryCache, openBag, task } from "@quiver/quiver";
import { type CallRecord, openSqliteCache, query, readOnly, rekey } from "@quiver/quiver/caches";
import { digestKey } from "../../src/call/call_key.ts";
import { toIdentity } from "../../src/call/record_key.ts";

function add(a: number, verbose: boolean, b: { list: number[] }): number {
  return a + Number(verbose) * 0 + b.list.length;
}

const options = { code: "none", ignore: ["verbose"] } as const;
const first = task(import.meta, add, { ...options, name: "rekey first" });
const second = task(import.meta, add, { ...options, name: "rekey second" });

async function withCaches(run: (cache: Cache) => Promise<void>): Promise<void> {
  const path = await Deno.makeTempDir();
  {
    await using bag = await openBag(`${path}/bag`, { fold: "manual" });
    await using database = await openSqliteCache(`${path}/db`);
    for (const cache of [createMemoryCache(), bag, database]) await run(cache);
  }
  await Deno.remove(path, { recursive: true });
}

/** Exchanges the names of both tasks. */
function exchange({ task }: CallRecord): { task: string } {
  return { task: task === "rekey first" ? "rekey second" : "rekey first" };
}

function withoutPositions(record: CallRecord): CallRecord {
  return { ...record, args: record.args.map(({ position: _, ...argument }) => argument) };
}

// fleche 43
Deno.test("rekey() changes nothing where nothing has changed", () =>
  withCaches(async (cache) => {
    await cacheScope({ cache }, () => first(1, true, { list: [1, 2] }));
    const before = await Array.fromAsync(cache.records());
    assertEquals(await rekey(cache), { moved: 0, unchanged: 1, unknown: 0 });
    assertEquals(await Array.fromAsync(cache.records()), before);
  }));

// fleche 43
Deno.test("rekey() moves calls to where they are hits again", () =>
  withCaches(async (cache) => {
    await cacheScope({ cache }, () => first(1, true, { list: [1, 2] }));
    const change = () => ({ task: "rekey second" });
    assertEquals(await rekey(cache, { change }), { moved: 1, unchanged: 0, unknown: 0 });
    assertEquals(await rekey(cache, { change }), { moved: 0, unchanged: 1, unknown: 0 });
    await cacheScope({ cache }, async () => {
      assertEquals(await second.load(1, false, { list: [1, 2] }), 3);
      assertEquals(await first.contains(1, true, { list: [1, 2] }), false);
    });
    assertEquals(await query(cache).count(), 1);
  }));

Deno.test("rekey() carries over calls whose keys were made before keys followed the code", () =>
  withCaches(async (cache) => {
    const own = task(import.meta, (n: number) => n + 1, {
      name: `rekey function ${cache.id}`,
      code: "function",
    });
    await cacheScope({ cache }, () => own(1));
    const [record] = await Array.fromAsync(cache.records());
    assert(record !== undefined);
    const key = digestKey(toIdentity(record), record.args.map(({ digest }) => digest), 1);
    await cache.evict(record.key);
    await cache.putRecord({ ...record, scheme: 1, key });
    assertEquals(await cacheScope({ cache }, () => own.contains(1)), false);
    assertEquals(await rekey(cache), { moved: 1, unchanged: 0, unknown: 0 });
    assertEquals(await cacheScope({ cache }, () => own.load(1)), 2);
    assertEquals(await Array.fromAsync(cache.records()), [record]);
  }));

Deno.test("rekey() knows which parameters a task ignores, however many and wherever", () =>
  withCaches(async (cache) => {
    const many = (
      a: number,
      b: number,
      c: number,
      d: number,
      e: number,
      f: number,
      g = 7,
      ...h: number[]
    ) => a + b + c + d + e + f + g + h.length;
    const define = (name: string, ignore: readonly string[]) =>
      task(import.meta, many, { name: `rekey ${name} ${cache.id}`, ignore, code: "none" });
    const ignored = [["b"], ["g"], ["a", "b", "c", "d", "e"], ["h"], ["a", "g", "h"]];
    for (const [i, names] of ignored.entries()) {
      const [old, renamed] = [define(`old ${i}`, names), define(`new ${i}`, names)];
      const plain = define(`plain ${i}`, []);
      await cacheScope({ cache }, async () => {
        await old(1, 2, 3, 4, 5, 6);
        await old(1, 2, 3, 4, 5, 6, 8, 9);
        // As a version wrote it that told no positions.
        const record = await query(cache, old).latest();
        if (record !== undefined && i % 2 > 0) await cache.putRecord(withoutPositions(record));
        const was = [renamed, plain].map((task) => task.contains(1, 2, 3, 4, 5, 6));
        assertEquals(await Promise.all(was), [false, false]);
        const change = ({ task }: CallRecord) =>
          task === old.address.name ? { task: renamed.address.name } : {};
        const { moved, unknown } = await rekey(cache, { change });
        assertEquals([moved, unknown], [await query(cache, renamed).count(), 0]);
        assertEquals(await renamed.load(1, 2, 3, 4, 5, 6), 28);
        assertEquals(await old.contains(1, 2, 3, 4, 5, 6), false);
      });
    }
  }));

Deno.test("rekey() takes what is said of the parameters that an old record's task ignored", () =>
  withCaches(async (cache) => {
    await cacheScope({ cache }, () => first(1, true, { list: [] }));
    const { key, ignored, ...record } = await query(cache).only();
    assertEquals(ignored, [1]);
    const [a, b] = record.args.map(({ digest }) => digest);
    const old = digestKey(toIdentity({ ...record, key }), [a ?? "", null, b ?? ""]);
    await cache.evict(key);
    await cache.putRecord(withoutPositions({ ...record, key: old }));
    assertEquals(await rekey(cache), { moved: 0, unchanged: 1, unknown: 0 });
    assertEquals(await first.contains(1, false, { list: [] }), false);
    const change = () => ({ ignored: [1] });
    assertEquals(await rekey(cache, { change }), { moved: 1, unchanged: 0, unknown: 0 });
    assertEquals(
      await query(cache).only(),
      withoutPositions({ ...record, key, ignored: [1] }),
    );
  }));

Deno.test("rekey() needs no `ignored` where a record tells the positions of its arguments", () =>
  withCaches(async (cache) => {
    const wide = (a: number, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0) => a + b + c + d + e + f + g;
    const ignore = ["b", "c", "d", "e", "f"];
    const wideTask = task(import.meta, wide, { name: `rekey wide ${cache.id}`, ignore });
    await cacheScope({ cache }, () => wideTask(1, 2, 3, 4, 5, 6, 7));
    const { key, ignored } = await query(cache).only();
    assertEquals(ignored, [1, 2, 3, 4, 5]);
    const change = () => ({ ignored: undefined }) as object;
    assertEquals(await rekey(cache, { change }), { moved: 1, unchanged: 0, unknown: 0 });
    assertEquals((await query(cache).only()).ignored, undefined);
    const back = () => ({ ignored: [1, 2, 3, 4, 5] });
    assertEquals(await rekey(cache, { change: back }), { moved: 1, unchanged: 0, unknown: 0 });
    assertEquals((await query(cache).only()).key, key);
  }));

Deno.test("rekey() gives up on records whose arguments have no possible positions", async () => {
  const cache = createMemoryCache();
  await cacheScope({ cache }, () => first(1, true, { list: [] }));
  const { args, ...record } = await query(cache).only();
  for (const wrong of [-1, 0, 0.5, 1, 3, 1e9, 1e300, "2", null, {}]) {
    const moved = args.map((argument, i) => i === 0 ? argument : { ...argument, position: wrong });
    await cache.putRecord({ ...record, args: moved } as unknown as CallRecord);
    assertEquals(await rekey(cache), { moved: 0, unchanged: 0, unknown: 1 }, String(wrong));
  }
});

Deno.test("rekey() gives up on records whose ignored positions are none", async () => {
  const cache = createMemoryCache();
  await cacheScope({ cache }, () => first(1, true, { list: [] }));
  const record = await query(cache).only();
  for (const ignored of [["...0"], [0.5], "x", [1e300], [-1], [null]]) {
    for (const one of [record, withoutPositions(record)]) {
      await cache.putRecord({ ...one, ignored } as unknown as CallRecord);
      assertEquals(await rekey(cache), { moved: 0, unchanged: 0, unknown: 1 });
    }
  }
});

// fleche 43
Deno.test("rekey() loses neither of two calls that exchange their keys", () =>
  withCaches(async (cache) => {
    await cacheScope({ cache }, () => first(1, true, { list: [] }));
    const result = await cache.putValue("of the second");
    const key = await second.digest(1, true, { list: [] });
    const record = await query(cache).only();
    await cache.putRecord({ ...record, task: "rekey second", key, result });
    assertEquals((await rekey(cache, { change: exchange })).moved, 2);
    await cacheScope({ cache }, async () => {
      assertEquals(await second.load(1, true, { list: [] }), 1);
      assertEquals(await first.load(1, true, { list: [] }) as unknown, "of the second");
    });
  }));

Deno.test("rekey() digests stored arguments again after other rules", () =>
  withCaches(async (cache) => {
    const list = [1, 2, 3];
    await cacheScope({ cache }, () => first(1, true, { list }));
    const { key, ...record } = await query(cache).only();
    const args = record.args.map((argument, i) => ({ ...argument, digest: `${i}`.repeat(64) }));
    const digests = args.map(({ digest }) => digest);
    const [a = "", b = ""] = digests;
    const old = digestKey(toIdentity({ ...record, key }), [a, null, b], 0);
    await cache.putRecord({ ...record, args, scheme: 0, key: old });
    await cache.evict(key);
    assertEquals(await rekey(cache), { moved: 1, unchanged: 0, unknown: 0 });
    assertEquals(await query(cache).only(), { ...record, key });
  }));

Deno.test("rekey() leaves calls alone whose keys it does not understand", () =>
  withCaches(async (cache) => {
    await cacheScope({ cache }, () => first(1, true, { list: [] }));
    const record = await query(cache).only();
    const strange = { ...record, key: "a".repeat(64) };
    await cache.putRecord(strange);
    const change = () => ({ task: "rekey second" });
    assertEquals(await rekey(cache, { change }), { moved: 1, unchanged: 0, unknown: 1 });
    assertEquals(await cache.record(strange.key), strange);
  }));

Deno.test("rekey() leaves a call alone whose arguments are gone", async () => {
  const cache = createMemoryCache();
  await cacheScope({ cache }, () => first(1, true, { list: [] }));
  const { key, ...record } = await query(cache).only();
  const args = [{ name: "a", digest: "1".repeat(64), value: "2".repeat(64) }];
  const old = { ...record, args, scheme: 0, key: "" };
  const oldKey = digestKey(toIdentity(old), ["1".repeat(64)], 0);
  await cache.putRecord({ ...old, key: oldKey });
  assertEquals(await rekey(cache), { moved: 0, unchanged: 1, unknown: 1 });
  assert(await cache.record(key) !== undefined);
});

// fleche 43
Deno.test("rekey() keeps what another stores under the new key meanwhile", () =>
  withCaches(async (cache) => {
    await cacheScope({ cache }, () => first(1, true, { list: [] }));
    const record = await query(cache).only();
    const key = await second.digest(1, true, { list: [] });
    const lease = cache.stores.leases.tryAcquire(key);
    assert(lease !== undefined);
    const rekeying = rekey(cache, { change: () => ({ task: "rekey second" }) });
    const result = await cache.putValue("newer");
    const newer = {
      ...record,
      key,
      task: "rekey second",
      result,
      started: record.started + 1000,
    };
    await cache.putRecord(newer);
    lease[Symbol.dispose]();
    await rekeying;
    assertEquals((await query(cache).only()).result, result);
  }));

Deno.test("rekey() refuses a version that no task can have", async () => {
  const cache = createMemoryCache();
  await cacheScope({ cache }, () => first(1, true, { list: [] }));
  for (const version of [NaN, Infinity, null as unknown as number]) {
    const rekeying = () => rekey(cache, { change: () => ({ version }) });
    await assertRejects(rekeying, TypeError, "a string or a finite number");
  }
  assertEquals(await rekey(cache), { moved: 0, unchanged: 1, unknown: 0 });
});

Deno.test("rekey() refuses a cache that is read-only", async () => {
  const cache = readOnly(createMemoryCache());
  await assertRejects(() => rekey(cache), TypeError, "it is read-only");
});
