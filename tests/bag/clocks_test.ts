// end-to-end: clocks that are wrong, and files from the future
import { assert, assertEquals, assertGreater, assertGreaterOrEqual } from "@std/assert";
import { createMemoryCache } from "@quiver/quiver";
import { limited, query } from "@quiver/quiver/caches";
import { nextTurn } from "../../src/base/abortable.ts";
import type { DiskBag } from "../../src/bag/disk_bag.ts";
import { readFileClock } from "../../src/disk/file_clock.ts";
import { readTouches, Touches } from "../../src/bag/fold/touches.ts";
import { readManifest, writeManifest } from "../../src/bag/manifest.ts";
import { openBagFiles } from "../../src/bag/open_bag.ts";
import { DISK } from "../../src/disk/file_system.ts";
import { toLayout } from "../../src/disk/layout.ts";
import { fill, toRecord } from "../cache/_records.ts";
import { InlineFoldRunner } from "./_inline_fold_runner.ts";
import { listFiles, TemporaryDirectory } from "./_temporary_directory.ts";
import { UNSYNCED_DISK } from "./_unsynced_disk.ts";
import { createPart, toDigest } from "./_values.ts";

const ENVIRONMENT = { fileSystem: UNSYNCED_DISK, runner: new InlineFoldRunner() };
const HOUR = 60 * 60 * 1000;

function open(path: string): Promise<DiskBag> {
  return openBagFiles(path, { fold: "manual" }, ENVIRONMENT);
}

/** Puts the clock of this program forward or back, as another machine's may be. */
function shiftClock(by: number): Disposable {
  const { now } = Date;
  Date.now = () => now() + by;
  return { [Symbol.dispose]: () => void (Date.now = now) };
}

/** Waits until the clock of files has gone on, by more than it may lag behind. */
async function untilClockGoesOn(directory: TemporaryDirectory): Promise<void> {
  const layout = toLayout(directory.path);
  const since = readFileClock(DISK, layout);
  while (readFileClock(DISK, layout) < since + 50) await nextTurn();
}

for (const by of [-2 * HOUR, 2 * HOUR]) {
  Deno.test(`DiskBag.horizon() goes by the clock of files (${by / HOUR} hours off)`, async () => {
    using directory = new TemporaryDirectory();
    await using bag = await open(directory.path);
    const now = Date.now();
    using _clock = shiftClock(by);
    const horizon = await bag.horizon(HOUR);
    assertGreater(100, Math.abs(horizon - (now - HOUR)) - 50);
  });

  Deno.test(`a sweep keeps what was put after its horizon (${by / HOUR} hours off)`, async () => {
    using directory = new TemporaryDirectory();
    await using bag = await open(directory.path);
    await using sweeping = await open(directory.path);
    const [part, old] = [createPart("new", 5000), createPart("old", 5000)];
    bag.values.putPart(old);
    await bag.fold();
    {
      using _clock = shiftClock(by);
      // Their program's clock is off, too; nobody else's is.
      bag.values.putPart(part);
      bag.values.putPart(old);
      await bag.fold();
      await sweeping.compact({ live: [], horizon: await sweeping.horizon(HOUR) });
    }
    assertEquals([bag.values.load(part.digest)?.bytes, bag.values.load(old.digest)?.bytes], [
      part.bytes,
      old.bytes,
    ]);
  });

  Deno.test(`Touches tell when a value was put by the clock of files (${by / HOUR} hours off)`, async () => {
    using directory = new TemporaryDirectory();
    await using _bag = await open(directory.path);
    const layout = toLayout(directory.path);
    using touches = new Touches(DISK, layout);
    const before = Date.now();
    {
      using _clock = shiftClock(by);
      assert(touches.leave(toDigest("a"), () => true));
      assert(touches.leave(toDigest("b"), () => true));
    }
    const expected = new Set([toDigest("a"), toDigest("b")]);
    assertEquals(readTouches(layout, before), expected);
    // Each is left at its time, and is old when that is long ago.
    const lines = listFiles(layout.touches).flatMap((name) =>
      Deno.readTextFileSync(`${layout.touches}/${name}`).split("\n").filter((line) => line !== "")
    ).map((line) => JSON.parse(line));
    for (const digest of expected) {
      const last = lines.findLast(({ touch }) => touch === digest);
      assertGreater(1000, Math.abs(last.at - before));
    }
  });
}

