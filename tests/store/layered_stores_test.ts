// Contract: stores on top of others, and those that only read.
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Cache } from "../../src/cache/cache.ts";
import { copyCall } from "../../src/store/copy_call.ts";
import { stackStores, unionStores } from "../../src/store/layered_stores.ts";
import { createMemoryStores } from "../../src/store/memory_stores.ts";
import {
  openBagStores,
  openDescribedStores,
  openFileStores,
  openSqliteStores,
} from "../../src/store/open_stores.ts";
import type { Stores } from "../../src/store/stores.ts";
import { encodeValue } from "../../src/value/codec/encode_value.ts";
import { TemporaryDirectory } from "./_temporary_directory.ts";
import { createRecord, testStores } from "./contract.ts";

const [KEY, OTHER] = ["1".repeat(64), "2".repeat(64)];

testStores("memory over memory", {
  shared: false,
  open: () =>
    Promise.resolve({
      stores: stackStores([createMemoryStores(), createMemoryStores()]),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }),
});

testStores("bag over file over SQLite", {
  shared: true,
  open: async (path, mode) => {
    const bag = await openBagStores(`${path}.bag`, { mode, fold: "manual" });
    const files = await openFileStores(`${path}.files`, { mode });
    const database = await openSqliteStores(`${path}.db`, { mode });
    const opened = [bag, files, database];
    return {
      stores: stackStores(opened.map(({ stores }) => stores)),
      [Symbol.asyncDispose]: async () => {
        for (const one of opened) await one[Symbol.asyncDispose]();
      },
    };
  },
});

async function store(stores: Stores, key: string, value: unknown): Promise<void> {
  const encoded = encodeValue(value);
  await stores.values.put(encoded);
  await stores.calls.put(createRecord(key, encoded.digest));
}

async function load(stores: Stores, key: string): Promise<unknown> {
  const record = await stores.calls.get(key);
  return record && await stores.values.get(record.result);
}

/** Stores that count what is put into them, and let a test hold it up. */
function watch(inner: Stores, before: () => Promise<void> = () => Promise.resolve()) {
  const puts: string[] = [];
  const calls = {
    put: async (record: Parameters<Stores["calls"]["put"]>[0]) => {
      puts.push(record.key);
      await before();
      await inner.calls.put(record);
    },
    get: (key: string) => inner.calls.get(key),
    delete: (key: string) => inner.calls.delete(key),
    records: () => inner.calls.records(),
  };
  return { stores: { ...inner, calls }, puts };
}

// fleche 37
Deno.test("stackStores() copies a call up once for all who ask at once", async () => {
  const gate = Promise.withResolvers<void>();
  const top = watch(createMemoryStores(), () => gate.promise);
  const below = createMemoryStores();
  await store(below, KEY, { big: new Float64Array(2000).fill(1.5) });
  const stores = stackStores([top.stores, below]);
  const loads = Promise.all([1, 2, 3].map(() => load(stores, KEY)));
  gate.resolve();
  const value = { hit: true, value: { big: new Float64Array(2000).fill(1.5) } };
  assertEquals(await loads, [value, value, value]);
  assertEquals(top.puts, [KEY]);
  assertEquals(await load(top.stores, KEY), value);
  await load(stores, KEY);
  assertEquals(top.puts, [KEY]);
});

Deno.test("stackStores() answers although the copy fails", async () => {
  const top = watch(createMemoryStores(), () => Promise.reject(new Error("disk full")));
  const below = createMemoryStores();
  await store(below, KEY, "answer");
  assertEquals(await load(stackStores([top.stores, below]), KEY), { hit: true, value: "answer" });
});

Deno.test("stackStores() copies no record whose value is gone", async () => {
  const [top, below] = [createMemoryStores(), createMemoryStores()];
  await below.calls.put(createRecord(KEY, "a".repeat(64)));
  assertEquals(await load(stackStores([top, below]), KEY), { hit: false });
  assertEquals(await top.calls.get(KEY), undefined);
});

Deno.test("stackStores() finds beneath a value that the first has lost", async () => {
  const [top, below] = [createMemoryStores(), createMemoryStores()];
  await store(below, KEY, "kept");
  await top.calls.put(createRecord(KEY, encodeValue("kept").digest));
  assertEquals(await load(stackStores([top, below]), KEY), { hit: true, value: "kept" });
});

