// Collaboration: recall, with stores that can be told to fail or to wait.
import { assert, assertEquals, assertRejects } from "@std/assert";
import { Cache } from "../../src/cache/cache.ts";
import { recall, type RecallOptions } from "../../src/cache/recall.ts";
import { createMemoryStores } from "../../src/store/memory_stores.ts";
import type { Stores } from "../../src/store/stores.ts";

const KEY = "0".repeat(64);
const NEVER = new AbortController().signal;

interface Trial {
  readonly cache: Cache;
  readonly warnings: string[];
  readonly stores: Stores;
  runs: number;
  options(compute: () => unknown, signal?: AbortSignal): RecallOptions<Disposable>;
}

function createTrial(change: Partial<Stores> = {}): Trial {
  const stores = { ...createMemoryStores(), ...change };
  const cache = new Cache(stores);
  const warnings: string[] = [];
  const trial: Trial = {
    cache,
    warnings,
    stores,
    runs: 0,
    options: (compute, signal = NEVER) => ({
      name: "f",
      admit: () => ({ [Symbol.dispose]: () => {} }),
      compute: async () => {
        trial.runs++;
        const value = await compute();
        const result = await cache.putValue(value);
        await cache.putRecord({
          key: KEY,
          scheme: 1,
          module: "file:///f.ts",
          task: "f",
          args: [],
          result,
          started: 0,
          duration: 0,
          metadata: {},
        });
        return value;
      },
      warn: (message) => warnings.push(message),
      signal: () => signal,
    }),
  };
  return trial;
}

Deno.test("recall() computes once and then answers from the cache", async () => {
  const trial = createTrial();
  const options = trial.options(() => ({ n: 1 }));
  assertEquals(await recall(trial.cache, KEY, options), { value: { n: 1 }, hit: false });
  assertEquals(await recall(trial.cache, KEY, options), { value: { n: 1 }, hit: true });
  assertEquals(trial.runs, 1);
});

Deno.test("recall() lets those who come second wait, and gives them their own copy", async () => {
  const trial = createTrial();
  const gate = Promise.withResolvers<number[]>();
  const options = trial.options(() => gate.promise);
  const all = Array.from({ length: 100 }, () => recall(trial.cache, KEY, options));
  gate.resolve([1, 2]);
  const [first, ...others] = await Promise.all(all);
  assertEquals(trial.runs, 1);
  assert(first?.hit === false && others.every(({ hit }) => hit));
  assertEquals(new Set(others.map(({ value }) => value)).size, 99);
});

Deno.test("recall() remembers nothing when the body throws, and those who wait see it", async () => {
  const trial = createTrial();
  const gate = Promise.withResolvers<never>();
  const failing = [1, 2].map(() => recall(trial.cache, KEY, trial.options(() => gate.promise)));
  gate.reject(new RangeError("no"));
  for (const call of failing) await assertRejects(() => call, RangeError, "no");
  const options = trial.options(() => 5);
  assertEquals(await recall(trial.cache, KEY, options), { value: 5, hit: false });
  assertEquals(trial.runs, 2);
});

Deno.test("recall() hands over to a waiter when the first caller is cancelled", async () => {
  const trial = createTrial();
  const controller = new AbortController();
  const aborted = Promise.withResolvers<never>();
  controller.signal.addEventListener("abort", () => aborted.reject(controller.signal.reason));
  const first = recall(
    trial.cache,
    KEY,
    trial.options(() => aborted.promise, controller.signal),
  );
  const second = recall(trial.cache, KEY, trial.options(() => "mine"));
  await Promise.resolve();
  controller.abort(new Error("away"));
  await assertRejects(() => first, Error, "away");
  assertEquals(await second, { value: "mine", hit: false });
});

Deno.test("recall() waits while another holds the lease, without keeping its place", async () => {
  const trial = createTrial();
  const held = trial.stores.leases.tryAcquire(KEY);
  assert(held !== undefined);
  let places = 0;
  const waiting = Promise.withResolvers<void>();
  const options: RecallOptions<Disposable> = {
    ...trial.options(() => 1),
    admit: () => {
      places++;
      return {
        [Symbol.dispose]: () => {
          if (--places === 0) waiting.resolve();
        },
      };
    },
  };
  const call = recall(trial.cache, KEY, options);
  await waiting.promise;
  assertEquals(trial.runs, 0);
  held[Symbol.dispose]();
  assertEquals(await call, { value: 1, hit: false });
});

Deno.test("recall() takes what the holder of the lease has stored meanwhile", async () => {
  const trial = createTrial();
  const other = new Cache(trial.stores);
  const gate = Promise.withResolvers<string>();
  const first = recall(other, KEY, trial.options(() => gate.promise));
  const second = recall(trial.cache, KEY, trial.options(() => "twice"));
  gate.resolve("once");
  assertEquals(await first, { value: "once", hit: false });
  assertEquals(await second, { value: "once", hit: true });
  assertEquals(trial.runs, 1);
});

Deno.test("recall() ends waiting for a lease with the signal's reason", async () => {
  const trial = createTrial();
  using _held = trial.stores.leases.tryAcquire(KEY);
  const controller = new AbortController();
  const call = recall(trial.cache, KEY, trial.options(() => 1, controller.signal));
  controller.abort(new Error("enough"));
  await assertRejects(() => call, Error, "enough");
});

Deno.test("recall() runs the call uncached when look-up and leases fail", async () => {
  const broken = () => {
    throw new Error("disk on fire");
  };
  const { calls, leases } = createMemoryStores();
  const trial = createTrial({
    calls: { put: broken, get: broken, delete: broken, records: () => calls.records() },
    leases: { tryAcquire: broken, changed: leases.changed.bind(leases) },
  });
  const options = { ...trial.options(() => 1), compute: () => Promise.resolve(7) };
  assertEquals(await recall(trial.cache, KEY, options), { value: 7, hit: false });
  assertEquals(trial.warnings.length, 3);
});

Deno.test("recall() computes again when the value of a record is gone", async () => {
  const { values } = createMemoryStores();
  let lost = true;
  const trial = createTrial({
    values: {
      put: (value) => values.put(value),
      get: (digest) => lost ? { hit: false } : values.get(digest),
    },
  });
  const options = trial.options(() => 9);
  assertEquals((await recall(trial.cache, KEY, options)).hit, false);
  assertEquals((await recall(trial.cache, KEY, options)).hit, false);
  lost = false;
  assertEquals(await recall(trial.cache, KEY, options), { value: 9, hit: true });
  assertEquals(trial.runs, 2);
});
