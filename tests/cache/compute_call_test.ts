// Collaboration: running and remembering a call, with stores that fail.
import { assertEquals, assertRejects } from "@std/assert";
import { Cache } from "../../src/cache/cache.ts";
import { computeUnleased } from "../../src/cache/get_or_compute.ts";
import type { KeyedCall } from "../../src/call/call_key.ts";
import { QuiverError } from "../../src/base/errors.ts";
import { createMemoryStores } from "../../src/store/memory_stores.ts";
import type { Stores } from "../../src/store/stores.ts";
import { digestArgument } from "../../src/value/digest/digest_value.ts";

function createCall(...values: unknown[]): KeyedCall {
  return {
    key: "0".repeat(64),
    address: { module: "file:///f.ts", name: "f" },
    args: values.map((value, index) => ({
      name: `x${index}`,
      position: index,
      digest: digestArgument(value),
    })),
    values,
  };
}

function fail(): never {
  throw new Deno.errors.FilesystemLoop("no room");
}

async function run(
  change: Partial<Stores>,
  body: () => unknown,
  call: KeyedCall = createCall(1),
): Promise<{ value: unknown; warnings: string[]; cache: Cache }> {
  const cache = new Cache({ ...createMemoryStores(), ...change });
  const warnings: string[] = [];
  const warn = (message: string) => void warnings.push(message);
  const { value } = await computeUnleased(cache, call, body, { metadata: () => ({}), warn });
  return { value, warnings, cache };
}

Deno.test("computeUnleased() stores arguments before the body runs, and the result after", async () => {
  const stored: string[] = [];
  const { values } = createMemoryStores();
  const { cache } = await run({
    values: {
      put: (value) => {
        stored.push(`kind ${value.kind}`);
        return values.put(value);
      },
      get: (digest) => values.get(digest),
    },
  }, () => {
    stored.push("body");
    return "result";
  });
  assertEquals(stored, ["kind 1", "body", "kind 1"]);
  assertEquals(await cache.lookup("0".repeat(64)), { hit: true, value: "result" });
});

// fleche 17
Deno.test("computeUnleased() returns the result when nothing can be stored", async () => {
  const { values } = createMemoryStores();
  const { value, warnings, cache } = await run({
    values: { put: fail, get: (digest) => values.get(digest) },
  }, () => 7);
  assertEquals(value, 7);
  assertEquals(warnings.length, 2);
  assertEquals(await cache.contains("0".repeat(64)), false);
});

// fleche 17
Deno.test("computeUnleased() returns the result when the record cannot be written", async () => {
  const { calls } = createMemoryStores();
  const { value, warnings, cache } = await run({
    calls: {
      put: fail,
      get: (key) => calls.get(key),
      delete: (key) => calls.delete(key),
      records: () => calls.records(),
    },
  }, () => 7);
  assertEquals(value, 7);
  assertEquals(warnings, ['Cannot record a call of "f": it is not remembered']);
  assertEquals(await cache.contains("0".repeat(64)), false);
});

// fleche 17
Deno.test("computeUnleased() warns once and stores nothing in a read-only cache", async () => {
  const { value, warnings, cache } = await run({ readOnly: true }, () => 7);
  assertEquals(value, 7);
  assertEquals(warnings.length, 1);
  assertEquals(await Array.fromAsync(cache.records()), []);
});

// executors 89
Deno.test("computeUnleased() returns a result that has no digest, and does not remember it", async () => {
  const result = { callback: () => 1 };
  const { value, warnings } = await run({}, () => result);
  assertEquals(value, result);
  assertEquals(warnings, ['Cannot store the result of "f": the call is not remembered']);
});

Deno.test("computeUnleased() refuses arguments that are not what the key was made of", async () => {
  const list = [1];
  const call = createCall(list);
  list.push(2);
  let ran = false;
  await assertRejects(() => run({}, () => ran = true, call), QuiverError, "args[0] is not what");
  assertEquals(ran, false);
});

// fleche 13
Deno.test("computeUnleased() remembers nothing when the body throws", async () => {
  const cache = new Cache(createMemoryStores());
  const warn = () => {};
  const body = () => Promise.reject(new RangeError("no"));
  await assertRejects(
    () => computeUnleased(cache, createCall(1), body, { metadata: () => ({}), warn }),
    RangeError,
  );
  assertEquals(await Array.fromAsync(cache.records()), []);
});
