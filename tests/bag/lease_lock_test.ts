// end-to-end: leases among handles and processes
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { DISK, type FileSystem } from "../../src/disk/file_system.ts";
import type { DiskBag } from "../../src/bag/disk_bag.ts";
import { openBagFiles } from "../../src/bag/open_bag.ts";
import { InlineFoldRunner } from "./_inline_fold_runner.ts";
import { listFiles, TemporaryDirectory } from "./_temporary_directory.ts";
import { createPart, toDigest } from "./_values.ts";
import { UNSYNCED_DISK } from "./_unsynced_disk.ts";

const KEY = toDigest("key");

function openBag(path: string): Promise<DiskBag> {
  return openBagFiles(path, { fold: "manual" });
}

Deno.test("BagLeases.tryAcquire() gives a key to one holder at a time", async () => {
  using directory = new TemporaryDirectory();
  await using first = await openBag(directory.path);
  await using second = await openBag(directory.path);
  {
    using lease = first.leases.tryAcquire(KEY);
    assertEquals(lease?.key, KEY);
    assertEquals(second.leases.tryAcquire(KEY), undefined);
    assertEquals(first.leases.tryAcquire(KEY), undefined);
    using other = second.leases.tryAcquire(toDigest("other"));
    assertEquals(other?.key, toDigest("other"));
  }
  using again = second.leases.tryAcquire(KEY);
  assertEquals(again?.key, KEY);
});

Deno.test("BagLeases leave no file, and may be disposed twice", async () => {
  using directory = new TemporaryDirectory();
  await using bag = await openBag(directory.path);
  const lease = bag.leases.tryAcquire(KEY);
  assertEquals(listFiles(`${directory.path}/leases`), [KEY]);
  lease?.[Symbol.dispose]();
  lease?.[Symbol.dispose]();
  assertEquals(listFiles(`${directory.path}/leases`), []);
});

Deno.test("BagLeases.tryAcquire() does not hold a file that was removed meanwhile", async () => {
  using directory = new TemporaryDirectory();
  await using first = await openBag(directory.path);
  await using second = await openBag(directory.path);
  using lease = first.leases.tryAcquire(KEY);
  // As if the holder before had removed it between the opening and the locking.
  Deno.removeSync(`${directory.path}/leases/${KEY}`);
  using other = second.leases.tryAcquire(KEY);
  assertEquals([lease?.key, other?.key], [KEY, KEY]);
});

function openOn(path: string, change: Partial<FileSystem>): Promise<DiskBag> {
  const environment = {
    fileSystem: { ...UNSYNCED_DISK, ...change },
    runner: new InlineFoldRunner(),
  };
  return openBagFiles(path, { fold: "manual" }, environment);
}

Deno.test("BagLeases.tryAcquire() works where files cannot have two names", async () => {
  using directory = new TemporaryDirectory();
  const link = () => {
    throw new Deno.errors.PermissionDenied("Operation not permitted (os error 1)");
  };
  await using first = await openOn(directory.path, { link });
  await using second = await openBag(directory.path);
  {
    using lease = first.leases.tryAcquire(KEY);
    assertEquals(lease?.key, KEY);
    assertEquals([first.leases.tryAcquire(KEY), second.leases.tryAcquire(KEY)], [
      undefined,
      undefined,
    ]);
  }
  using again = second.leases.tryAcquire(KEY);
  assertEquals(again?.key, KEY);
  assertEquals(first.leases.tryAcquire(KEY), undefined);
});

Deno.test("BagLeases that cannot remove a file leaves the key to the next holder", async () => {
  using directory = new TemporaryDirectory();
  const remove = (path: string) => {
    if (path.endsWith(KEY)) throw new Deno.errors.PermissionDenied("not now");
    DISK.remove(path);
  };
  await using first = await openOn(directory.path, { remove });
  await using second = await openBag(directory.path);
  const lease = first.leases.tryAcquire(KEY);
  assertThrows(() => lease?.[Symbol.dispose](), Deno.errors.PermissionDenied, "not now");
  {
    using other = first.leases.tryAcquire(toDigest("other"));
    assertEquals(other?.key, toDigest("other"));
    using next = second.leases.tryAcquire(KEY);
    assertEquals(next?.key, KEY);
  }
  assertEquals(listFiles(`${directory.path}/leases`), []);
});

Deno.test("DiskBag.fold() removes what a killed holder left, and nothing of one that lives", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  await using bag = await openBag(path);
  bag.values.putPart(createPart("value", 10));
  using _lease = bag.leases.tryAcquire(KEY);
  bag.leases.board.write({ waits: [] });
  const living = [...listFiles(`${path}/leases`), ...listFiles(`${path}/locks`)];
  // Two names of one file without a lock, and a note without one.
  Deno.writeTextFileSync(`${path}/locks/lease-${crypto.randomUUID()}`, "");
  const left = `${path}/locks/waits-${crypto.randomUUID()}`;
  Deno.writeTextFileSync(left, "");
  Deno.linkSync(left, `${path}/leases/${toDigest("left")}`);
  await bag.fold();
  assertEquals([...listFiles(`${path}/leases`), ...listFiles(`${path}/locks`)], living);
});

