// end-to-end: checking and repairing a bag through the public API, in the worker that does it
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  BagCorruptError,
  BagFormatError,
  cacheScope,
  openBag,
  QuiverError,
  task,
} from "@quiver/quiver";
import { verifyBag, type VerifyStep } from "@quiver/quiver/caches";

let runs = 0;
const square = task(import.meta, function square(n: number): number {
  runs++;
  return n * n;
});

async function withBag(fn: (path: string) => Promise<void>): Promise<void> {
  const path = await Deno.makeTempDir({ prefix: "quiver_verify_" });
  try {
    await using bag = await openBag(path);
    await cacheScope({ cache: bag }, () => square(7));
    await bag.close();
    await fn(path);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}

Deno.test("verifyBag() repairs a bag that openBag() refuses, and openBag() says so", async () => {
  await withBag(async (path) => {
    await Deno.writeTextFile(`${path}/manifest.json`, "{");
    const error = await assertRejects(() => openBag(path), BagCorruptError);
    assert(error.message.includes("verifyBag(path, { repair: true })"), error.message);
    const found = await verifyBag(path);
    assertEquals([found.sound, found.quarantine], [false, undefined]);
    const steps: VerifyStep[] = [];
    const progress = { update: (step: VerifyStep) => void steps.push(step) };
    const repaired = await verifyBag(new URL(`file://${path}`), { repair: true, progress });
    assertEquals([repaired.sound, repaired.path], [true, path]);
    assertEquals(steps.slice(-repaired.steps.length), [...repaired.steps]);
    assertEquals(await Deno.readTextFile(`${repaired.quarantine}/manifest.json`), "{");
    await using bag = await openBag(path, { mode: "read" });
    const before = runs;
    assertEquals(await cacheScope({ cache: bag }, () => square(7)), 49);
    assertEquals(runs, before);
  });
});

Deno.test("Bag.verify() repairs an open bag, and what became a miss is computed again", async () => {
  await withBag(async (path) => {
    await using bag = await openBag(path);
    const [record] = await Array.fromAsync(bag.records());
    const segment = `${path}/segments/000001.h5`;
    const content = await Deno.readFile(segment);
    await Deno.truncate(segment, content.length >> 1);
    const { sound, misses } = await bag.verify({ repair: true });
    assertEquals([sound, misses], [true, [record?.key]]);
    const before = runs;
    assertEquals(await cacheScope({ cache: bag }, () => square(7)), 49);
    assertEquals(await cacheScope({ cache: bag }, () => square(7)), 49);
    assertEquals(runs, before + 1);
    assertEquals((await bag.verify({ digests: true })).sound, true);
  });
});

Deno.test("Bag.verify() refuses to repair what was opened for reading", async () => {
  await withBag(async (path) => {
    await using bag = await openBag(path, { mode: "read" });
    assertEquals((await bag.verify()).sound, true);
    await assertRejects(() => bag.verify({ repair: true }), QuiverError, 'with mode: "read"');
  });
});

Deno.test("verifyBag() rejects what is no bag, an unknown option, and an aborted signal", async () => {
  await withBag(async (path) => {
    await assertRejects(() => verifyBag(`${path}/segments`), BagFormatError, "no bag.json");
    const options: Record<string, unknown> = { repairs: true };
    await assertRejects(() => verifyBag(path, options), TypeError, '"repairs" is no option');
    const signal = AbortSignal.abort(new RangeError("enough"));
    await assertRejects(() => verifyBag(path, { signal }), RangeError, "enough");
  });
});

Deno.test("verifyBag() ends with its signal while it waits for a fold", async () => {
  await withBag(async (path) => {
    using lock = Deno.openSync(`${path}/locks/fold.lock`, { read: true, write: true });
    lock.lockSync(true);
    const abort = new AbortController();
    const checked = verifyBag(path, { signal: abort.signal });
    abort.abort(new RangeError("enough"));
    await assertRejects(() => checked, RangeError, "enough");
  });
});
