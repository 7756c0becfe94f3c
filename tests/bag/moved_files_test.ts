// end-to-end: files of an open bag that somebody else moves, removes, replaces or copies
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { CacheGuard } from "../../src/disk/disk_storage.ts";
import { DISK, type FileSystem, isSameFile } from "../../src/disk/file_system.ts";
import { toLayout } from "../../src/disk/layout.ts";
import { DiskLeases } from "../../src/disk/leases.ts";
import { LockFile } from "../../src/disk/lock_file.ts";
import type { DiskBag } from "../../src/bag/disk_bag.ts";
import { readManifest, writeManifest } from "../../src/bag/manifest.ts";
import { openBagFiles } from "../../src/bag/open_bag.ts";
import { QuiverError } from "../../src/base/errors.ts";
import { openFileDirectory } from "../../src/store/file_cache.ts";
import { InlineFoldRunner } from "./_inline_fold_runner.ts";
import { TemporaryDirectory } from "./_temporary_directory.ts";
import { UNSYNCED_DISK } from "./_unsynced_disk.ts";
import { createPart, toDigest } from "./_values.ts";

const ENVIRONMENT = { fileSystem: UNSYNCED_DISK, runner: new InlineFoldRunner() };
const THERE = { checkThere() {} };
const GONE = "it was moved, removed or cleared while it was open";

function open(path: string): Promise<DiskBag> {
  return openBagFiles(path, { fold: "manual" }, ENVIRONMENT);
}

/** Puts a value, and a record that names it. */
function put(bag: DiskBag, name: string): void {
  const part = createPart(name, 100);
  bag.values.putPart(part);
  bag.calls.putLine(toDigest(name), { result: part.digest });
}

/** Which of the names somebody finds who opens the bag anew: record and value. */
async function findAnew(path: string, names: readonly string[]): Promise<string[]> {
  await using bag = await openBagFiles(path, { mode: "read" }, ENVIRONMENT);
  return names.filter((name) => {
    const { digest, bytes } = createPart(name, 100);
    if (bag.calls.getLine(toDigest(name))?.result !== digest) return false;
    const payload = bag.values.load(digest);
    if (payload !== undefined) assertEquals(payload.bytes, bytes);
    return payload !== undefined;
  });
}

function removeIn(directory: string): void {
  for (const { name } of Deno.readDirSync(directory)) {
    Deno.removeSync(`${directory}/${name}`, { recursive: true });
  }
}

/** As `cp -al` does: each file has a second name in the copy. */
function copyByLinks(from: string, to: string): void {
  Deno.mkdirSync(to);
  for (const { name, isDirectory } of Deno.readDirSync(from)) {
    if (isDirectory) copyByLinks(`${from}/${name}`, `${to}/${name}`);
    else Deno.linkSync(`${from}/${name}`, `${to}/${name}`);
  }
}

Deno.test("isSameFile() tells a file from another one of its name, whatever else is linked to it", () => {
  using directory = new TemporaryDirectory();
  const path = `${directory.path}/file`;
  using file = Deno.openSync(path, { write: true, create: true });
  const identity = file.statSync();
  assert(isSameFile(path, identity));
  Deno.linkSync(path, `${path}.copy`);
  assert(isSameFile(path, identity));
  Deno.writeTextFileSync(`${path}.new`, "");
  Deno.renameSync(`${path}.new`, path);
  assertEquals([isSameFile(path, identity), isSameFile(`${path}.copy`, identity)], [false, true]);
  Deno.removeSync(path);
  assert(!isSameFile(path, identity));
  // A link that leads to the file is not the file.
  Deno.symlinkSync(`${path}.copy`, path);
  assert(!isSameFile(path, identity));
});

Deno.test("a bag that was copied by hard links goes on in its own files after a compaction", async () => {
  using directory = new TemporaryDirectory();
  const path = `${directory.path}/bag`;
  await using bag = await open(path);
  put(bag, "before");
  await bag.fold();
  copyByLinks(path, `${directory.path}/snapshot`);
  {
    await using other = await open(path);
    put(other, "other");
    await other.compact({ full: true });
  }
  put(bag, "after");
  assertEquals(await findAnew(path, ["before", "other", "after"]), ["before", "other", "after"]);
  const log = Deno.readTextFileSync(`${directory.path}/snapshot/calls.jsonl`);
  assert(!log.includes(toDigest("after")), "it went into the copy");
});