/** Looks a call up as a task does. */
async function look(stores: Stores, key: string): Promise<unknown> {
  return await new Cache(stores).lookup(key);
}

/** A value with an array that lies on its own, and with an argument. */
async function storeCall(stores: Stores, key: string, seed: number) {
  const result = encodeValue({ seed, big: new Float64Array(1000).fill(seed) });
  const argument = encodeValue(`argument ${seed}`);
  for (const value of [argument, result]) await stores.values.put(value);
  const args = [{ name: "a", digest: argument.digest, value: argument.digest }];
  await stores.calls.put({ ...createRecord(key, result.digest), args });
  const hit = { hit: true, value: { seed, big: new Float64Array(1000).fill(seed) } };
  return { hit, argument, result };
}

Deno.test("stackStores() gives the first back what it has lost of a call", async () => {
  for (const lost of ["result", "part", "all"] as const) {
    const [top, below] = [createMemoryStores(), createMemoryStores()];
    const { hit, argument, result } = await storeCall(below, KEY, 1);
    const record = await below.calls.get(KEY);
    assert(record !== undefined);
    if (lost === "result") await top.values.put(argument);
    if (lost === "part") await top.values.put({ ...result, parts: [] });
    await top.calls.put(record);
    assertEquals(await look(top, KEY), { hit: false }, lost);
    assertEquals(await look(stackStores([top, unionStores([below])]), KEY), hit, lost);
    assertEquals(await look(top, KEY), hit, lost);
    assertEquals(await top.values.get(argument.digest), { hit: true, value: "argument 1" }, lost);
  }
});

Deno.test("stackStores() takes the result that another has, whatever the first had computed", async () => {
  const [top, empty, below] = [createMemoryStores(), createMemoryStores(), createMemoryStores()];
  const { hit, result } = await storeCall(below, KEY, 1);
  const lost = createRecord(KEY, "a".repeat(64));
  for (const stores of [top, empty]) await stores.calls.put(lost);
  for (const layers of [[top, below], [top, unionStores([empty, below])], [top, empty, below]]) {
    await top.calls.put(lost);
    assertEquals(await look(stackStores(layers), KEY), hit);
    assertEquals((await top.calls.get(KEY))?.result, result.digest);
    assertEquals(await look(top, KEY), hit);
  }
  // What is only read stays as it is.
  assertEquals(await look(unionStores([empty, below]), KEY), hit);
  assertEquals(await empty.calls.get(KEY), lost);
});

Deno.test("stackStores() keeps what it has read in a first that is only read as it was", async () => {
  const [top, below] = [createMemoryStores(), createMemoryStores()];
  const { hit } = await storeCall(below, KEY, 1);
  await top.calls.put(createRecord(KEY, "a".repeat(64)));
  assertEquals(await look(stackStores([unionStores([top]), below]), KEY), hit);
  assertEquals((await top.calls.get(KEY))?.result, "a".repeat(64));
});

Deno.test("stackStores() passes over bytes that are no value, and has them replaced", async () => {
  const [top, below] = [createMemoryStores(), createMemoryStores()];
  const { hit, result } = await storeCall(below, KEY, 1);
  let broken = true;
  const values = {
    get: (digest: string) => {
      if (broken && digest === result.digest) throw new SyntaxError("Cannot decode a value");
      return top.values.get(digest);
    },
    put: (value: typeof result) => top.values.put(value),
    reject: () => (broken = false),
  };
  await top.calls.put(createRecord(KEY, result.digest));
  const first = { ...top, values };
  assertEquals(await look(stackStores([first, below]), KEY), hit);
  assertEquals(await look(first, KEY), hit);
  await assertRejects(async () => {
    broken = true;
    await look(first, KEY);
  }, SyntaxError);
});

Deno.test("stackStores() forgets a call everywhere, or nowhere", async () => {
  const [top, below] = [createMemoryStores(), createMemoryStores()];
  const stores = stackStores([top, below]);
  await store(below, KEY, 1);
  await load(stores, KEY);
  assertEquals(await stores.calls.delete(KEY), true);
  assertEquals([await top.calls.get(KEY), await below.calls.get(KEY)], [undefined, undefined]);
  const guarded = stackStores([top, unionStores([below])]);
  await store(below, KEY, 1);
  await load(guarded, KEY);
  await assertRejects(
    async () => await guarded.calls.delete(KEY),
    TypeError,
    "Cannot forget a call of this cache: it is read-only",
  );
  assertEquals(await load(top, KEY), { hit: true, value: 1 });
});

