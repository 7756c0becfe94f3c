import { deepStrictEqual, ok } from "node:assert/strict";
import { createCache } from "../cache/layered.ts";
import type { CallRecord, Json } from "../call/call_record.ts";
import type { OwnStores } from "../store/own_stores.ts";
import type { MaybePromise } from "../store/stores.ts";

/** One thing that stores have to do. */
export interface StoreCheck {
  /** What it is. */
  readonly name: string;
  /**
   * Opens the stores, and checks it.
   *
   * @throws {AssertionError} When they do not do it.
   */
  run(): Promise<void>;
}

/** Stores that are open, and may have to be closed. */
export type OpenStores = OwnStores & Partial<AsyncDisposable & Disposable>;

type Check = (stores: OwnStores) => Promise<void>;

/**
 * Lists what stores of one's own must do, to be taken by `createCache()`: register each as a test. What
 * they may leave out is checked where they have it.
 *
 * @param open Opens stores that are empty; they are disposed after each check, if they can be.
 * @returns The checks.
 *
 * @example Register them with Deno
 * ```ts
 * import type { CallRecord } from "@quiver/quiver/caches";
 * import { checkStores } from "@quiver/quiver/testing";
 *
 * function open() {
 *   const bytes = new Map<string, Uint8Array>();
 *   const records = new Map<string, CallRecord>();
 *   return {
 *     values: {
 *       get: (digest: string) => bytes.get(digest),
 *       put: (digest: string, value: Uint8Array) => void bytes.set(digest, value),
 *     },
 *     calls: {
 *       get: (key: string) => records.get(key),
 *       put: (record: CallRecord) => void records.set(record.key, record),
 *       delete: (key: string) => records.delete(key),
 *       records: () => [...records.values()],
 *     },
 *   };
 * }
 * for (const { run } of checkStores(open)) await run(); // Or: Deno.test(name, run);
 * ```
 */
export function checkStores(open: () => MaybePromise<OpenStores>): StoreCheck[] {
  return Object.entries(CHECKS).map(([name, check]) => ({
    name,
    async run() {
      const stores = await open();
      try {
        await check(stores);
      } finally {
        await (stores[Symbol.asyncDispose] ?? stores[Symbol.dispose])?.call(stores);
      }
    },
  }));
}

const [FIRST, SECOND, THIRD] = ["1", "2", "3"].map((digit) => digit.repeat(64)) as [
  string,
  string,
  string,
];

function toRecord(
  key: string,
  result: string,
  metadata: { [name: string]: Json } = {},
): CallRecord {
  return {
    key,
    scheme: 1,
    module: "https://example.com/simulate.ts",
    task: "simulate",
    version: 1,
    args: [{ name: "rate", position: 0, digest: THIRD, value: THIRD }],
    result,
    started: 1_700_000_000_000.25,
    duration: 1.5,
    metadata,
  };
}

