// end-to-end: leases among handles and processes
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { DISK, type FileSystem } from "../../src/disk/file_system.ts";
import type { BagStorage } from "../../src/disk/disk_storage.ts";
import { openBagFiles } from "../../src/bag/open_bag.ts";
import { InlineFoldRunner } from "./_inline_fold_runner.ts";
import { listFiles, TemporaryDirectory } from "./_temporary_directory.ts";
import { createPart, toDigest } from "./_values.ts";
import { UNSYNCED_DISK } from "./_unsynced_disk.ts";

const KEY = toDigest("key");

function openBag(path: string): Promise<BagStorage> {
  return openBagFiles(path, { fold: "manual" });
}

Deno.test("BagStorage.tryLease() gives a key to one holder at a time", async () => {
  using directory = new TemporaryDirectory();
  await using first = await openBag(directory.path);
  await using second = await openBag(directory.path);
  {
    using lease = first.tryLease(KEY);
    assertEquals(lease?.key, KEY);
    assertEquals(second.tryLease(KEY), undefined);
    assertEquals(first.tryLease(KEY), undefined);
    using other = second.tryLease(toDigest("other"));
    assertEquals(other?.key, toDigest("other"));
  }
  using again = second.tryLease(KEY);
  assertEquals(again?.key, KEY);
});

Deno.test("LeaseLock leaves no file, and may be disposed twice", async () => {
  using directory = new TemporaryDirectory();
  await using bag = await openBag(directory.path);
  const lease = bag.tryLease(KEY);
  assertEquals(listFiles(`${directory.path}/leases`), [KEY]);
  lease?.[Symbol.dispose]();
  lease?.[Symbol.dispose]();
  assertEquals(listFiles(`${directory.path}/leases`), []);
});

Deno.test("BagStorage.tryLease() does not hold a file that was removed meanwhile", async () => {
  using directory = new TemporaryDirectory();
  await using first = await openBag(directory.path);
  await using second = await openBag(directory.path);
  using lease = first.tryLease(KEY);
  // As if the holder before had removed it between the opening and the locking.
  Deno.removeSync(`${directory.path}/leases/${KEY}`);
  using other = second.tryLease(KEY);
  assertEquals([lease?.key, other?.key], [KEY, KEY]);
});

function openOn(path: string, change: Partial<FileSystem>): Promise<BagStorage> {
  const environment = {
    fileSystem: { ...UNSYNCED_DISK, ...change },
    runner: new InlineFoldRunner(),
  };
  return openBagFiles(path, { fold: "manual" }, environment);
}

Deno.test("BagStorage.tryLease() works where files cannot have two names", async () => {
  using directory = new TemporaryDirectory();
  const link = () => {
    throw new Deno.errors.PermissionDenied("Operation not permitted (os error 1)");
  };
  await using first = await openOn(directory.path, { link });
  await using second = await openBag(directory.path);
  {
    using lease = first.tryLease(KEY);
    assertEquals(lease?.key, KEY);
    assertEquals([first.tryLease(KEY), second.tryLease(KEY)], [undefined, undefined]);
  }
  using again = second.tryLease(KEY);
  assertEquals(again?.key, KEY);
  assertEquals(first.tryLease(KEY), undefined);
});

Deno.test("LeaseLock that cannot remove its file leaves the key to the next holder", async () => {
  using directory = new TemporaryDirectory();
  const remove = (path: string) => {
    if (path.endsWith(KEY)) throw new Deno.errors.PermissionDenied("not now");
    DISK.remove(path);
  };
  await using first = await openOn(directory.path, { remove });
  await using second = await openBag(directory.path);
  const lease = first.tryLease(KEY);
  assertThrows(() => lease?.[Symbol.dispose](), Deno.errors.PermissionDenied, "not now");
  {
    using other = first.tryLease(toDigest("other"));
    assertEquals(other?.key, toDigest("other"));
    using next = second.tryLease(KEY);
    assertEquals(next?.key, KEY);
  }
  assertEquals(listFiles(`${directory.path}/leases`), []);
});

Deno.test("BagStorage.fold() removes what a killed holder left, and nothing of one that lives", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  await using bag = await openBag(path);
  bag.putValue(createPart("value", 10));
  using _lease = bag.tryLease(KEY);
  bag.tellWaits({ waits: [] });
  const living = [...listFiles(`${path}/leases`), ...listFiles(`${path}/locks`)];
  // Two names of one file without a lock, and a note without one.
  Deno.writeTextFileSync(`${path}/locks/lease-${crypto.randomUUID()}`, "");
  const left = `${path}/locks/waits-${crypto.randomUUID()}`;
  Deno.writeTextFileSync(left, "");
  Deno.linkSync(left, `${path}/leases/${toDigest("left")}`);
  await bag.fold();
  assertEquals([...listFiles(`${path}/leases`), ...listFiles(`${path}/locks`)], living);
});