Deno.test("a bag makes its journals anew when a cleaner has removed them", async () => {
  for (const clear of [removeIn, (path: string) => Deno.removeSync(path, { recursive: true })]) {
    using directory = new TemporaryDirectory();
    const { journals } = toLayout(directory.path);
    await using bag = await open(directory.path);
    put(bag, "before");
    clear(journals);
    put(bag, "after");
    // The same value, under another key: what this handle had written of it is gone.
    bag.values.putPart(createPart("before", 100));
    assertEquals(await findAnew(directory.path, ["before", "after"]), ["before", "after"]);
  }
});

Deno.test("a bag stores a known value again whose journal was removed, and not one that was sealed", async () => {
  using directory = new TemporaryDirectory();
  await using bag = await open(directory.path);
  put(bag, "sealed");
  {
    await using other = await open(directory.path);
    // Nobody has let go of the journal, so it stays.
    await other.fold();
  }
  await bag.fold();
  const before = bag.statistics();
  bag.values.putPart(createPart("sealed", 100));
  assertEquals(bag.statistics(), before);
});

for (const name of ["locks", "leases", "touches"] as const) {
  Deno.test(`a bag goes on when a cleaner has removed its ${name}`, async () => {
    for (const whole of [false, true]) {
      using directory = new TemporaryDirectory();
      const layout = toLayout(directory.path);
      await using bag = await open(directory.path);
      await using other = await open(directory.path);
      const key = toDigest("key");
      bag.leases.tryAcquire(key)?.[Symbol.dispose]();
      put(bag, "one");
      if (whole) Deno.removeSync(layout[name], { recursive: true });
      else removeIn(layout[name]);
      {
        using lease = bag.leases.tryAcquire(key);
        assert(lease !== undefined);
        assertEquals(other.leases.tryAcquire(key), undefined);
      }
      using _lease = other.leases.tryAcquire(key);
      assert(_lease !== undefined);
      put(bag, "two");
      if (!whole) {
        await other.compact({ full: true });
        put(bag, "three");
        assertEquals(await findAnew(directory.path, ["one", "two", "three"]), [
          "one",
          "two",
          "three",
        ]);
      }
    }
  });
}

Deno.test("a bag that was moved says so, whatever it is asked, and loops for nothing", async () => {
  using directory = new TemporaryDirectory();
  const path = `${directory.path}/bag`;
  const bag = await open(path);
  put(bag, "before");
  Deno.renameSync(path, `${path}.old`);
  assertThrows(() => put(bag, "after"), QuiverError, GONE);
  assertThrows(() => bag.values.putPart(createPart("value", 100)), QuiverError, GONE);
  assertThrows(() => bag.calls.putLine(toDigest("call"), {}), QuiverError, GONE);
  assertThrows(() => [...bag.calls.lines()], QuiverError, GONE);
  assertThrows(() => bag.calls.feed().read(), QuiverError, GONE);
  assertThrows(() => bag.calls.getLine(toDigest("unknown")), QuiverError, GONE);
  assertThrows(() => bag.leases.tryAcquire(toDigest("key")), QuiverError, GONE);
  // What it has said that it knows it still knows.
  assertEquals(bag.calls.getLine(toDigest("before"))?.result, createPart("before", 100).digest);
  await bag.close();
  assertEquals([...Deno.readDirSync(directory.path)].map(({ name }) => name), ["bag.old"]);
  assertEquals(await findAnew(`${path}.old`, ["before"]), ["before"]);
});

Deno.test("a bag whose directory was cleared says so", async () => {
  using directory = new TemporaryDirectory();
  const bag = await open(directory.path);
  put(bag, "before");
  removeIn(directory.path);
  assertThrows(() => put(bag, "after"), QuiverError, GONE);
  assertThrows(() => [...bag.calls.lines()], QuiverError, GONE);
  await assertRejects(() => bag.compact({ full: true }), Error);
  await bag.close();
});

Deno.test("a bag goes on in the one that was made in its place, with value and record", async () => {
  for (const folds of [false, true]) {
    using directory = new TemporaryDirectory();
    await using bag = await open(directory.path);
    put(bag, "before");
    if (folds) await bag.fold();
    removeIn(directory.path);
    await using other = await open(directory.path);
    put(other, "other");
    if (folds) await other.fold();
    put(bag, "after");
    put(bag, "before");
    assertEquals(
      await findAnew(directory.path, ["other", "after", "before"]),
      ["other", "after", "before"],
      `folds: ${folds}`,
    );
  }
});

