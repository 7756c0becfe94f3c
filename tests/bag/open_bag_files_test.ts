// end-to-end: opening, creating and closing a bag
import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { DISK, type FileSystem } from "../../src/disk/file_system.ts";
import type { FoldRunner } from "../../src/bag/fold/scheduler.ts";
import type { BagOptions } from "../../src/disk/disk_storage.ts";
import { openBagFiles } from "../../src/bag/open_bag.ts";
import { BagCorruptError, BagFormatError, QuiverError } from "../../src/base/errors.ts";
import { InlineFoldRunner } from "./_inline_fold_runner.ts";
import { listFiles, TemporaryDirectory } from "./_temporary_directory.ts";
import { createPart, toDigest } from "./_values.ts";
import { UNSYNCED_DISK } from "./_unsynced_disk.ts";

const PART = createPart("part", 100);
const KEY = toDigest("key");

Deno.test("openBagFiles() creates a bag in a directory that is missing", async () => {
  using directory = new TemporaryDirectory();
  const path = `${directory.path}/a/b`;
  {
    await using bag = await openBagFiles(path);
    assertEquals([bag.path, bag.mode], [path, "readwrite"]);
  }
  assertEquals(JSON.parse(Deno.readTextFileSync(`${path}/bag.json`)), {
    format: "quiver-bag",
    version: 2,
    digest: "sha256",
    digestScheme: 1,
    features: [],
  });
});

Deno.test("openBagFiles() creates a bag in a directory that is empty", async () => {
  using directory = new TemporaryDirectory();
  await using bag = await openBagFiles(directory.path);
  assertEquals(bag.values.load(PART.digest), undefined);
  assertEquals(bag.calls.getLine(KEY), undefined);
});

Deno.test("openBagFiles() makes no journal before the first value", async () => {
  using directory = new TemporaryDirectory();
  await using bag = await openBagFiles(directory.path, { fold: "manual" });
  assertEquals(listFiles(`${directory.path}/journal`), []);
  bag.values.putPart(PART);
  assertEquals(listFiles(`${directory.path}/journal`).length, 1);
});

Deno.test("openBagFiles() rejects a directory that holds something else", async () => {
  using directory = new TemporaryDirectory();
  Deno.writeTextFileSync(`${directory.path}/thesis.tex`, "");
  await assertRejects(
    () => openBagFiles(directory.path),
    BagFormatError,
    'it holds "thesis.tex" but no bag.json; choose a directory that is missing or empty',
  );
  assertEquals(listFiles(directory.path), ["thesis.tex"]);
});

// fleche 59
Deno.test("openBagFiles() rejects a newer format and names both versions", async () => {
  using directory = new TemporaryDirectory();
  Deno.writeTextFileSync(
    `${directory.path}/bag.json`,
    JSON.stringify({ format: "quiver-bag", version: 7 }),
  );
  await assertRejects(
    () => openBagFiles(directory.path),
    BagFormatError,
    "it has format version 7, and this is Quiver for version 2",
  );
});

// fleche 59
Deno.test("openBagFiles() rejects a bag with a feature that it does not know", async () => {
  for (const features of [["sealing wax"], ["gzip", "sealing wax"], "gzip", null]) {
    using directory = new TemporaryDirectory();
    const text = JSON.stringify({ format: "quiver-bag", version: 1, features });
    Deno.writeTextFileSync(`${directory.path}/bag.json`, text);
    await assertRejects(
      () => openBagFiles(directory.path),
      BagFormatError,
      "which this Quiver does not know",
    );
  }
});

Deno.test("openBagFiles() rejects a bag.json that is not one", async () => {
  using directory = new TemporaryDirectory();
  for (const text of ["", "{", "[]", "7", '{"format":"zip","version":1}']) {
    Deno.writeTextFileSync(`${directory.path}/bag.json`, text);
    await assertRejects(() => openBagFiles(directory.path), BagFormatError, "bag.json");
  }
});

// executors 91
Deno.test("openBagFiles() goes on where a process died that created the bag", async () => {
  using directory = new TemporaryDirectory();
  Deno.writeTextFileSync(`${directory.path}/bag.json.0.tmp`, '{"form');
  await using bag = await openBagFiles(directory.path);
  bag.values.putPart(PART);
  assertEquals(bag.values.load(PART.digest)?.bytes, PART.bytes);
});

