// collaboration: compaction, the rewrite of the log and touches over a file system that fails at each step
import { assert, assertEquals, assertGreater } from "@std/assert";
import type { FileSystem } from "../../src/disk/file_system.ts";
import type { DiskBag } from "../../src/bag/disk_bag.ts";
import { openBagFiles } from "../../src/bag/open_bag.ts";
import { type Fault, FaultError, FaultyFileSystem } from "./_faulty_file_system.ts";
import { InlineFoldRunner } from "./_inline_fold_runner.ts";
import { listFiles, TemporaryDirectory } from "./_temporary_directory.ts";
import { createPart, toDigest } from "./_values.ts";
import { UNSYNCED_DISK } from "./_unsynced_disk.ts";

const LIVE = [
  createPart("small", 40),
  createPart("array", 8000, "Float64Array"),
  createPart("large", 40_000, "Uint8Array"),
];
const DEAD = [createPart("dead small", 70), createPart("dead array", 5000, "Int16Array")];
const TOUCHED = createPart("touched", 4096, "Uint8Array");
const LATE = createPart("touched late", 300, "graph");
const NEW = createPart("new", 200);
const KEYS = Array.from({ length: 8 }, (_, i) => toDigest(`key ${i}`));

function open(path: string, fileSystem: FileSystem = UNSYNCED_DISK): Promise<DiskBag> {
  const options = { fold: "manual", memoryBytes: 0 } as const;
  const runner = new InlineFoldRunner(fileSystem);
  return openBagFiles(path, options, { fileSystem: UNSYNCED_DISK, runner });
}

/** Where the values of a bag lie, and how many are dropped where nothing fails. */
interface Place {
  readonly fill: (path: string) => Promise<void>;
  readonly dropped: number;
}

const PLACES: { readonly [place: string]: Place } = {
  segments: {
    dropped: DEAD.length,
    async fill(path) {
      await using bag = await open(path);
      for (const part of [...LIVE.slice(0, 2), ...DEAD, TOUCHED, LATE]) bag.values.putPart(part);
      await bag.fold();
      bag.values.putPart(LIVE[2] ?? NEW);
      putCalls(bag);
      await bag.fold();
    },
  },
  "a journal": {
    dropped: DEAD.length,
    async fill(path) {
      await using bag = await open(path);
      for (const part of [...LIVE, ...DEAD, TOUCHED, LATE]) bag.values.putPart(part);
      putCalls(bag);
    },
  },
  // The one of which nobody wants anything is gone before the last value of it is put again.
  "journals of their own": {
    dropped: DEAD.length + 1,
    async fill(path) {
      {
        await using bag = await open(path);
        for (const part of [...DEAD, LATE]) bag.values.putPart(part);
      }
      await using bag = await open(path);
      for (const part of [...LIVE, TOUCHED]) bag.values.putPart(part);
      putCalls(bag);
    },
  },
};

function putCalls(bag: DiskBag): void {
  KEYS.forEach((key, n) => bag.calls.putLine(key, { n, text: "x".repeat(100) }));
  for (const key of KEYS.slice(4)) bag.calls.delete(key);
  KEYS.slice(0, 2).forEach((key, n) => bag.calls.putLine(key, { n: n + 100 }));
}

function check(bag: DiskBag, context: string): void {
  for (const { digest, kind, bytes } of [...LIVE, TOUCHED, LATE, NEW]) {
    assertEquals(bag.values.load(digest), { kind, bytes }, `${context}: a live value`);
  }
  for (const { digest, kind, bytes } of DEAD) {
    const found = bag.values.load(digest);
    if (found !== undefined) assertEquals(found, { kind, bytes }, `${context}: a dead value`);
  }
  const records = KEYS.map((key) => bag.calls.getLine(key)?.n);
  const none = undefined;
  assertEquals(records, [100, 101, 2, 3, none, none, none, none], context);
  assertEquals([...bag.calls.lines()].length, 4 + 1, context);
  assertEquals(bag.calls.getLine(toDigest("late"))?.n, 7, context);
}

