// end-to-end: the call log
import { assertEquals, assertGreater, assertThrows } from "@std/assert";
import { QuiverError } from "../../src/base/errors.ts";
import { CacheGuard, guardBag } from "../../src/disk/disk_storage.ts";
import { DISK } from "../../src/disk/file_system.ts";
import { CallTable } from "../../src/bag/log/call_table.ts";
import { sealCalls } from "../../src/bag/fold/index_log.ts";
import { CallLog, type CallLogOptions } from "../../src/bag/log/call_log.ts";
import { toLayout } from "../../src/disk/layout.ts";
import { createBag } from "../../src/bag/bag_json.ts";
import { openBagFiles } from "../../src/bag/open_bag.ts";
import { InlineFoldRunner } from "./_inline_fold_runner.ts";
import { TemporaryDirectory } from "./_temporary_directory.ts";
import { toDigest } from "./_values.ts";
import { UNSYNCED_DISK } from "./_unsynced_disk.ts";

const ENVIRONMENT = { fileSystem: UNSYNCED_DISK, runner: new InlineFoldRunner() };
const [A, B, C] = [toDigest("a"), toDigest("b"), toDigest("c")] as const;

/** Makes a bag without lines, and what its log needs to know. */
function createLogOptions({ path }: TemporaryDirectory): CallLogOptions {
  const layout = toLayout(path);
  createBag(DISK, layout);
  return { fileSystem: DISK, layout, guard: guardBag(layout, "readwrite"), sync: false };
}

function openBag(path: string) {
  return openBagFiles(path, { fold: "manual" }, ENVIRONMENT);
}

function hasCallTable(path: string): boolean {
  using log = Deno.openSync(`${path}/calls.jsonl`);
  using table = CallTable.open(toLayout(path), log, 1);
  return table !== undefined;
}

Deno.test("CallLog.getLine() gives the newest record of a key", async () => {
  using directory = new TemporaryDirectory();
  await using bag = await openBag(directory.path);
  bag.calls.putLine(A, { n: 1 });
  bag.calls.putLine(B, { key: B, n: 2 });
  bag.calls.putLine(A, { n: 3, text: '"\\\n\u2028\ud800', crc: "mine", key: "not this" });
  assertEquals(bag.calls.getLine(A), { key: A, n: 3, text: '"\\\n\u2028\ud800', crc: "mine" });
  assertEquals(bag.calls.getLine(B), { key: B, n: 2 });
  assertEquals(bag.calls.getLine(C), undefined);
});

Deno.test("CallLog.putLine() writes lines that any JSON reader reads", async () => {
  using directory = new TemporaryDirectory();
  await using bag = await openBag(directory.path);
  bag.calls.putLine(A, {});
  bag.calls.putLine(B, { nested: { list: [1, null] } });
  bag.calls.delete(A);
  const lines = Deno.readTextFileSync(`${directory.path}/calls.jsonl`).split("\n")
    .filter((line) => line !== "");
  const records = lines.map((line): unknown => JSON.parse(line));
  assertEquals(
    records.map((record) => Object.keys(record as Record<string, unknown>)),
    [["key", "crc"], ["key", "nested", "crc"], ["evict", "crc"]],
  );
});

Deno.test("CallLog.delete() forgets a key, and tells whether it was known", async () => {
  using directory = new TemporaryDirectory();
  await using bag = await openBag(directory.path);
  await using other = await openBag(directory.path);
  assertEquals(bag.calls.delete(A), false);
  bag.calls.putLine(A, { n: 1 });
  assertEquals(other.calls.getLine(A)?.n, 1);
  assertEquals(bag.calls.delete(A), true);
  assertEquals(bag.calls.delete(A), false);
  assertEquals([bag.calls.getLine(A), other.calls.getLine(A)], [undefined, undefined]);
  other.calls.putLine(A, { n: 2 });
  assertEquals([bag.calls.getLine(A)?.n, other.calls.getLine(A)?.n], [2, 2]);
});

Deno.test("CallLog.lines() gives each key once, in the order of the log", async () => {
  using directory = new TemporaryDirectory();
  await using bag = await openBag(directory.path);
  bag.calls.putLine(A, { n: 1 });
  bag.calls.putLine(B, { n: 2 });
  bag.calls.putLine(C, { n: 3 });
  bag.calls.putLine(A, { n: 4 });
  bag.calls.delete(B);
  assertEquals([...bag.calls.lines()].map((record) => record.n), [3, 4]);
  const calls = bag.calls.lines();
  assertEquals([...calls].length, 2);
});