Deno.test("values of a journal from the future are dropped in due time", async () => {
  using directory = new TemporaryDirectory();
  await using bag = await open(directory.path);
  const layout = toLayout(directory.path);
  const part = createPart("value", 5000);
  bag.values.putPart(part);
  for (const name of listFiles(layout.journals)) {
    const tomorrow = new Date(Date.now() + 24 * HOUR);
    Deno.utimeSync(`${layout.journals}/${name}`, tomorrow, tomorrow);
  }
  await bag.fold();
  const { segments } = readManifest(layout);
  assertEquals(segments.length, 1);
  assertGreaterOrEqual(Date.now(), segments[0]?.newest ?? Infinity);
  assertEquals((await bag.compact({ live: [], horizon: await bag.horizon(0) })).values, 1);
});

Deno.test("a segment that says it is from the future is dropped by the second sweep", async () => {
  using directory = new TemporaryDirectory();
  await using bag = await open(directory.path);
  const layout = toLayout(directory.path);
  for (const name of ["one", "two"]) bag.values.putPart(createPart(name, 5000));
  await bag.fold();
  const manifest = readManifest(layout);
  const segments = manifest.segments.map((segment) => ({
    ...segment,
    newest: Date.now() + 24 * HOUR,
  }));
  writeManifest(DISK, layout, { ...manifest, generation: manifest.generation + 1, segments });
  const live = [createPart("one", 5000).digest];
  // Nobody knows when its values were put: it may have been right now.
  assertEquals((await bag.compact({ live, horizon: await bag.horizon(0) })).values, 0);
  assertEquals((await bag.compact({ live, horizon: await bag.horizon(0) })).values, 1);
});

Deno.test("a lease tells to the millisecond since when it is held", async () => {
  using directory = new TemporaryDirectory();
  await using bag = await open(directory.path);
  await using other = await open(directory.path);
  const key = toDigest("key");
  // Its file had other keys before.
  bag.leases.tryAcquire(toDigest("earlier"))?.[Symbol.dispose]();
  bag.values.putPart(createPart("before", 5000));
  await bag.fold();
  await untilClockGoesOn(directory);
  using lease = bag.leases.tryAcquire(key);
  assert(lease !== undefined);
  assertEquals((await other.compact({ live: [], horizon: await other.horizon(0) })).values, 1);
  bag.values.putPart(createPart("after", 5000));
  await bag.fold();
  await untilClockGoesOn(directory);
  assertEquals((await other.compact({ live: [], horizon: await other.horizon(0) })).values, 0);
});

Deno.test("nothing is dropped while a lease is held that is from the future", async () => {
  using directory = new TemporaryDirectory();
  await using bag = await open(directory.path);
  const key = toDigest("key");
  using lease = bag.leases.tryAcquire(key);
  assert(lease !== undefined);
  const later = new Date(Date.now() + HOUR);
  Deno.utimeSync(`${directory.path}/leases/${key}`, later, later);
  assertEquals(await bag.horizon(0), 0);
});

Deno.test("a call from the future is forgotten by age, and does not keep others", async () => {
  const cache = createMemoryCache();
  const now = Date.now();
  // The first is further ahead than calls are kept.
  const records = await fill(cache, [
    { started: now + 10 * HOUR },
    { started: now + HOUR / 2 },
    { started: now - HOUR / 2 },
  ]);
  const young = limited(cache, { maxAge: HOUR });
  const listKnown = async () => {
    const known: number[] = [];
    for (const [at, { key }] of records.entries()) {
      if (await young.record(key) !== undefined) known.push(at);
    }
    return known;
  };
  assertEquals(await listKnown(), [1, 2]);
  using _clock = shiftClock(2 * HOUR);
  assertEquals(await listKnown(), []);
  await young.putRecord(toRecord({ started: Date.now() }, 3));
  assertEquals(await query(cache, {}).count(), 1);
});