/** What goes on beside the compaction: a touch before it, a touch and a record while it writes. */
function besides(inner: FileSystem, happen: () => void): FileSystem {
  let done = false;
  const once = (path: string) => {
    if (done || !path.includes("/segments/")) return;
    done = true;
    happen();
  };
  return {
    open: (path, options) => {
      once(path);
      return inner.open(path, options);
    },
    write: (file, bytes) => inner.write(file, bytes),
    truncate: (file, length) => inner.truncate(file, length),
    sync: (file) => inner.sync(file),
    syncDirectory: (path) => inner.syncDirectory(path),
    rename: (from, to) => inner.rename(from, to),
    link: (from, to) => inner.link(from, to),
    remove: (path) => inner.remove(path),
    makeDirectory: (path) => inner.makeDirectory(path),
  };
}

/** Copies a bag that nobody has open. */
function copyBag(from: string, to: string): void {
  for (const name of listFiles(from)) {
    Deno.mkdirSync(`${to}/${name}`.replace(/\/[^/]*$/, ""), { recursive: true });
    Deno.copyFileSync(`${from}/${name}`, `${to}/${name}`);
  }
}

async function runAt(path: string, fault: Fault, at: number, dropped: number): Promise<boolean> {
  const context = `${fault} at step ${at}`;
  await using other = await open(path);
  for (const part of [TOUCHED, LATE]) assert(other.values.find(part.digest) !== undefined);
  const late = () => {
    other.values.putPart(LATE);
    other.values.putPart(NEW);
    other.calls.putLine(toDigest("late"), { n: 7 });
  };
  const faulty = new FaultyFileSystem(fault, at);
  let wrote = false;
  const fileSystem = besides(faulty, () => {
    wrote = true;
    late();
  });
  {
    await using bag = await open(path, fileSystem);
    const horizon = await bag.horizon(0);
    other.values.putPart(TOUCHED);
    const live = LIVE.map(({ digest }) => digest);
    try {
      const result = await bag.compact({ live, horizon, full: true });
      if (!faulty.failed) assertEquals(result.values, dropped);
    } catch (error) {
      if (!(error instanceof FaultError)) throw error;
    }
    if (!wrote) late();
    check(bag, `${context}, the same handle`);
    check(other, `${context}, another handle`);
  }
  await using again = await open(path);
  check(again, `${context}, opened again`);
  const live = [...LIVE, TOUCHED, LATE, NEW].map(({ digest }) => digest);
  await again.compact({ live, horizon: await again.horizon(0), full: true });
  check(again, `${context}, compacted`);
  check(other, `${context}, compacted, another handle`);
  const found = DEAD.filter(({ digest }) => again.values.load(digest) !== undefined);
  assertEquals(found, [], `${context}: what is dead is gone`);
  const files = listFiles(path);
  assertEquals(files.filter((name) => name.endsWith(".tmp")), [], context);
  assertEquals(files.filter((name) => name.endsWith(".h5")).length, 2, `${context}: ${files}`);
  return faulty.failed;
}

const FAULTS: readonly Fault[] = ["error", "short", "stop"];

/**
 * Lets each step of each place have one fault, the next step the next one: what the places have in
 * common sees all of them. Every fault at every step is `deno task crash --steps`.
 */
async function runEachStep(fault: Fault): Promise<void> {
  for (const [i, { fill, dropped }] of Object.values(PLACES).entries()) {
    using template = new TemporaryDirectory();
    await fill(template.path);
    let at = (FAULTS.indexOf(fault) + i) % FAULTS.length;
    for (let failed = true; failed; at += FAULTS.length) {
      using directory = new TemporaryDirectory();
      copyBag(template.path, `${directory.path}/bag`);
      failed = await runAt(`${directory.path}/bag`, fault, at, dropped);
    }
    assertGreater(at, 60);
  }
}

Deno.test("DiskBag.compact() loses nothing that is live when any one step fails", async () => {
  await runEachStep("error");
});

Deno.test("DiskBag.compact() loses nothing that is live when any write is cut short", async () => {
  await runEachStep("short");
});

// fleche 59
Deno.test("DiskBag.compact() loses nothing that is live when it ends at any step", async () => {
  await runEachStep("stop");
});