Deno.test("BagStorage.close() leaves no file of its own", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  const leases: (Disposable | undefined)[] = [];
  {
    await using bag = await openBag(path);
    bag.tellWaits({ waits: [] });
    for (let n = 0; n < 40; n++) leases.push(bag.tryLease(toDigest(`${n}`)));
    for (const lease of leases.splice(1)) lease?.[Symbol.dispose]();
  }
  assertEquals(listFiles(`${path}/leases`), [toDigest("0")]);
  leases[0]?.[Symbol.dispose]();
  assertEquals(listFiles(`${path}/leases`), []);
  assertEquals(listFiles(`${path}/locks`), ["calls.lock", "fold.lock"]);
});

Deno.test("BagStorage.readWaits() gives the notes of the others as long as they live", async () => {
  using directory = new TemporaryDirectory();
  await using first = await openBag(directory.path);
  {
    await using second = await openBag(directory.path);
    second.tellWaits({ waits: ["a long one", "and another"] });
    assertEquals(first.readWaits(), [{ waits: ["a long one", "and another"] }]);
    second.tellWaits({ waits: ["short"] });
    assertEquals(first.readWaits(), [{ waits: ["short"] }]);
    assertEquals(second.readWaits(), []);
    second.tellWaits();
    assertEquals(first.readWaits(), []);
    second.tellWaits({ waits: ["again"] });
  }
  assertEquals(first.readWaits(), []);
});

Deno.test("BagStorage.readWaits() leaves out what a dead process told, and what is damaged", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  await using first = await openBag(path);
  await using second = await openBag(path);
  second.tellWaits({ waits: [1] });
  const [note = ""] = listFiles(`${path}/locks`).filter((name) => name.startsWith("waits-"));
  // As after kill -9: the same text, but nobody has its lock.
  Deno.copyFileSync(`${path}/locks/${note}`, `${path}/locks/waits-${crypto.randomUUID()}`);
  assertEquals(first.readWaits(), [{ waits: [1] }]);
  Deno.truncateSync(`${path}/locks/${note}`, 7);
  assertEquals(first.readWaits(), []);
});

Deno.test("BagStorage.tryLease() rejects what is no key", async () => {
  using directory = new TemporaryDirectory();
  await using bag = await openBag(directory.path);
  assertThrows(() => bag.tryLease("../bag.json"), TypeError, 'Cannot lease "../bag.json"');
});

Deno.test("BagStorage.leaseChanged() resolves when the lease is free", async () => {
  using directory = new TemporaryDirectory();
  await using first = await openBag(directory.path);
  await using second = await openBag(directory.path);
  const lease = first.tryLease(KEY);
  const changed = second.leaseChanged(KEY);
  lease?.[Symbol.dispose]();
  await changed;
  await second.leaseChanged(KEY);
});

Deno.test("BagStorage.leaseChanged() resolves when the log has a new record of the key", async () => {
  using directory = new TemporaryDirectory();
  await using first = await openBag(directory.path);
  await using second = await openBag(directory.path);
  using _lease = first.tryLease(KEY);
  const changed = second.leaseChanged(KEY);
  first.putCall(KEY, { n: 1 });
  await changed;
  assertEquals(second.getCall(KEY)?.n, 1);
});

Deno.test("BagStorage.leaseChanged() rejects with the reason of the signal", async () => {
  using directory = new TemporaryDirectory();
  await using bag = await openBag(directory.path);
  using _lease = bag.tryLease(KEY);
  const controller = new AbortController();
  const reason = new RangeError("enough");
  const changed = bag.leaseChanged(KEY, controller.signal);
  controller.abort(reason);
  assertEquals(await assertRejects(() => changed, RangeError), reason);
  assertEquals(
    await assertRejects(() => bag.leaseChanged(KEY, controller.signal), RangeError),
    reason,
  );
});

Deno.test("BagStorage.tryLease() takes over when the holder is killed", async () => {
  using directory = new TemporaryDirectory();
  await using bag = await openBag(directory.path);
  const script = new URL("./_child_leaser.ts", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-read", "--allow-write", script, directory.path, KEY],
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  assertEquals(bag.tryLease(KEY), undefined);
  const changed = bag.leaseChanged(KEY);
  child.kill("SIGKILL");
  await changed;
  await child.status;
  await reader.cancel();
  using lease = bag.tryLease(KEY);
  assertEquals(lease?.key, KEY);
});
