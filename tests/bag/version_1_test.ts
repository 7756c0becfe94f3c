// contract: bags that older versions have written are read, used and mended
import { assert, assertEquals, assertGreater, assertRejects } from "@std/assert";
import { backupBag } from "../../src/bag/backup/backup_bag.ts";
import { BagFormatError } from "../../src/base/errors.ts";
import type { DiskBag } from "../../src/bag/disk_bag.ts";
import { openBagFiles } from "../../src/bag/open_bag.ts";
import { digestKey, toKeyedCall } from "../../src/call/call_key.ts";
import { verifyStores } from "../../src/store/verify/verify_stores.ts";
import { digestValue } from "../../src/value/digest/digest_value.ts";
import { encodeValue } from "../../src/value/codec/encode_value.ts";
import { Tool } from "../tools.ts";
import { readBag } from "./_format_reader.ts";
import { FaultyFileSystem } from "./_faulty_file_system.ts";
import { InlineFoldRunner, loadHdf5Library } from "./_inline_fold_runner.ts";
import { TemporaryDirectory } from "./_temporary_directory.ts";
import { UNSYNCED_DISK } from "./_unsynced_disk.ts";

const PYTHON = Tool.find("python3");
const ENVIRONMENT = {
  fileSystem: UNSYNCED_DISK,
  runner: new InlineFoldRunner(),
  loadLibrary: loadHdf5Library,
};
/** A compacted bag of 20 calls, with 5 more in its journal and one of the 20 computed anew. */
const OLD = new URL("testdata/version_1", import.meta.url).pathname;
const COUNT = 25;
const PROFILE = { parameters: [{ name: "n" }], code: "c0de".repeat(16), countsArguments: false };
const ADDRESS = { module: "https://example.org/tasks.ts", name: "halve" };

function copyOld(path: string, old: string = OLD): void {
  const copy = (from: string, to: string) => {
    Deno.mkdirSync(to, { recursive: true });
    for (const { name, isDirectory } of Deno.readDirSync(from)) {
      if (isDirectory) copy(`${from}/${name}`, `${to}/${name}`);
      else Deno.writeFileSync(`${to}/${name}`, Deno.readFileSync(`${from}/${name}`));
    }
  };
  copy(old, path);
}

/** A call whose key is made by the rules of then. */
function toCall(n: number) {
  const identity = { address: ADDRESS, version: 1 };
  const call = toKeyedCall(identity, PROFILE, new Set(), [n]);
  return { ...call, key: digestKey(identity, call.args.map(({ digest }) => digest), 1) };
}

function toResult(n: number): unknown {
  if (n === 3) return 2.5;
  return n === 10 ? { n, halves: Float64Array.from({ length: 600 }, (_, i) => i * 5) } : n / 2;
}

function put(bag: DiskBag, n: number): void {
  const encoded = encodeValue(toResult(n));
  bag.values.put(encoded);
  bag.values.put(encodeValue(n));
  const { key, args } = toCall(n);
  const stored = args.map((argument) => ({ ...argument, value: argument.digest }));
  const times = { started: 1_800_000_000_000, duration: 1 };
  const about = { scheme: 1, module: ADDRESS.module, task: ADDRESS.name, version: 1 };
  const metadata = { tags: { set: "new" } };
  bag.calls.putLine(key, { ...about, args: stored, result: encoded.digest, ...times, metadata });
}

function checkHits(bag: DiskBag, count: number): void {
  for (let n = 0; n < count; n++) {
    const record = bag.calls.get(toCall(n).key);
    assert(record !== undefined, `the record of ${n} is there`);
    assertEquals([record.module, record.task, record.version], [ADDRESS.module, "halve", 1]);
    assertEquals(record.args[0]?.digest, digestValue(n));
    if (n < COUNT) assertEquals(record.started, 1_700_000_000_000.25 + n);
    const found = bag.values.get(record.result);
    assertEquals(found.hit && found.value, toResult(n));
  }
  assertEquals([...bag.calls.records()].length, count);
}

function readVersion(path: string): unknown {
  return JSON.parse(Deno.readTextFileSync(`${path}/bag.json`)).version;
}

Deno.test("a bag of version 1 is read as it is, and stays one", async () => {
  using directory = new TemporaryDirectory();
  const path = `${directory.path}/old`;
  copyOld(path);
  {
    await using bag = await openBagFiles(path, { mode: "read" }, ENVIRONMENT);
    checkHits(bag, COUNT);
  }
  assertEquals((await verifyStores(path, { digests: true })).sound, true);
  assertEquals(readVersion(path), 1);
});