Deno.test("CallLog.getLine() finds records before and behind calls.index", async () => {
  using directory = new TemporaryDirectory();
  const count = 500;
  const keys = Array.from({ length: count }, (_, n) => toDigest(`${n}`));
  await using other = await openBag(directory.path);
  {
    await using bag = await openBag(directory.path);
    keys.forEach((key, n) => bag.calls.putLine(key, { n, text: "x".repeat(200) }));
    assertEquals(hasCallTable(directory.path), false);
    await bag.fold();
    assertEquals(hasCallTable(directory.path), true);
    bag.calls.putLine(A, { n: -1 });
    bag.calls.delete(keys[7] ?? "");
    bag.calls.putLine(keys[8] ?? "", { n: 1000 });
  }
  await using bag = await openBag(directory.path);
  for (const handle of [bag, other]) {
    const found = keys.map((key) => handle.calls.getLine(key)?.n);
    const expected = keys.map((_, n) => n === 7 ? undefined : n === 8 ? 1000 : n);
    assertEquals(found, expected);
    assertEquals(handle.calls.getLine(A)?.n, -1);
    const order = [...expected.filter((n) => n !== undefined && n !== 1000), -1, 1000];
    assertEquals([...handle.calls.lines()].map((record) => record.n), order);
  }
});

Deno.test("DiskBag.fold() seals the tail of the log into calls.index again and again", async () => {
  using directory = new TemporaryDirectory();
  await using bag = await openBag(directory.path);
  for (let round = 0; round < 4; round++) {
    for (let n = 0; n < 400; n++) {
      bag.calls.putLine(toDigest(`${n}`), { round, text: "x".repeat(200) });
    }
    bag.calls.delete(toDigest("3"));
    await bag.fold();
    assertEquals(bag.calls.getLine(toDigest("3")), undefined);
    assertEquals([...bag.calls.lines()].length, 399);
    assertEquals(bag.calls.getLine(toDigest("399"))?.round, round);
  }
});

Deno.test("openBagFiles() does not need calls.index", async () => {
  using directory = new TemporaryDirectory();
  {
    await using bag = await openBag(directory.path);
    for (let n = 0; n < 400; n++) bag.calls.putLine(toDigest(`${n}`), { n, text: "x".repeat(200) });
    await bag.fold();
  }
  const path = `${directory.path}/calls.index`;
  const original = Deno.readFileSync(path);
  const flipped = original.slice();
  flipped[100] = (flipped[100] ?? 0) ^ 1;
  for (const content of [new Uint8Array(0), flipped, original.subarray(0, 1000)]) {
    Deno.writeFileSync(path, content);
    await using bag = await openBag(directory.path);
    for (let n = 0; n < 400; n += 9) assertEquals(bag.calls.getLine(toDigest(`${n}`))?.n, n);
  }
  // A table of another log is none of this log.
  Deno.writeFileSync(path, original);
  Deno.writeTextFileSync(`${directory.path}/calls.jsonl`, "");
  await using bag = await openBag(directory.path);
  assertEquals([...bag.calls.lines()], []);
});

Deno.test("CallLog skips and counts lines that are torn or foreign", () => {
  using directory = new TemporaryDirectory();
  const options = createLogOptions(directory);
  const { layout } = options;
  {
    using log = new CallLog(options, 1);
    log.putLine(A, { n: 1 });
  }
  const record = Deno.readTextFileSync(layout.callLog);
  const torn = record.trim().slice(0, -5).replace('"n":1', '"n":2');
  Deno.writeTextFileSync(layout.callLog, `\n{"foreign":true}\nhello\n\n\n${torn}`, {
    append: true,
  });
  using log = new CallLog(options, 1);
  assertEquals(log.getLine(A)?.n, 1);
  // The torn line may still be completed by its writer.
  assertEquals(log.skipped, 2);
  log.putLine(B, { n: 3 });
  assertEquals([log.getLine(A)?.n, log.getLine(B)?.n, log.skipped], [1, 3, 3]);
});

