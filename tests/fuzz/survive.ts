import { assert, assertEquals } from "@std/assert";
import { cacheScope, createMemoryCache, QuiverError, task } from "@quiver/quiver";
import { query } from "@quiver/quiver/caches";
import { Bag } from "../../src/cache/stored_cache.ts";
import { openBagFiles } from "../../src/bag/open_bag.ts";
import { createDiskStores } from "../../src/store/open_stores.ts";
import { signStores } from "../../src/store/signed/signed_stores.ts";
import { copyBag } from "../durability/_copy_bag.ts";
import { ENVIRONMENT, verify } from "../store/_small_bag.ts";

/** How long one thing may take with a bag of a few kilobytes, in milliseconds. */
const LIMIT = 30_000;

let runs = 0;

/** A task with results of each form: packed, a dataset, a graph with a part. */
export const compute = task(import.meta, (n: number): unknown => {
  runs++;
  return toResult(n);
}, { name: "compute", code: "none" });

/** What the task gives. */
export function toResult(n: number): unknown {
  const array = Float64Array.from({ length: 520 }, (_, i) => Math.sqrt(n + i));
  const results = [{ n, text: "é" }, array, { array, seen: new Set([n]), date: new Date(n) }];
  return results[n % results.length];
}

/** How many calls a bag has that is made hostile; the last two are not sealed. */
export const COUNT = 6;

/** Makes a bag with tables, segments, a journal, touches and a rewritten log. */
export async function createTemplate(path: string, keys: Keys): Promise<void> {
  const fill = async (from: number, to: number, compact: boolean) => {
    await using bag = await openInline(path, keys, "readwrite");
    await cacheScope({ cache: bag, strict: true }, async () => {
      for (let n = from; n < to; n++) await compute(n);
    });
    if (compact) await bag.compact({ gracePeriod: 0 });
  };
  await fill(0, COUNT - 2, true);
  await fill(COUNT - 2, COUNT, false);
  {
    await using bag = await openInline(path, keys, "readwrite");
    for (let n = 0; n < COUNT; n++) await bag.putValue(toResult(n));
  }
}

/** The keys that a bag is signed with, if any. */
export type Keys = readonly string[];

async function openInline(path: string, keys: Keys, mode: "readwrite" | "read"): Promise<Bag> {
  const options = { fold: "manual", mode } as const;
  const files = await openBagFiles(path, options, ENVIRONMENT);
  const plain = createDiskStores(files, { type: "bag", path, options: { mode } });
  const stores = keys.length > 0 ? signStores(plain, keys) : plain;
  return new Bag({ stores, files, [Symbol.asyncDispose]: () => files.close() }, () => {});
}

/** What a hostile bag may cost. */
export interface Losses {
  /** The calls that may be misses; all if not given. */
  readonly calls?: readonly number[];
  /** Whether values may be others, as nothing but a signature tells. */
  readonly forged?: boolean;
}

/**
 * Does all that can be done with a bag that somebody has damaged or made up: each gives what is right, a
 * miss, or a clear error that names the bag, in bounded time; what runs anyway heals, a repair leaves a
 * sound bag.
 */
