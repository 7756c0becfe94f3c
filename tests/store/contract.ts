// Contract: what every set of stores must do. Each kind of store registers these tests for itself.
import { assert, assertEquals, assertNotStrictEquals, assertRejects } from "@std/assert";
import * as fc from "fast-check";
import type { CallRecord } from "../../src/call/call_record.ts";
import { QuiverError } from "../../src/base/errors.ts";
import type { Stores } from "../../src/store/stores.ts";
import { digestValue } from "../../src/value/digest/digest_value.ts";
import { encodeValue } from "../../src/value/codec/encode_value.ts";
import { graph } from "../value/arbitrary_value.ts";
import { TemporaryDirectory } from "./_temporary_directory.ts";
import { createValues } from "./_values.ts";

/** Stores that are open. */
export interface TestedStores extends AsyncDisposable {
  readonly stores: Stores;
}

/** How to open one kind of stores. */
export interface StoresKind {
  /** Opens stores that lie in a directory, which is empty at first. */
  open(directory: string, mode: "readwrite" | "read"): Promise<TestedStores>;
  /** Whether what is opened on one directory is the same: then it also outlives being closed. */
  readonly shared: boolean;
}

/** A record of a call. */
export function createRecord(key: string, result: string, task = "f"): CallRecord {
  return {
    key,
    scheme: 1,
    module: "file:///f.ts",
    task,
    version: 1,
    args: [{ name: "x", digest: "0".repeat(64) }],
    result,
    started: 1_700_000_000_000,
    duration: 1.5,
    metadata: { tags: { project: "argon" } },
  };
}

/** A record without what a store may add to it. */
function toPlain(record: CallRecord | undefined): unknown {
  const { signature: _, ...fields } = { ...record };
  return record && fields;
}

/** Names that are no digest, some of which lead elsewhere when they become a part of a path. */
const HOSTILE = [
  "",
  ".",
  "..",
  "../escaped",
  "../../escaped",
  `..${"/".repeat(62)}`,
  `${"../".repeat(21)}x`,
  "/tmp/escaped",
  "__proto__",
  "constructor",
  "A".repeat(64),
  `${"a".repeat(63)}\0`,
  `${"a".repeat(64)}\n`,
  `${"a".repeat(63)}'`,
  "%",
  "x".repeat(5000),
];