const CHECKS: { readonly [name: string]: Check } = {
  "values.get() gives each byte that values.put() was given": async ({ values }) => {
    const all = Uint8Array.from({ length: 256 }, (_, i) => i);
    const many = Uint8Array.from({ length: 1_000_003 }, (_, i) => i * 7);
    for (const [i, bytes] of [new Uint8Array(0), all.slice(0, 1), all, many].entries()) {
      const digest = `${i}`.repeat(64);
      await values.put(digest, bytes.slice());
      checkBytes(await values.get(digest), bytes);
    }
  },

  "values.put() keeps the bytes of a view, and no others of its buffer": async ({ values }) => {
    const view = Uint8Array.from({ length: 100 }, (_, i) => i).subarray(10, 20);
    await values.put(FIRST, view);
    checkBytes(await values.get(FIRST), view);
  },

  "values.get() gives undefined for a name that is not known": async ({ values }) => {
    await values.put(FIRST, new Uint8Array(1));
    deepStrictEqual(await values.get(SECOND), undefined);
  },

  "values.put() may be given what is known": async ({ values }) => {
    await values.put(FIRST, Uint8Array.of(1, 2));
    await values.put(FIRST, Uint8Array.of(1, 2));
    checkBytes(await values.get(FIRST), Uint8Array.of(1, 2));
  },

  "values.entries() tells of all values, how large they are, and when they were put": async ({
    values,
  }) => {
    if (values.entries === undefined) return;
    const list = async () => {
      const entries = await Array.fromAsync(values.entries?.() ?? []);
      return entries.sort((a, b) => a.digest < b.digest ? -1 : 1);
    };
    deepStrictEqual(await list(), []);
    for (const [i, digest] of [FIRST, SECOND].entries()) {
      await values.put(digest, new Uint8Array(i));
    }
    const before = await list();
    const sizes = before.map(({ digest, bytes }) => [digest, bytes]);
    deepStrictEqual(sizes, [[FIRST, 0], [SECOND, 1]]);
    for (const { put } of before) {
      ok(
        Math.abs(put - Date.now()) < 60_000,
        `${put} is no time of now, in milliseconds since 1970`,
      );
    }
    // By a clock of whole milliseconds at least.
    while (Date.now() <= (before[0]?.put ?? 0)) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await values.put(FIRST, new Uint8Array(0));
    const [first, second] = await list();
    ok((first?.put ?? 0) > (before[0]?.put ?? 0), "what is put again was put just now");
    deepStrictEqual(second, before[1]);
  },

  "values.delete() forgets a value, and only that": async ({ values }) => {
    if (values.delete === undefined) return;
    await values.put(FIRST, Uint8Array.of(1));
    await values.put(SECOND, Uint8Array.of(2));
    await values.delete(FIRST);
    await values.delete(FIRST);
    deepStrictEqual(await values.get(FIRST), undefined);
    checkBytes(await values.get(SECOND), Uint8Array.of(2));
    await values.put(FIRST, Uint8Array.of(3));
    checkBytes(await values.get(FIRST), Uint8Array.of(3));
  },

  "failures are kept apart from calls": async ({ calls, failures }) => {
    if (failures === undefined) return;
    const failure = { error: { name: "Error", message: "no" }, attempts: 1, bytes: 0 };
    await failures.put({ ...toRecord(FIRST, ""), failure });
    deepStrictEqual(await calls.get(FIRST), undefined);
    deepStrictEqual(await Array.fromAsync(calls.records()), []);
    await calls.put(toRecord(FIRST, SECOND));
    deepStrictEqual(toData(await failures.get(FIRST)), { ...toRecord(FIRST, ""), failure });
    deepStrictEqual((await Array.fromAsync(failures.records())).length, 1);
    deepStrictEqual([await failures.delete(FIRST), await failures.delete(FIRST)], [true, false]);
    deepStrictEqual((await calls.get(FIRST))?.result, SECOND);
  },

  "calls.get() gives all fields of a record with their types": async ({ calls }) => {
    const text = `é😀"'\\\n\0\u2028%`;
    const metadata = { text, list: [1, "1", true, null], deep: { "": { x: 1e-7 } }, "a.b": 2 };
    for (const [i, version] of [1, "1", "", 0, 1.5].entries()) {
      const record = { ...toRecord(`${i}`.repeat(64), FIRST, metadata), version };
      await calls.put(record);
      deepStrictEqual(toData(await calls.get(record.key)), record);
    }
  },

  "calls.get() gives undefined for a key that is not known": async ({ calls }) => {
    await calls.put(toRecord(FIRST, SECOND));
    deepStrictEqual(await calls.get(SECOND), undefined);
  },

  "calls.put() replaces the record of the same key": async ({ calls }) => {
    await calls.put(toRecord(FIRST, SECOND));
    await calls.put(toRecord(FIRST, THIRD));
    deepStrictEqual((await calls.get(FIRST))?.result, THIRD);
    deepStrictEqual((await Array.fromAsync(calls.records())).length, 1);
  },

  "calls.delete() forgets a record, and tells whether it was known": async ({ calls }) => {
    await calls.put(toRecord(FIRST, THIRD));
    await calls.put(toRecord(SECOND, THIRD));
    deepStrictEqual([await calls.delete(FIRST), await calls.delete(FIRST)], [true, false]);
    deepStrictEqual(await calls.get(FIRST), undefined);
    deepStrictEqual((await calls.get(SECOND))?.key, SECOND);
    await calls.put(toRecord(FIRST, SECOND));
    deepStrictEqual((await calls.get(FIRST))?.result, SECOND);
  },

  "calls.records() gives each record once, also while records are forgotten": async ({ calls }) => {
    const keys = Array.from({ length: 20 }, (_, i) => `${i % 10}${i < 10 ? 0 : 1}`.repeat(32));
    for (const key of keys) await calls.put(toRecord(key, THIRD));
    const seen: string[] = [];
    for await (const { key } of calls.records()) {
      seen.push(key);
      await calls.delete(key);
    }
    deepStrictEqual(seen.sort(), keys.sort());
    deepStrictEqual(await Array.fromAsync(calls.records()), []);
  },

  "many may put and get at once": async ({ values, calls }) => {
    const keys = Array.from({ length: 200 }, (_, i) => `${i}`.padStart(64, "0"));
    await Promise.all(keys.map(async (key, i) => {
      await values.put(key, new Uint8Array(i));
      await calls.put(toRecord(key, key));
      ok(await values.get(key) !== undefined && await calls.get(key) !== undefined);
    }));
    const found = await Promise.all(keys.map(async (key) => (await values.get(key))?.length));
    deepStrictEqual(found, keys.map((_, i) => i));
    deepStrictEqual((await Array.fromAsync(calls.records())).length, keys.length);
  },

  "a cache on them gives values of every kind back": async (stores) => {
    const cache = createCache(stores);
    const value = {
      list: [undefined, null, -0, NaN, 2n ** 70n, "é😀", [[]]],
      map: new Map([[{ key: 1 }, new Set([new Date(5)])]]),
      arrays: [new Float64Array(5000).fill(2.5), new Uint8Array(5000).fill(3), new Int16Array(2)],
    };
    const digest = await cache.putValue(value);
    deepStrictEqual(await cache.value(digest), { hit: true, value });
    // Whoever gets a value may change it.
    const found = await cache.value(digest);
    if (found.hit) (found.value as typeof value).arrays[0]?.fill(0);
    deepStrictEqual(await cache.value(digest), { hit: true, value });
  },
};

/** A store may give a `Buffer`, which is a `Uint8Array` of another class. */
function checkBytes(found: unknown, expected: Uint8Array): void {
  ok(found instanceof Uint8Array, `there should be a Uint8Array, not ${typeof found}`);
  const differs = expected.findIndex((byte, i) => found[i] !== byte);
  ok(differs < 0, `byte ${differs} is ${found[differs]}, and was ${expected[differs]}`);
  ok(found.length === expected.length, `there are ${found.length} of ${expected.length} bytes`);
}

/** A store may give records with another prototype, such as rows of a database. */
function toData(record: CallRecord | undefined): unknown {
  return record && { ...record };
}
