// Collaboration: getOrCompute(), with stores that can be told to fail or to wait.
import { assert, assertEquals, assertRejects } from "@std/assert";
import { Cache } from "../../src/cache/cache.ts";
import {
  computeLeased,
  computeUnleased,
  getOrCompute,
  type GetOrComputeOptions,
} from "../../src/cache/get_or_compute.ts";
import type { KeyedCall } from "../../src/call/call_key.ts";
import { DeadlockError } from "../../src/base/errors.ts";
import { createMemoryStores } from "../../src/store/memory_stores.ts";
import type { Stores } from "../../src/store/stores.ts";

const KEY = "0".repeat(64);
const CALL: KeyedCall = {
  key: KEY,
  address: { module: "file:///f.ts", name: "f" },
  args: [],
  values: [],
};
const NEVER = new AbortController().signal;

interface Trial {
  readonly cache: Cache;
  readonly warnings: string[];
  readonly stores: Stores;
  runs: number;
  /** Computes under the lease, as a runner does. */
  options(compute: () => unknown, signal?: AbortSignal, cache?: Cache): GetOrComputeOptions;
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
    options: (compute, signal = NEVER, own = cache) => {
      const warn = (message: string) => void warnings.push(message);
      const body = () => {
        trial.runs++;
        return compute();
      };
      return {
        name: "f",
        singleFlight: true,
        leaseTimeout: Infinity,
        callers: () => [],
        compute: (leased) =>
          (leased ? computeLeased : computeUnleased)(own, CALL, body, {
            metadata: () => ({}),
            warn,
          }),
        warn,
        metadata: {},
        signal: () => signal,
        call: { raise: () => {} },
        waitFor: () => {},
        givenUp: () => signal.aborted,
      };
    },
  };
  return trial;
}

/** Tells what a caller sees of an answer. */
async function ask(
  cache: Cache,
  options: GetOrComputeOptions,
): Promise<{ value: unknown; hit: boolean }> {
  const { value, source } = await getOrCompute(cache, CALL, options);
  return { value, hit: source === "cache" };
}

Deno.test("getOrCompute() computes once and then answers from the cache", async () => {
  const trial = createTrial();
  const options = trial.options(() => ({ n: 1 }));
  assertEquals(await ask(trial.cache, options), { value: { n: 1 }, hit: false });
  assertEquals(await ask(trial.cache, options), { value: { n: 1 }, hit: true });
  assertEquals(trial.runs, 1);
});

Deno.test("getOrCompute() lets those who come second wait, and gives them their own copy", async () => {
  const trial = createTrial();
  const gate = Promise.withResolvers<number[]>();
  const options = trial.options(() => gate.promise);
  const all = Array.from({ length: 100 }, () => ask(trial.cache, options));
  gate.resolve([1, 2]);
  const [first, ...others] = await Promise.all(all);
  assertEquals(trial.runs, 1);
  assert(first?.hit === false && others.every(({ hit }) => hit));
  assertEquals(new Set(others.map(({ value }) => value)).size, 99);
});