/** Registers the contract tests of one kind of stores. */
export function testStores(kind: string, { open, shared }: StoresKind): void {
  const test = (
    name: string,
    fn: (stores: Stores, directory: TemporaryDirectory) => Promise<void>,
  ) =>
    Deno.test(`${kind} stores: ${name}`, async () => {
      using directory = new TemporaryDirectory();
      await using opened = await open(`${directory.path}/here`, "readwrite");
      await fn(opened.stores, directory);
    });
  const again = (directory: TemporaryDirectory, mode: "readwrite" | "read" = "readwrite") =>
    open(`${directory.path}/here`, mode);

  // fleche 55
  test("put() then get() gives an equal value, a copy for each", async ({ values }) => {
    const value = { list: [1, "two", null], big: new Float64Array(10_000).fill(2.5) };
    const encoded = encodeValue(value);
    assertEquals(encoded.parts.length, 1);
    await values.put(encoded);
    await values.put(encoded);
    const found = await values.get(encoded.digest);
    assert(found.hit);
    assertEquals(found.value, value);
    (found.value as typeof value).big[0] = 7;
    (found.value as typeof value).list.push("more");
    const again = await values.get(encoded.digest);
    assert(again.hit);
    assertEquals(again.value, value);
    assertNotStrictEquals(again.value, found.value);
  });

  test("get() gives a copy each time, of small and plain values too", async ({ values }) => {
    const value = { list: [1, "two", { three: [null] }], text: "x".repeat(300) };
    const encoded = encodeValue(value);
    await values.put(encoded);
    for (let time = 0; time < 4; time++) {
      const found = await values.get(encoded.digest);
      assert(found.hit);
      assertEquals(found.value, value);
      const mine = found.value as typeof value;
      mine.text = "mine";
      (mine.list as unknown[]).splice(0, 2, "mine");
      (mine.list.at(-1) as { three: unknown[] }).three.push("mine");
    }
  });

  test("get() gives values of every kind back as they were put", async ({ values }) => {
    for (const [name, value] of createValues()) {
      const encoded = encodeValue(value);
      await values.put(encoded);
      const found = await values.get(encoded.digest);
      assert(found.hit, name);
      assertEquals(digestValue(found.value), encoded.digest, name);
      assertEquals(found.value, value, name);
    }
  });

  // fleche 54
  test("get() gives any value back as it was put", async ({ values }) => {
    await fc.assert(
      fc.asyncProperty(graph, async (value) => {
        const encoded = encodeValue(value);
        await values.put(encoded);
        // What was read before may be kept in another form.
        for (let time = 0; time < 3; time++) {
          const found = await values.get(encoded.digest);
          assert(found.hit && digestValue(found.value) === encoded.digest);
        }
      }),
      { numRuns: 30 },
    );
  });

  // fleche 55
  test("put() does not keep the caller's buffers", async ({ values }) => {
    const array = new Uint8Array(50_000).fill(1);
    const encoded = encodeValue(array);
    await values.put(encoded);
    array.fill(9);
    const found = await values.get(encoded.digest);
    assertEquals(found, { hit: true, value: new Uint8Array(50_000).fill(1) });
  });

  test("get() of a value that is not there is a miss", async ({ values }) => {
    assertEquals(await values.get("ab".repeat(32)), { hit: false });
  });

  test("get() is a miss when a part is missing, until it is put", async ({ values }) => {
    const value = { big: new Float64Array(10_000) };
    const encoded = encodeValue(value);
    await values.put({ ...encoded, parts: [] });
    assertEquals(await values.get(encoded.digest), { hit: false });
    await values.put(encoded);
    assertEquals(await values.get(encoded.digest), { hit: true, value });
  });

  // fleche 54
  test("put() stores what values share once, at any depth", async ({ values }, directory) => {
    const child = new Uint8Array(500_000).map((_, i) => i * 7);
    const first = encodeValue({ a: child, deep: [{ b: child }, new Map([["c", child]])] });
    await values.put(first);
    const size = directory.size;
    const second = encodeValue([[child], "another"]);
    await values.put(second);
    if (shared) assert(size >= 500_000);
    assert(directory.size - size < 100_000, `${directory.size} bytes, ${size} before`);
    assertEquals(await values.get(digestValue(child)), { hit: true, value: child });
    const found = await values.get(first.digest);
    assert(found.hit);
    const { a, deep } = found.value as { a: unknown; deep: [{ b: unknown }] };
    assert(a === deep[0].b, "what was one object is one object");
    assertEquals(await values.get(second.digest), { hit: true, value: [[child], "another"] });
  });

  test("calls.put() keeps the newest record of a key", async ({ calls }) => {
    const [key, other] = ["1".repeat(64), "2".repeat(64)];
    await calls.put(createRecord(key, "a".repeat(64)));
    await calls.put(createRecord(other, "b".repeat(64), "g"));
    await calls.put(createRecord(key, "c".repeat(64)));
    assertEquals(toPlain(await calls.get(key)), createRecord(key, "c".repeat(64)));
    assertEquals(await calls.get("3".repeat(64)), undefined);
    const results = (await Array.fromAsync(calls.records())).map(({ result }) => result[0]);
    assertEquals(results.sort(), ["b", "c"]);
  });

  // fleche 6
  test("calls.get() gives all fields with their types", async ({ calls }) => {
    const records = [1, "1", "", 0, 1.5].map((version, i) => {
      const key = `${i}`.repeat(64);
      const text = `é😀"\\\n\0\u2028${String.fromCharCode(0xd800)}`;
      const metadata = { text, list: [1, "1", true, null], deep: { "": {} } };
      return { ...createRecord(key, "a".repeat(64)), version, metadata };
    });
    for (const record of records) await calls.put(record);
    for (const record of records) assertEquals(toPlain(await calls.get(record.key)), record);
    const found = await Array.fromAsync(calls.records());
    assertEquals(found.length, records.length);
    for (const record of found) assertEquals(toPlain(await calls.get(record.key)), toPlain(record));
  });

  test("calls.get() gives what no change of a record reaches", async ({ calls }) => {
    const key = "9".repeat(64);
    const given = createRecord(key, "a".repeat(64));
    await calls.put(given);
    const change = (record: CallRecord | undefined) => {
      assert(record !== undefined);
      const tags = record.metadata.tags;
      assert(typeof tags === "object" && tags !== null && !Array.isArray(tags));
      // A store may also freeze what it gives.
      if (!Object.isFrozen(tags)) tags.project = "xenon";
    };
    change(given);
    change(await calls.get(key));
    assertEquals(toPlain(await calls.get(key)), createRecord(key, "a".repeat(64)));
  });

  test("calls.delete() forgets, and a later put() is known again", async ({ calls }) => {
    const key = "4".repeat(64);
    assertEquals(await calls.delete(key), false);
    await calls.put(createRecord(key, "a".repeat(64)));
    assertEquals(await calls.delete(key), true);
    assertEquals(await calls.delete(key), false);
    assertEquals(await calls.get(key), undefined);
    assertEquals(await Array.fromAsync(calls.records()), []);
    await calls.put(createRecord(key, "b".repeat(64)));
    assertEquals((await calls.get(key))?.result, "b".repeat(64));
  });

  test("a name that is no digest is known to nobody", async ({ values, calls }, directory) => {
    await values.put(encodeValue("here"));
    for (const name of HOSTILE) {
      assertEquals(await values.get(name), { hit: false });
      assertEquals(await calls.get(name), undefined);
      assertEquals(await calls.delete(name), false);
    }
    const outside = Array.from(Deno.readDirSync(directory.path), (entry) => entry.name);
    assertEquals(outside.filter((name) => !name.startsWith("here")), []);
  });

  test("a name that is no digest makes no file elsewhere", async ({ values, calls }, directory) => {
    const encoded = encodeValue("elsewhere");
    for (const name of HOSTILE) {
      const puts = [
        () => values.put({ ...encoded, digest: name }),
        () => calls.put(createRecord(name, encoded.digest)),
      ];
      for (const put of puts) {
        try {
          await put();
        } catch (error) {
          assert(error instanceof TypeError || error instanceof SyntaxError, `${error}`);
        }
      }
    }
    const outside = Array.from(Deno.readDirSync(directory.path), (entry) => entry.name);
    assertEquals(outside.filter((name) => !name.startsWith("here")), []);
    await values.put(encoded);
    assertEquals(await values.get(encoded.digest), { hit: true, value: "elsewhere" });
  });

  // fleche 15
  test("leases.tryAcquire() gives a key to one holder at a time", async ({ leases }) => {
    const [key, other] = ["5".repeat(64), "6".repeat(64)];
    const first = leases.tryAcquire(key);
    assert(first !== undefined);
    assertEquals(leases.tryAcquire(key), undefined);
    using _other = leases.tryAcquire(other);
    assert(_other !== undefined);
    const freed = leases.changed(key);
    first[Symbol.dispose]();
    first[Symbol.dispose]();
    await freed;
    using again = leases.tryAcquire(key);
    assert(again !== undefined);
  });

  test("leases.changed() ends with the signal's reason", async ({ leases }) => {
    const key = "7".repeat(64);
    using _held = leases.tryAcquire(key);
    const controller = new AbortController();
    const waiting = leases.changed(key, controller.signal);
    controller.abort(new Error("enough"));
    await assertRejects(() => waiting, Error, "enough");
    await assertRejects(() => leases.changed(key, controller.signal), Error, "enough");
  });

  test("leases.changed() of a free key returns at once", async ({ leases }) => {
    await leases.changed("8".repeat(64));
  });

  if (!shared) return;

  test("two handles see what the other does", async (here, directory) => {
    await using opened = await again(directory);
    const there = opened.stores;
    const value = encodeValue({ big: new Int16Array(9000).fill(3), small: "x" });
    assertEquals(await there.values.get(value.digest), { hit: false });
    await here.values.put(value);
    assert((await there.values.get(value.digest)).hit);
    const key = "1".repeat(64);
    assertEquals(await there.calls.get(key), undefined);
    await here.calls.put(createRecord(key, "a".repeat(64)));
    assertEquals((await there.calls.get(key))?.result, "a".repeat(64));
    await there.calls.put(createRecord(key, "b".repeat(64)));
    assertEquals((await here.calls.get(key))?.result, "b".repeat(64));
    assertEquals(await here.calls.delete(key), true);
    assertEquals(await there.calls.get(key), undefined);
  });

  test("two handles never hold one lease", async (here, directory) => {
    await using opened = await again(directory);
    const there = opened.stores;
    const key = "1".repeat(64);
    const held = here.leases.tryAcquire(key);
    assert(held !== undefined);
    assertEquals(there.leases.tryAcquire(key), undefined);
    const freed = there.leases.changed(key);
    held[Symbol.dispose]();
    await freed;
    using taken = there.leases.tryAcquire(key);
    assert(taken !== undefined);
    assertEquals(here.leases.tryAcquire(key), undefined);
  });

  test("what was stored is there when they are opened again", async (_, directory) => {
    const value = { big: new Float32Array(5000).fill(1.5), list: [undefined, -0] };
    const encoded = encodeValue(value);
    const key = "1".repeat(64);
    {
      await using opened = await again(directory);
      await opened.stores.values.put(encoded);
      await opened.stores.calls.put(createRecord(key, encoded.digest));
    }
    await using opened = await again(directory);
    assertEquals(await opened.stores.values.get(encoded.digest), { hit: true, value });
    const record = createRecord(key, encoded.digest);
    assertEquals(toPlain(await opened.stores.calls.get(key)), record);
  });

  test("a closed handle says so, and may be closed again", async (_, directory) => {
    const opened = await again(directory);
    await opened[Symbol.asyncDispose]();
    await opened[Symbol.asyncDispose]();
    const { values, calls, leases } = opened.stores;
    const encoded = encodeValue(1);
    for (
      const act of [
        () => values.put(encoded),
        () => values.get(encoded.digest),
        () => calls.put(createRecord(encoded.digest, encoded.digest)),
        () => calls.get(encoded.digest),
        () => calls.delete(encoded.digest),
        () => leases.tryAcquire(encoded.digest),
      ]
    ) await assertRejects(async () => await act(), QuiverError, "it is closed");
    await assertRejects(() => Array.fromAsync(calls.records()), QuiverError, "it is closed");
    await assertRejects(() => leases.changed(encoded.digest), QuiverError, "it is closed");
  });

  test("a read-only handle reads, and changes nothing", async (here, directory) => {
    const encoded = encodeValue({ big: new Float64Array(3000), n: 1 });
    const key = "1".repeat(64);
    await here.values.put(encoded);
    await here.calls.put(createRecord(key, encoded.digest));
    await using opened = await again(directory, "read");
    const { values, calls, leases, readOnly } = opened.stores;
    assertEquals(readOnly, true);
    assert((await values.get(encoded.digest)).hit);
    assertEquals((await calls.get(key))?.result, encoded.digest);
    assertEquals((await Array.fromAsync(calls.records())).length, 1);
    for (
      const act of [
        () => values.put(encodeValue("new")),
        () => calls.put(createRecord(key, "b".repeat(64))),
        () => calls.delete(key),
      ]
    ) await assertRejects(async () => await act(), QuiverError, 'opened with mode: "read"');
    using lease = leases.tryAcquire(key);
    assert(lease !== undefined);
    assertEquals((await here.calls.get(key))?.result, encoded.digest);
  });

  test("the description opens the same elsewhere", async (here, directory) => {
    const { openDescribedStores } = await import("../../src/store/open_stores.ts");
    const encoded = encodeValue([1, 2, 3]);
    await here.values.put(encoded);
    assert(here.description !== undefined);
    await using opened = await openDescribedStores(structuredClone(here.description));
    const there = opened.stores;
    assertEquals(there.description, here.description);
    assertEquals(await there.values.get(encoded.digest), { hit: true, value: [1, 2, 3] });
    const key = "1".repeat(64);
    await there.calls.put(createRecord(key, encoded.digest));
    assertEquals(toPlain(await here.calls.get(key)), createRecord(key, encoded.digest));
    await using read = await again(directory, "read");
    const readDescription = read.stores.description;
    assert(readDescription !== undefined);
    await using readElsewhere = await openDescribedStores(structuredClone(readDescription));
    assertEquals(readElsewhere.stores.readOnly, true);
  });
}