Deno.test("DiskBag.close() leaves no file of its own", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  const leases: (Disposable | undefined)[] = [];
  {
    await using bag = await openBag(path);
    bag.leases.board.write({ waits: [] });
    for (let n = 0; n < 40; n++) leases.push(bag.leases.tryAcquire(toDigest(`${n}`)));
    for (const lease of leases.splice(1)) lease?.[Symbol.dispose]();
  }
  assertEquals(listFiles(`${path}/leases`), [toDigest("0")]);
  leases[0]?.[Symbol.dispose]();
  assertEquals(listFiles(`${path}/leases`), []);
  assertEquals(listFiles(`${path}/locks`), ["calls.lock", "fold.lock", "sweep.lock"]);
});

Deno.test("WaitNotes.read() gives the notes of the others as long as they live", async () => {
  using directory = new TemporaryDirectory();
  await using first = await openBag(directory.path);
  {
    await using second = await openBag(directory.path);
    second.leases.board.write({ waits: ["a long one", "and another"] });
    assertEquals(first.leases.board.read(), [{ waits: ["a long one", "and another"] }]);
    second.leases.board.write({ waits: ["short"] });
    assertEquals(first.leases.board.read(), [{ waits: ["short"] }]);
    assertEquals(second.leases.board.read(), []);
    second.leases.board.write();
    assertEquals(first.leases.board.read(), []);
    second.leases.board.write({ waits: ["again"] });
  }
  assertEquals(first.leases.board.read(), []);
});

Deno.test("WaitNotes.read() leaves out what a dead process told, and what is damaged", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  await using first = await openBag(path);
  await using second = await openBag(path);
  second.leases.board.write({ waits: [1] });
  const [note = ""] = listFiles(`${path}/locks`).filter((name) => name.startsWith("waits-"));
  // As after kill -9: the same text, but nobody has its lock.
  Deno.copyFileSync(`${path}/locks/${note}`, `${path}/locks/waits-${crypto.randomUUID()}`);
  assertEquals(first.leases.board.read(), [{ waits: [1] }]);
  Deno.truncateSync(`${path}/locks/${note}`, 7);
  assertEquals(first.leases.board.read(), []);
});

Deno.test("BagLeases.tryAcquire() rejects what is no key", async () => {
  using directory = new TemporaryDirectory();
  await using bag = await openBag(directory.path);
  assertThrows(() => bag.leases.tryAcquire("../bag.json"), TypeError, 'Cannot lease "../bag.json"');
});

Deno.test("BagLeases.changed() resolves when the lease is free", async () => {
  using directory = new TemporaryDirectory();
  await using first = await openBag(directory.path);
  await using second = await openBag(directory.path);
  const lease = first.leases.tryAcquire(KEY);
  const changed = second.leases.changed(KEY);
  lease?.[Symbol.dispose]();
  await changed;
  await second.leases.changed(KEY);
});

Deno.test("BagLeases.changed() resolves when the log has a new record of the key", async () => {
  using directory = new TemporaryDirectory();
  await using first = await openBag(directory.path);
  await using second = await openBag(directory.path);
  using _lease = first.leases.tryAcquire(KEY);
  const changed = second.leases.changed(KEY);
  first.calls.putLine(KEY, { n: 1 });
  await changed;
  assertEquals(second.calls.getLine(KEY)?.n, 1);
});

Deno.test("BagLeases.changed() rejects with the reason of the signal", async () => {
  using directory = new TemporaryDirectory();
  await using bag = await openBag(directory.path);
  using _lease = bag.leases.tryAcquire(KEY);
  const controller = new AbortController();
  const reason = new RangeError("enough");
  const changed = bag.leases.changed(KEY, controller.signal);
  controller.abort(reason);
  assertEquals(await assertRejects(() => changed, RangeError), reason);
  assertEquals(
    await assertRejects(() => bag.leases.changed(KEY, controller.signal), RangeError),
    reason,
  );
});

Deno.test("BagLeases.tryAcquire() takes over when the holder is killed", async () => {
  using directory = new TemporaryDirectory();
  await using bag = await openBag(directory.path);
  const script = new URL("./_child_leaser.ts", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-read", "--allow-write", script, directory.path, KEY],
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  assertEquals(bag.leases.tryAcquire(KEY), undefined);
  const changed = bag.leases.changed(KEY);
  child.kill("SIGKILL");
  await changed;
  await child.status;
  await reader.cancel();
  using lease = bag.leases.tryAcquire(KEY);
  assertEquals(lease?.key, KEY);
});