Deno.test("a bag of version 1 takes new calls beside the old, and is of version 2 from then on", async () => {
  using directory = new TemporaryDirectory();
  const path = `${directory.path}/old`;
  copyOld(path);
  {
    await using bag = await openBagFiles(path, { fold: "manual" }, ENVIRONMENT);
    assertEquals(readVersion(path), 2);
    checkHits(bag, COUNT);
    for (let n = COUNT; n < 200; n++) put(bag, n);
    checkHits(bag, 200);
    await bag.fold();
    checkHits(bag, 200);
    for (let n = 200; n < 210; n++) put(bag, n);
  }
  assertEquals((await verifyStores(path, { digests: true })).sound, true);
  await using bag = await openBagFiles(path, { fold: "manual" }, ENVIRONMENT);
  checkHits(bag, 210);
  await bag.compact({ full: true });
  checkHits(bag, 210);
  const starts = Deno.readTextFileSync(`${path}/calls.jsonl`).match(/^\{"\w+"/gm) ?? [];
  assertEquals(new Set(starts), new Set(['{"key"', '{"head"', '{"call"']));
  await using reader = await openBagFiles(path, { mode: "read" }, ENVIRONMENT);
  checkHits(reader, 210);
});

Deno.test("a bag of version 1 is not written into beside a program that knows no other", async () => {
  using directory = new TemporaryDirectory();
  const path = `${directory.path}/old`;
  copyOld(path);
  {
    // As a writer has it that lives.
    using journal = Deno.openSync(`${path}/journal/00000000000000aa-1`, {
      write: true,
      createNew: true,
    });
    journal.lockSync(true);
    await assertRejects(
      () => openBagFiles(path, {}, ENVIRONMENT),
      BagFormatError,
      "a program with an older Quiver is writing into it",
    );
    assertEquals(readVersion(path), 1);
    await using bag = await openBagFiles(path, { mode: "read" }, ENVIRONMENT);
    checkHits(bag, COUNT);
  }
  await using bag = await openBagFiles(path, { fold: "manual" }, ENVIRONMENT);
  assertEquals(readVersion(path), 2);
  put(bag, COUNT);
  // Those that come beside it are of the same version.
  await using other = await openBagFiles(path, { fold: "manual" }, ENVIRONMENT);
  checkHits(other, COUNT + 1);
});

Deno.test("a repair of a bag of version 1 makes it one of version 2, and keeps all", async () => {
  for (const file of ["segments/000001.index", "calls.index", "manifest.json"]) {
    using directory = new TemporaryDirectory();
    const path = `${directory.path}/old`;
    copyOld(path);
    const content = Deno.readFileSync(`${path}/${file}`);
    const middle = content.length >> 1;
    Deno.writeFileSync(`${path}/${file}`, content.with(middle, (content[middle] ?? 0) ^ 1));
    const { sound, misses } = await verifyStores(path, { repair: true });
    assertEquals([sound, misses, readVersion(path)], [true, [], 2], file);
    await using bag = await openBagFiles(path, { mode: "read" }, ENVIRONMENT);
    checkHits(bag, COUNT);
  }
});

Deno.test({
  ...PYTHON.forTest(
    "FORMAT.md says how to read a bag of version 1, and one that goes on as version 2",
  ),
  async fn() {
    using directory = new TemporaryDirectory();
    const path = `${directory.path}/old`;
    copyOld(path);
    const old = readBag(path);
    assertEquals([old.records.length, old.indexed, old.skipped], [COUNT, 20, 0]);
    {
      await using bag = await openBagFiles(path, { fold: "manual" }, ENVIRONMENT);
      for (let n = COUNT; n < 400; n++) put(bag, n);
      await bag.fold();
    }
    const both = readBag(path);
    assertEquals([both.records.length, both.indexed, both.skipped], [400, 400, 0]);
    assertEquals([both.damaged, both.unreadable], [[], []]);
    for (const { record, key } of both.records) {
      assertEquals(key, record.key);
      assertEquals(both.values[record.result]?.exact, record.result);
    }
  },
});

Deno.test("a backup of a bag of version 1 is of version 2 before anything newer comes into it", async () => {
  using directory = new TemporaryDirectory();
  const [path, first] = [`${directory.path}/old`, `${directory.path}/first`];
  copyOld(path);
  await backupBag({ root: path, directory: first, writable: false }, ENVIRONMENT);
  assertEquals(readVersion(first), 1);
  {
    await using bag = await openBagFiles(path, { fold: "manual" }, ENVIRONMENT);
    put(bag, COUNT);
  }
  let newer = 0;
  let ended = false;
  for (let at = 0; !ended; at++) {
    const target = `${directory.path}/${at}`;
    copyOld(target, first);
    const fileSystem = new FaultyFileSystem("stop", at);
    const request = { root: path, directory: target, writable: false };
    const environment = { fileSystem, loadLibrary: loadHdf5Library };
    ended = await backupBag(request, environment).then(() => true, () => false);
    if (!Deno.readTextFileSync(`${target}/calls.jsonl`).includes('{"call"')) continue;
    newer++;
    assertEquals(readVersion(target), 2, `stopped at step ${at}`);
  }
  assertGreater(newer, 1);
});