Deno.test("openBagFiles() lets several create one bag at once", async () => {
  using directory = new TemporaryDirectory();
  const path = `${directory.path}/bag`;
  // While this one is about to rename its bag.json, another one creates the bag and clears up.
  const raced: FileSystem = {
    ...DISK,
    rename(from, to) {
      if (!to.endsWith("bag.json")) return DISK.rename(from, to);
      DISK.makeDirectory(`${path}/segments`);
      Deno.writeTextFileSync(to, '{"format":"quiver-bag","version":1,"digest":"sha256"}\n');
      Deno.removeSync(from);
      DISK.rename(from, to);
    },
  };
  await using bag = await openBagFiles(path, {}, {
    fileSystem: raced,
    runner: new InlineFoldRunner(),
  });
  bag.calls.putLine(KEY, { n: 1 });
  assertEquals(bag.calls.getLine(KEY), { key: KEY, n: 1 });
});

Deno.test("openBagFiles() rejects a bag whose manifest is missing, and keeps its segments", async () => {
  using directory = new TemporaryDirectory();
  const environment = { fileSystem: UNSYNCED_DISK, runner: new InlineFoldRunner() };
  {
    await using bag = await openBagFiles(directory.path, {}, environment);
    bag.values.putPart(PART);
  }
  const manifest = `${directory.path}/manifest.json`;
  const text = Deno.readTextFileSync(manifest);
  Deno.removeSync(manifest);
  for (const mode of ["readwrite", "read"] as const) {
    await assertRejects(
      () => openBagFiles(directory.path, { mode }, environment),
      BagCorruptError,
      "it is missing; make it again",
    );
  }
  Deno.writeTextFileSync(manifest, text);
  await using bag = await openBagFiles(directory.path, {}, environment);
  assertEquals(bag.values.load(PART.digest)?.bytes, PART.bytes);
});

Deno.test("openBagFiles() rejects a missing bag with mode: read", async () => {
  using directory = new TemporaryDirectory();
  const path = `${directory.path}/bag`;
  await assertRejects(
    () => openBagFiles(path, { mode: "read" }),
    BagFormatError,
    'it has no bag.json; open it with mode: "readwrite"',
  );
  assertEquals(listFiles(directory.path), []);
});

Deno.test("openBagFiles() with mode: read changes nothing and refuses to write", async () => {
  using directory = new TemporaryDirectory();
  {
    await using bag = await openBagFiles(directory.path, { fold: "manual" });
    bag.values.putPart(PART);
    bag.calls.putLine(KEY, { n: 1 });
  }
  const before = listFiles(directory.path);
  // Every change would fail.
  const fileSystem = Object.fromEntries(
    Object.keys(DISK).map((name) => [name, () => {
      throw new TypeError(`Cannot ${name}: this test allows no change`);
    }]),
  ) as unknown as FileSystem;
  {
    await using bag = await openBagFiles(directory.path, { mode: "read" }, {
      fileSystem,
      runner: new InlineFoldRunner(fileSystem),
    });
    assertEquals(bag.values.load(PART.digest)?.bytes, PART.bytes);
    assertEquals(bag.calls.getLine(KEY), { key: KEY, n: 1 });
    assertEquals(Array.from(bag.calls.lines()).length, 1);
    const message = 'it was opened with mode: "read"';
    assertThrows(() => bag.values.putPart(createPart("new", 1)), QuiverError, message);
    assertThrows(() => bag.calls.putLine(KEY, {}), QuiverError, message);
    assertThrows(() => bag.calls.delete(KEY), QuiverError, message);
    assertThrows(() => bag.leases.tryAcquire(KEY), QuiverError, message);
    await assertRejects(() => bag.fold(), QuiverError, message);
  }
  assertEquals(listFiles(directory.path), before);
});

Deno.test("openBagFiles() names the remedy when the directory is read-only", async () => {
  using directory = new TemporaryDirectory();
  {
    await using _bag = await openBagFiles(directory.path);
  }
  const fileSystem: FileSystem = {
    ...DISK,
    open() {
      throw new Deno.errors.PermissionDenied("Permission denied (os error 13)");
    },
  };
  const error = await assertRejects(
    () => openBagFiles(directory.path, {}, { fileSystem, runner: new InlineFoldRunner() }),
    QuiverError,
    'may not write there; have its owner share it, by permissions: "group" say, or open it with mode: "read"',
  );
  assertEquals(error.cause instanceof Deno.errors.PermissionDenied, true);
});

Deno.test("openBagFiles() leaves Deno's own error where a permission is missing", () => {
  using directory = new TemporaryDirectory();
  const module = new URL("../../src/bag/open_bag.ts", import.meta.url).href;
  const script = `${directory.path}/open.ts`;
  Deno.writeTextFileSync(
    script,
    `import { openBagFiles } from ${JSON.stringify(module)};
     try { await openBagFiles(${JSON.stringify(`${directory.path}/bag`)}); }
     catch (error) { console.log(error.constructor.name, error.message); }`,
  );
  const run = (...flags: string[]) => {
    const args = ["run", "--no-check", "--no-prompt", "--no-config", ...flags, script];
    return new TextDecoder().decode(
      new Deno.Command(Deno.execPath(), { args }).outputSync().stdout,
    );
  };
  assertStringIncludes(run(), "NotCapable Requires read access");
  assertStringIncludes(run("--allow-read"), "NotCapable Requires write access");
});

