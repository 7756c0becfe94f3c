// end-to-end: leases among handles and processes
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { BagFiles } from "../../src/bag/bag_files.ts";
import { openBagFiles } from "../../src/bag/open_bag_files.ts";
import { listFiles, TemporaryDirectory } from "./_temporary_directory.ts";
import { toDigest } from "./_values.ts";

const KEY = toDigest("key");

function openBag(path: string): Promise<BagFiles> {
  return openBagFiles(path, { fold: "manual" });
}

Deno.test("BagFiles.tryLease() gives a key to one holder at a time", async () => {
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

Deno.test("BagFiles.tryLease() does not hold a file that was removed meanwhile", async () => {
  using directory = new TemporaryDirectory();
  await using first = await openBag(directory.path);
  await using second = await openBag(directory.path);
  using lease = first.tryLease(KEY);
  // As if the holder before had removed it between the opening and the locking.
  Deno.removeSync(`${directory.path}/leases/${KEY}`);
  using other = second.tryLease(KEY);
  assertEquals([lease?.key, other?.key], [KEY, KEY]);
});

Deno.test("BagFiles.tryLease() rejects what is no key", async () => {
  using directory = new TemporaryDirectory();
  await using bag = await openBag(directory.path);
  assertThrows(() => bag.tryLease("../bag.json"), TypeError, 'Cannot lease "../bag.json"');
});

Deno.test("BagFiles.leaseChanged() resolves when the lease is free", async () => {
  using directory = new TemporaryDirectory();
  await using first = await openBag(directory.path);
  await using second = await openBag(directory.path);
  const lease = first.tryLease(KEY);
  const changed = second.leaseChanged(KEY);
  lease?.[Symbol.dispose]();
  await changed;
  await second.leaseChanged(KEY);
});

Deno.test("BagFiles.leaseChanged() resolves when the log has a new record of the key", async () => {
  using directory = new TemporaryDirectory();
  await using first = await openBag(directory.path);
  await using second = await openBag(directory.path);
  using _lease = first.tryLease(KEY);
  const changed = second.leaseChanged(KEY);
  first.putCall(KEY, { n: 1 });
  await changed;
  assertEquals(second.getCall(KEY)?.n, 1);
});

Deno.test("BagFiles.leaseChanged() rejects with the reason of the signal", async () => {
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

Deno.test("BagFiles.tryLease() takes over when the holder is killed", async () => {
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