Deno.test("LockFile excludes those who come after its file was removed", async () => {
  using directory = new TemporaryDirectory();
  const path = `${directory.path}/lock`;
  using one = new LockFile(DISK, path, THERE);
  using two = new LockFile(DISK, path, THERE);
  assert(one.tryLock());
  assert(!two.tryLock());
  one.unlock();
  Deno.removeSync(path);
  assert(two.tryLock());
  assert(!one.tryLock(), "it holds the lock of a file that has no name");
  two.unlock();
  await one.lock();
  assert(!two.tryLock());
});

Deno.test("LockFile needs no right to write to a file that is there", () => {
  using directory = new TemporaryDirectory();
  const path = `${directory.path}/lock`;
  Deno.writeTextFileSync(path, "");
  const refusing = {
    ...DISK,
    open(path: string, options: Deno.OpenOptions) {
      if (options.write) throw new Deno.errors.PermissionDenied("not mine");
      return DISK.open(path, options);
    },
  };
  using one = new LockFile(refusing, path, THERE);
  using two = new LockFile(DISK, path, THERE);
  assert(one.tryLock());
  assert(!two.tryLock());
  Deno.removeSync(path);
  one[Symbol.dispose]();
  assertThrows(() => one.tryLock(), Deno.errors.PermissionDenied);
});

Deno.test("leases of a cache that was moved end with a sentence", () => {
  using directory = new TemporaryDirectory();
  const root = `${directory.path}/cache`;
  Deno.mkdirSync(root);
  Deno.writeTextFileSync(`${root}/marker`, "");
  const layout = { leases: `${root}/leases`, locks: `${root}/locks` };
  const guard = new CacheGuard(`the cache "${root}"`, "readwrite", `${root}/marker`);
  using leases = new DiskLeases({ fileSystem: DISK, layout, guard, place: root });
  // It makes what is missing.
  leases.tryAcquire(toDigest("key"))?.[Symbol.dispose]();
  Deno.renameSync(root, `${root}.old`);
  assertThrows(() => leases.tryAcquire(toDigest("key")), QuiverError, GONE);
});

Deno.test("a file cache goes on without its directories, and says when it is gone", async () => {
  using directory = new TemporaryDirectory();
  const path = `${directory.path}/cache`;
  await using cache = await openFileDirectory(path);
  const part = createPart("value", 100);
  for (const name of ["unfinished", "values", "leases"]) {
    cache.values.putPart(part);
    Deno.removeSync(`${path}/${name}`, { recursive: true });
    cache.values.putPart(part);
    assertEquals(cache.values.load(part.digest)?.bytes, part.bytes);
    using lease = cache.leases.tryAcquire(toDigest(name));
    assert(lease !== undefined);
  }
  Deno.renameSync(path, `${path}.old`);
  assertThrows(() => cache.values.putPart(part), QuiverError, GONE);
  assertEquals([...Deno.readDirSync(directory.path)].map(({ name }) => name), ["cache.old"]);
});

Deno.test("openBagFiles() opens a bag whose log somebody replaces at that moment", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  const { callLog } = toLayout(path);
  {
    await using bag = await open(path);
    for (const name of ["a", "b", "c"]) put(bag, name);
  }
  for (const switched of [false, true]) {
    let replaced = false;
    const fileSystem: FileSystem = {
      ...UNSYNCED_DISK,
      open(name, options) {
        const file = UNSYNCED_DISK.open(name, options);
        if (name !== callLog || replaced) return file;
        replaced = true;
        // As a compaction does it.
        const { logGeneration, generation, ...manifest } = readManifest(toLayout(path));
        Deno.copyFileSync(callLog, `${callLog}.new`);
        Deno.renameSync(`${callLog}.new`, callLog);
        file.writeSync(new TextEncoder().encode('\n{"moved":true}\n'));
        const next = { generation: generation + 1, logGeneration: logGeneration + 1, ...manifest };
        if (switched) writeManifest(UNSYNCED_DISK, toLayout(path), next);
        return file;
      },
    };
    const environment = { ...ENVIRONMENT, fileSystem };
    await using bag = await openBagFiles(path, { fold: "manual" }, environment);
    assert(replaced);
    put(bag, "d");
    assertEquals(bag.calls.getLine(toDigest("a"))?.result, createPart("a", 100).digest);
    assertEquals(await findAnew(path, ["a", "b", "c", "d"]), ["a", "b", "c", "d"]);
  }
});