Deno.test("openBagFiles() rejects options by name", async () => {
  using directory = new TemporaryDirectory();
  const open = (options: unknown) => openBagFiles(`${directory.path}/bag`, options as BagOptions);
  await assertRejects(() => open({ durable: true }), TypeError, '"durable" is no option');
  await assertRejects(() => open({ mode: "w" }), TypeError, '"mode" must be "readwrite" or "read"');
  await assertRejects(() => open({ fold: true }), TypeError, '"fold" must be');
  await assertRejects(() => open({ durability: "" }), TypeError, '"durability" must be');
  await assertRejects(() => open({ journalBytes: 0 }), RangeError, '"journalBytes" must be');
  await assertRejects(() => open({ memoryBytes: -1 }), RangeError, '"memoryBytes" must be');
  assertEquals(listFiles(directory.path), []);
});

Deno.test("DiskBag.close() may be called twice, and ends all other calls", async () => {
  using directory = new TemporaryDirectory();
  const bag = await openBagFiles(directory.path, { fold: "manual" });
  bag.values.putPart(PART);
  await Promise.all([bag.close(), bag.close()]);
  await bag.close();
  assertThrows(() => bag.values.load(PART.digest), QuiverError, "it is closed");
  assertThrows(() => bag.values.find(PART.digest), QuiverError, "it is closed");
  assertThrows(() => bag.values.putPart(PART), QuiverError, "it is closed");
  assertThrows(() => bag.calls.getLine(KEY), QuiverError, "it is closed");
  assertThrows(() => bag.calls.lines(), QuiverError, "it is closed");
  await assertRejects(() => bag.leases.changed(KEY), QuiverError, "it is closed");
  await assertRejects(() => bag.fold(), QuiverError, "it is closed");
});

Deno.test("DiskBag.close() folds what was written", async () => {
  using directory = new TemporaryDirectory();
  {
    await using bag = await openBagFiles(directory.path);
    bag.values.putPart(PART);
  }
  assertEquals(listFiles(directory.path), [
    "bag.json",
    "calls.jsonl",
    "locks/calls.lock",
    "locks/fold.lock",
    "locks/sweep.lock",
    "manifest.json",
    "segments/000001.h5",
    "segments/000001.index",
    "values.h5",
  ]);
});

Deno.test("DiskBag.close() folds the journals of writers that are gone", async () => {
  using directory = new TemporaryDirectory();
  {
    await using bag = await openBagFiles(directory.path, { fold: "manual" });
    bag.values.putPart(PART);
  }
  {
    await using bag = await openBagFiles(directory.path);
    assertEquals(bag.values.load(PART.digest)?.bytes, PART.bytes);
  }
  assertEquals(listFiles(`${directory.path}/journal`), []);
});

Deno.test("DiskBag.close() does not fold when there is nothing to fold", async () => {
  using directory = new TemporaryDirectory();
  const runner: FoldRunner = {
    fold: () => Promise.reject(new TypeError("Cannot fold: this test allows none")),
    rebuild: () => Promise.resolve([]),
    compact: () => Promise.resolve({ values: 0, bytes: 0, damaged: 0 }),
  };
  await using bag = await openBagFiles(directory.path, {}, { fileSystem: DISK, runner });
  bag.calls.putLine(KEY, { n: 1 });
});

Deno.test("DiskBag.close() rejects with what a fold in the background threw", async () => {
  using directory = new TemporaryDirectory();
  let folds = 0;
  const runner: FoldRunner = {
    fold: () => Promise.reject(new TypeError(`fold ${++folds} failed`)),
    rebuild: () => Promise.resolve([]),
    compact: () => Promise.resolve({ values: 0, bytes: 0, damaged: 0 }),
  };
  const environment = { fileSystem: DISK, runner };
  const bag = await openBagFiles(directory.path, { journalBytes: 1 }, environment);
  bag.values.putPart(PART);
  await assertRejects(() => bag.fold(), TypeError, "fold 1 failed");
  const error = await assertRejects(() => bag.close(), TypeError, "fold 2 failed");
  assertEquals(await bag.close().catch((same) => same), error);
  // Nothing is lost by that.
  await using again = await openBagFiles(directory.path, { mode: "read" });
  assertEquals(again.values.load(PART.digest)?.bytes, PART.bytes);
});
