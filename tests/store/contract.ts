// Contract: what every set of stores must do. Each kind of store registers these tests for itself.
import { assert, assertEquals, assertNotStrictEquals, assertRejects } from "@std/assert";
import type { CallRecord } from "../../src/call/call_record.ts";
import type { Stores } from "../../src/store/stores.ts";
import { encodeValue } from "../../src/value/encode_value.ts";

/** Opens stores that are empty. */
export type OpenStores = () => Promise<{ stores: Stores } & AsyncDisposable>;

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

/** Registers the contract tests of one kind of stores. */
export function testStores(kind: string, open: OpenStores): void {
  const test = (name: string, fn: (stores: Stores) => Promise<void>) =>
    Deno.test(`${kind} stores: ${name}`, async () => {
      await using opened = await open();
      await fn(opened.stores);
    });

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

  test("get() is a miss when a part is missing", async ({ values }) => {
    const encoded = encodeValue({ big: new Float64Array(10_000) });
    await values.put({ ...encoded, parts: [] });
    assertEquals(await values.get(encoded.digest), { hit: false });
  });

  test("calls.put() keeps the newest record of a key", async ({ calls }) => {
    const [key, other] = ["1".repeat(64), "2".repeat(64)];
    await calls.put(createRecord(key, "a".repeat(64)));
    await calls.put(createRecord(other, "b".repeat(64), "g"));
    await calls.put(createRecord(key, "c".repeat(64)));
    const { crc: _, ...record } = (await calls.get(key) ?? {}) as unknown as { crc?: string };
    assertEquals<unknown>(record, createRecord(key, "c".repeat(64)));
    assertEquals(await calls.get("3".repeat(64)), undefined);
    const results = (await Array.fromAsync(calls.records())).map(({ result }) => result[0]);
    assertEquals(results.sort(), ["b", "c"]);
  });

  test("calls.delete() forgets, and a later put() is known again", async ({ calls }) => {
    const key = "4".repeat(64);
    assertEquals(await calls.delete(key), false);
    await calls.put(createRecord(key, "a".repeat(64)));
    assertEquals(await calls.delete(key), true);
    assertEquals(await calls.get(key), undefined);
    assertEquals(await Array.fromAsync(calls.records()), []);
    await calls.put(createRecord(key, "b".repeat(64)));
    assertEquals((await calls.get(key))?.result, "b".repeat(64));
  });

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
}