Deno.test("stackStores() sweeps the first only, by its own records", async () => {
  const [top, below] = [createMemoryStores(), createMemoryStores()];
  await store(below, KEY, "beneath");
  await top.values.put(encodeValue("beneath"));
  const { calls, sweeper } = stackStores([top, below]);
  assertEquals(await Array.fromAsync(calls.allRecords?.() ?? []), []);
  assertEquals(sweeper, top.sweeper);
});

// fleche 38
Deno.test("stackStores() gives the record of a key once, also of a stack in a stack", async () => {
  const layers = [createMemoryStores(), createMemoryStores(), createMemoryStores()];
  for (const [i, layer] of layers.entries()) await store(layer, KEY, i);
  for (const layer of layers.slice(1)) await store(layer, OTHER, "other");
  const [first = createMemoryStores(), ...others] = layers;
  const nested = stackStores([first, stackStores(others)]);
  for (const stores of [stackStores(layers), unionStores(layers), nested]) {
    const records = await Array.fromAsync(stores.calls.records());
    assertEquals(records.map(({ key }) => key), [KEY, OTHER]);
    assertEquals(records[0]?.result, encodeValue(0).digest);
  }
});

// fleche 39
Deno.test("unionStores() reads all and changes none", async () => {
  const [first, second] = [createMemoryStores(), createMemoryStores()];
  await store(first, KEY, "first");
  await store(second, OTHER, "second");
  const stores = unionStores([first, second]);
  assertEquals(await load(stores, OTHER), { hit: true, value: "second" });
  assertEquals(await first.calls.get(OTHER), undefined);
  const keys = (await Array.fromAsync(stores.calls.records())).map(({ key }) => key);
  assertEquals(keys, [KEY, OTHER]);
  const state = "this cache: it is read-only";
  assertThrows(() => stores.values.put(encodeValue(1)), TypeError, `store a value in ${state}`);
  const record = createRecord(KEY, "a".repeat(64));
  assertThrows(() => stores.calls.put(record), TypeError, `record a call in ${state}`);
  assertThrows(() => stores.calls.delete(KEY), TypeError, `forget a call of ${state}`);
  assertEquals(stores.readOnly, true);
});

Deno.test("copyCall() leaves out arguments that are gone, and a call whose result is", async () => {
  const [from, to] = [createMemoryStores(), createMemoryStores()];
  const kept = encodeValue("kept");
  await from.values.put(kept);
  const args = [
    { name: "a", digest: "0".repeat(64), value: kept.digest },
    { name: "b", digest: "1".repeat(64), value: "b".repeat(64) },
  ];
  const record = { ...createRecord(KEY, kept.digest), args, signature: "of another" };
  assertEquals(await copyCall(record, from, to), true);
  const { signature: _, ...fields } = record;
  const [a, { value: __, ...b }] = [args[0], args[1] ?? { name: "", digest: "", value: "" }];
  assertEquals(await to.calls.get(KEY), { ...fields, args: [a, b] } as typeof fields);
  assertEquals(await copyCall(createRecord(OTHER, "a".repeat(64)), from, to), false);
  assertEquals(await to.calls.get(OTHER), undefined);
});

Deno.test("openDescribedStores() opens a stack with a pool in another isolate", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  await using bag = await openBagStores(`${path}/bag`, { fold: "manual" });
  await using files = await openFileStores(`${path}/files`);
  await using database = await openSqliteStores(`${path}/db`);
  await store(database.stores, KEY, "from the database");
  const pool = unionStores([files.stores, database.stores]);
  const { description } = stackStores([bag.stores, unionStores([pool])]);
  if (description === undefined) throw new Error("it has no description");
  {
    await using opened = await openDescribedStores(description);
    assertEquals(await load(opened.stores, KEY), { hit: true, value: "from the database" });
    await store(opened.stores, OTHER, "new");
  }
  assertEquals(await load(bag.stores, KEY), { hit: true, value: "from the database" });
  assertEquals(await load(bag.stores, OTHER), { hit: true, value: "new" });
  assertEquals(await files.stores.calls.get(OTHER), undefined);
  assertEquals(stackStores([bag.stores, createMemoryStores()]).description, undefined);
});