Deno.test("CallLog takes a line only when its line feed is there", () => {
  using directory = new TemporaryDirectory();
  const options = createLogOptions(directory);
  const { layout } = options;
  using log = new CallLog(options, 1);
  log.putLine(A, { n: 1 });
  const bytes = Deno.readFileSync(layout.callLog);
  Deno.truncateSync(layout.callLog, bytes.length - 1);
  assertEquals(log.getLine(A), undefined);
  Deno.writeTextFileSync(layout.callLog, "\n", { append: true });
  assertEquals(log.getLine(A)?.n, 1);
});

Deno.test("CallLog reads lines that are longer than its buffer", () => {
  using directory = new TemporaryDirectory();
  const options = createLogOptions(directory);
  using log = new CallLog(options, 1);
  using other = new CallLog(options, 1);
  const text = "long ".repeat(300_000);
  log.putLine(A, { n: 1 });
  log.putLine(B, { text });
  log.putLine(C, { n: 3 });
  assertEquals([other.getLine(A)?.n, other.getLine(B)?.text === text, other.getLine(C)?.n], [
    1,
    true,
    3,
  ]);
});

Deno.test("CallLog follows a log that was replaced by a compaction", () => {
  using directory = new TemporaryDirectory();
  const options = createLogOptions(directory);
  const { layout } = options;
  using log = new CallLog(options, 1);
  log.putLine(A, { n: 1 });
  log.putLine(B, { n: 2 });
  const compacted = { ...layout, callLog: `${layout.callLog}.tmp` };
  {
    using next = new CallLog({ ...options, layout: compacted }, 2);
    next.putLine(B, { n: 2 });
    next.putLine(C, { n: 3 });
  }
  Deno.renameSync(compacted.callLog, layout.callLog);
  // What is not known any more shows that the file is another one.
  assertEquals(log.getLine(C)?.n, 3);
  assertEquals(log.getLine(A), undefined);
  log.putLine(A, { n: 4 });
  using other = new CallLog(options, 2);
  assertEquals([...other.lines()].map((record) => record.n), [2, 3, 4]);
});

Deno.test("CallLog takes the tables of others though it finds all it looks for", () => {
  using directory = new TemporaryDirectory();
  const layout = toLayout(directory.path);
  createBag(DISK, layout);
  let looks = 0;
  const options = {
    fileSystem: DISK,
    layout,
    guard: new CacheGuard("the bag", "readwrite", layout.bagJson),
    sync: false,
  };
  using writer = new CallLog(options, 1);
  using reader = new CallLog({ ...options, onLongTail: () => void looks++ }, 1);
  const text = "x".repeat(1000);
  const write = (from: number, to: number) => {
    for (let n = from; n < to; n++) {
      writer.putLine(toDigest(`${n}`), { n, text });
      assertEquals(reader.getLine(toDigest(`${n}`))?.n, n);
    }
  };
  write(0, 400);
  assertEquals([reader.tailLong, writer.tailLong], [true, true]);
  sealCalls(DISK, layout, 1);
  write(400, 440);
  // Nobody has told them, and nothing was missing.
  assertEquals([reader.tailLong, writer.tailLong], [false, false]);
  assertGreater(10, looks);
  for (let n = 0; n < 440; n++) assertEquals(reader.getLine(toDigest(`${n}`))?.n, n);
  assertEquals([...writer.lines()].length, 440);
});

Deno.test("CallLog writes to the new log after a compaction", () => {
  using directory = new TemporaryDirectory();
  const options = createLogOptions(directory);
  const { layout } = options;
  using log = new CallLog(options, 1);
  log.putLine(A, { n: 1 });
  Deno.renameSync(layout.callLog, `${layout.callLog}.old`);
  Deno.removeSync(`${layout.callLog}.old`);
  log.putLine(B, { n: 2 });
  using other = new CallLog(options, 1);
  assertEquals([...other.lines()].map((record) => record.n), [2]);
});

Deno.test("CallLog.putLine() throws when it is read-only", () => {
  using directory = new TemporaryDirectory();
  const layout = toLayout(directory.path);
  using log = new CallLog({
    fileSystem: DISK,
    layout,
    guard: new CacheGuard("the bag", "read", layout.bagJson),
    sync: false,
  }, 1);
  assertThrows(() => log.putLine(A, {}), QuiverError, 'mode: "read"');
  assertEquals([log.getLine(A), [...log.lines()]], [undefined, []]);
});