export async function survive(
  path: string,
  context: string,
  { calls, forged = false }: Losses = {},
  keys: Keys = [],
): Promise<void> {
  // Who has a key believes no value that is not what its digest says.
  const losses = { forged: forged && keys.length === 0 };
  const tolerate = async (action: string, act: () => Promise<unknown>): Promise<boolean> => {
    try {
      await within(act());
      return true;
    } catch (error) {
      if (isClear(error, path)) return false;
      throw new Error(`${context}: ${action}`, { cause: error });
    }
  };
  for (const mode of ["read", "readwrite"] as const) {
    let bag: Bag | undefined;
    if (!await tolerate(`open for ${mode}`, async () => bag = await openInline(path, keys, mode))) {
      continue;
    }
    assert(bag !== undefined);
    await using opened = bag;
    if (mode === "readwrite") {
      await callAll(opened, `${context}: first calls`, losses, calls?.length ?? COUNT);
      await callAll(opened, `${context}: calls again`, losses, 0);
    }
    await tolerate("records", () => Array.fromAsync(opened.records()));
    await tolerate("query", () => query(opened, { task: compute }, QUIETLY).count());
    await tolerate("tags", () => query(opened, { tags: { a: "b" } }, QUIETLY).count());
    await tolerate("transfer", () => query(opened, {}, QUIETLY).transfer(createMemoryCache()));
    for (let n = 0; n < COUNT; n++) {
      const key = await compute.digest(n);
      await tolerate(`list ${n}`, () => list(opened, `compute/${key}`));
      const record = await opened.record(key);
      if (record === undefined) continue;
      await tolerate(`value ${n}`, async () => await opened.value(record.result));
      await tolerate(`read ${n}`, () => opened.read(record.result));
      await tolerate(`slice ${n}`, () => opened.slice(record.result, [[1, 3]]));
    }
    await tolerate("list", () => list(opened, ""));
    const exported = `${path}.h5`;
    if (await tolerate("export", () => opened.exportHdf5(exported))) Deno.removeSync(exported);
    if (mode === "read") continue;
    const swept = await tolerate("gc", () => opened.gc({ gracePeriod: 0 })) &&
      await tolerate("compact", () => opened.compact({ gracePeriod: 0 }));
    await tolerate("fold", () => opened.fold());
    await callAll(opened, `${context}: calls after all`, losses, swept ? 0 : COUNT);
    opened.statistics();
  }
  await tolerate("verify", () => verify(path));
  if (!await tolerate("repair", () => verify(path, { repair: true, digests: true }))) return;
  const { sound, steps } = await verify(path);
  assert(sound, `${context}: ${JSON.stringify(steps.filter(({ problems }) => problems > 0))}`);
  await using bag = await openInline(path, keys, "readwrite");
  await callAll(bag, `${context}: calls after a repair`, losses, COUNT);
  await callAll(bag, `${context}: calls again after a repair`, losses, 0);
}

const QUIETLY = { onWarning: () => {} };

/** All calls give what is right; so many may run at the most. */
async function callAll(bag: Bag, context: string, { forged }: Losses, most: number): Promise<void> {
  const before = runs;
  const warnings: string[] = [];
  const onWarning = ({ message, cause }: { message: string; cause?: unknown }) => {
    if (!(cause === undefined || isClear(cause, bag.path))) {
      throw new Error(`${context}: ${message}`, { cause });
    }
    warnings.push(`${message}: ${cause}`);
  };
  await within(
    cacheScope({ cache: bag, onWarning }, async () => {
      for (let n = 0; n < COUNT; n++) {
        const result = await compute(n);
        if (forged !== true) assertEquals(result, toResult(n), context);
      }
    }),
    context,
  );
  const told = warnings.join("\n");
  assert(runs - before <= most, `${context}: ${runs - before} calls ran, not ${most}: ${told}`);
}

async function list(bag: Bag, path: string, depth = 0): Promise<void> {
  if (depth > 4) return;
  for (const { name } of await Array.fromAsync(bag.list(path))) {
    const step = name.replaceAll("~", "~0").replaceAll("/", "~1");
    await list(bag, path === "" ? step : `${path}/${step}`, depth + 1);
  }
}

async function within<T>(action: Promise<T>, context = ""): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`${context}: it hangs`)), LIMIT);
  try {
    return await Promise.race([action, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Quiver's own errors, which name the bag or what lies in it, and what is said of steps of a path. */
function isClear(error: unknown, path: string): boolean {
  if (!(error instanceof Error)) return false;
  const { message } = error;
  if (error instanceof QuiverError) return message.includes(path) || message.includes("value");
  if (error instanceof SyntaxError) return /^Cannot (decode|read) a/.test(message);
  if (error instanceof RangeError || error instanceof TypeError) {
    return /^Cannot (find|read|list|slice)/.test(message);
  }
  return false;
}

/** Makes hostile bags of copies of one, and does all that can be done with each. */
export async function surviveAll(
  directory: string,
  bags: Iterable<Losses & { readonly name: string; make(path: string): void | Promise<void> }>,
  keys: Keys = [],
): Promise<number> {
  const template = `${directory}/template`;
  await createTemplate(template, keys);
  let count = 0;
  for (const bag of bags) {
    const path = `${directory}/${count++}`;
    copyBag(template, path);
    await bag.make(path);
    await survive(path, bag.name, bag, keys);
    Deno.removeSync(path, { recursive: true });
  }
  Deno.removeSync(template, { recursive: true });
  return count;
}