// fleche 35
Deno.test("getOrCompute() neither runs nor stores again while a result is being stored", async () => {
  const { calls } = createMemoryStores();
  const [arrived, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let puts = 0;
  const trial = createTrial({
    calls: {
      put: async (record) => {
        puts++;
        arrived.resolve();
        await gate.promise;
        await calls.put(record);
      },
      get: (key) => calls.get(key),
      delete: (key) => calls.delete(key),
      records: () => calls.records(),
    },
  });
  // The second handle knows of the first only by the lease.
  const other = new Cache(trial.stores);
  const first = ask(trial.cache, trial.options(() => [1]));
  await arrived.promise;
  const second = ask(trial.cache, trial.options(() => [2]));
  const third = ask(other, trial.options(() => [3], NEVER, other));
  gate.resolve();
  assertEquals(await first, { value: [1], hit: false });
  assertEquals(await Promise.all([second, third]), [
    { value: [1], hit: true },
    { value: [1], hit: true },
  ]);
  assertEquals([trial.runs, puts], [1, 1]);
});

// fleche 15
Deno.test("getOrCompute() frees the lease and stores no record when the body throws", async () => {
  const trial = createTrial();
  const failing = trial.options(() => {
    throw new RangeError("no");
  });
  await assertRejects(() => ask(trial.cache, failing), RangeError, "no");
  assertEquals(await Array.fromAsync(trial.stores.calls.records()), []);
  const lease = trial.stores.leases.tryAcquire(KEY);
  assert(lease !== undefined, "nobody holds it");
  lease[Symbol.dispose]();
  const next = trial.stores.leases.tryAcquire(KEY);
  lease[Symbol.dispose]();
  assertEquals(trial.stores.leases.tryAcquire(KEY), undefined, "what was freed frees nothing more");
  next?.[Symbol.dispose]();
});

Deno.test("getOrCompute() remembers nothing when the body throws, and those who wait see it", async () => {
  const trial = createTrial();
  const gate = Promise.withResolvers<never>();
  const failing = [1, 2].map(() => ask(trial.cache, trial.options(() => gate.promise)));
  gate.reject(new RangeError("no"));
  for (const call of failing) await assertRejects(() => call, RangeError, "no");
  const options = trial.options(() => 5);
  assertEquals(await ask(trial.cache, options), { value: 5, hit: false });
  assertEquals(trial.runs, 2);
});

Deno.test("getOrCompute() hands over to a waiter when the first caller is cancelled", async () => {
  const trial = createTrial();
  const controller = new AbortController();
  const aborted = Promise.withResolvers<never>();
  controller.signal.addEventListener("abort", () => aborted.reject(controller.signal.reason));
  const first = ask(
    trial.cache,
    trial.options(() => aborted.promise, controller.signal),
  );
  const second = ask(trial.cache, trial.options(() => "mine"));
  await Promise.resolve();
  controller.abort(new Error("away"));
  await assertRejects(() => first, Error, "away");
  assertEquals(await second, { value: "mine", hit: false });
});

Deno.test("getOrCompute() waits while another holds the lease, and then computes", async () => {
  const trial = createTrial();
  const held = trial.stores.leases.tryAcquire(KEY);
  assert(held !== undefined);
  const waits = Promise.withResolvers<void>();
  const { compute, ...options } = trial.options(() => 1);
  const call = ask(trial.cache, {
    ...options,
    compute: async (leased) => {
      const result = await compute(leased);
      if (result.source === "busy") waits.resolve();
      return result;
    },
  });
  await waits.promise;
  assertEquals(trial.runs, 0);
  held[Symbol.dispose]();
  assertEquals(await call, { value: 1, hit: false });
});

Deno.test("getOrCompute() takes what the holder of the lease has stored meanwhile", async () => {
  const trial = createTrial();
  const other = new Cache(trial.stores);
  const gate = Promise.withResolvers<string>();
  const first = ask(other, trial.options(() => gate.promise, NEVER, other));
  const second = ask(trial.cache, trial.options(() => "twice"));
  gate.resolve("once");
  assertEquals(await first, { value: "once", hit: false });
  assertEquals(await second, { value: "once", hit: true });
  assertEquals(trial.runs, 1);
});

Deno.test("getOrCompute() ends waiting for a lease with the signal's reason", async () => {
  const trial = createTrial();
  using _held = trial.stores.leases.tryAcquire(KEY);
  const controller = new AbortController();
  const call = ask(trial.cache, trial.options(() => 1, controller.signal));
  controller.abort(new Error("enough"));
  await assertRejects(() => call, Error, "enough");
});

Deno.test("getOrCompute() lets the others wait on when its own call is in a deadlock", async () => {
  const { leases } = createMemoryStores();
  const board = {
    write: () => {},
    // Another process computes the caller, and waits for this key.
    read: () => [{
      waits: [{
        id: "other",
        since: 0,
        target: { task: "caller", key: "1" },
        callers: [{ task: "f", key: KEY }],
      }],
    }],
  };
  const trial = createTrial({
    leases: {
      board,
      tryAcquire: (key) => leases.tryAcquire(key),
      changed: (key, signal) => leases.changed(key, signal),
    },
  });
  const held = leases.tryAcquire(KEY);
  // What looks for deadlocks keeps no process alive.
  const alive = setInterval(() => {}, 1000);
  const options = trial.options(() => "computed");
  const nested = ask(trial.cache, {
    ...options,
    callers: () => [{ task: "caller", key: "1" }],
  });
  const top = ask(trial.cache, options);
  const error = await assertRejects(() => nested, DeadlockError, '"caller" (1) → "f" (00000000)');
  assertEquals(error.cycle.map(({ task }) => task), ["caller", "f"]);
  clearInterval(alive);
  held?.[Symbol.dispose]();
  assertEquals(await top, { value: "computed", hit: false });
});

Deno.test("getOrCompute() computes too when another takes longer than leaseTimeout", async () => {
  const trial = createTrial();
  const gate = Promise.withResolvers<string>();
  const first = ask(trial.cache, trial.options(() => gate.promise));
  const alive = setInterval(() => {}, 1000);
  const late = { ...trial.options(() => "own"), leaseTimeout: 5 };
  assertEquals(await ask(trial.cache, late), { value: "own", hit: false });
  clearInterval(alive);
  gate.resolve("first");
  assertEquals(await first, { value: "first", hit: false });
  assertEquals([trial.runs, trial.warnings.length], [2, 1]);
});

Deno.test("getOrCompute() says once that it waits for long, and what ends that", async () => {
  const trial = createTrial();
  const held = await trial.stores.leases.tryAcquire(CALL.key);
  assert(held !== undefined);
  const told: unknown[][] = [];
  const options = {
    ...trial.options(() => "own"),
    longWait: 5,
    warn: (...warning: unknown[]) => {
      told.push(warning);
      held[Symbol.dispose]();
    },
  };
  const alive = setInterval(() => {}, 1000);
  assertEquals(await ask(trial.cache, options), { value: "own", hit: false });
  clearInterval(alive);
  assertEquals(told, [[
    'Waiting for a call of "f" that another worker or process computes: it waits without end, and ' +
    "`leaseTimeout` has it run here, too, after a time",
    undefined,
    false,
  ]]);
});

// fleche 17
Deno.test("getOrCompute() runs the call uncached when look-up and leases fail", async () => {
  const broken = () => {
    throw new Error("disk on fire");
  };
  const { calls, leases } = createMemoryStores();
  const trial = createTrial({
    calls: { put: broken, get: broken, delete: broken, records: () => calls.records() },
    leases: { tryAcquire: broken, changed: leases.changed.bind(leases) },
  });
  const options = trial.options(() => 7);
  assertEquals(await ask(trial.cache, options), { value: 7, hit: false });
  assertEquals(trial.warnings.map((warning) => warning.split(" ").slice(0, 2).join(" ")), [
    "Cannot look",
    "Cannot lease",
    "Cannot look",
    "Cannot record",
  ]);
});

Deno.test("getOrCompute() gives the result although its lease cannot be freed", async () => {
  const { leases } = createMemoryStores();
  const trial = createTrial({
    leases: {
      tryAcquire: (key) => ({
        key,
        revoked: false,
        [Symbol.dispose]: () => {
          throw new Error("disk on fire");
        },
      }),
      changed: leases.changed.bind(leases),
    },
  });
  assertEquals(await ask(trial.cache, trial.options(() => 7)), { value: 7, hit: false });
  assertEquals(trial.warnings, ['Cannot free the lease of a call of "f": others may wait for it']);
});

// fleche 18, executors 83
Deno.test("getOrCompute() computes again when the value of a record is gone", async () => {
  const { values } = createMemoryStores();
  let lost = true;
  const trial = createTrial({
    values: {
      put: (value) => values.put(value),
      get: (digest) => lost ? { hit: false } : values.get(digest),
    },
  });
  const options = trial.options(() => 9);
  assertEquals((await ask(trial.cache, options)).hit, false);
  assertEquals((await ask(trial.cache, options)).hit, false);
  lost = false;
  assertEquals(await ask(trial.cache, options), { value: 9, hit: true });
  assertEquals(trial.runs, 2);
});
