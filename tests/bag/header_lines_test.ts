// end-to-end: what the records of a task have in common stands in header lines
import { assert, assertEquals, assertGreater } from "@std/assert";
import fc from "fast-check";
import type { DiskBag } from "../../src/bag/disk_bag.ts";
import {
  decodeHeader,
  decodeRecord,
  encodeHeader,
  RecordEncoder,
} from "../../src/bag/log/call_line.ts";
import { openBagFiles } from "../../src/bag/open_bag.ts";
import type { CallRecord } from "../../src/call/call_record.ts";
import { RecordSigner } from "../../src/store/signed/record_signer.ts";
import { InlineFoldRunner } from "./_inline_fold_runner.ts";
import { toShortDigest } from "./_short_digest.ts";
import { TemporaryDirectory } from "./_temporary_directory.ts";
import { UNSYNCED_DISK } from "./_unsynced_disk.ts";
import { toDigest } from "./_values.ts";

const ENVIRONMENT = { fileSystem: UNSYNCED_DISK, runner: new InlineFoldRunner() };

function openBag(path: string): Promise<DiskBag> {
  return openBagFiles(path, { fold: "manual" }, ENVIRONMENT);
}

function openReader(path: string): Promise<DiskBag> {
  return openBagFiles(path, { mode: "read" }, ENVIRONMENT);
}

function createRecord(n: number, others: Partial<CallRecord> = {}): CallRecord {
  const argument = toDigest(`argument ${n}`);
  return {
    key: toDigest(`key ${n}`),
    scheme: 1,
    module: "file:///home/somebody/projects/simulation/src/tasks.ts",
    task: "simulate",
    code: toDigest("code"),
    args: [{ name: "n", position: 0, digest: argument, value: argument }],
    result: toDigest(`result ${n}`),
    started: 1_700_000_000_000.25 + n,
    duration: 0.125,
    metadata: { tags: {} },
    ...others,
  };
}

function createRecords(count: number): CallRecord[] {
  return Array.from({ length: count }, (_, n) => createRecord(n));
}

function putAll(bag: DiskBag, records: Iterable<CallRecord>): void {
  for (const record of records) bag.calls.put(record);
}

/** The lines of a log that are no blank ones, and where they begin. */
function readLines(path: string): { readonly at: number; readonly text: string }[] {
  let at = 0;
  return Deno.readTextFileSync(`${path}/calls.jsonl`).split("\n").flatMap((text) => {
    const line = { at, text };
    at += text.length + 1;
    return text === "" ? [] : [line];
  });
}

function listHeaders(path: string) {
  return readLines(path).filter(({ text }) => text.startsWith('{"head":'));
}

function flip(path: string, at: number): void {
  using log = Deno.openSync(`${path}/calls.jsonl`, { read: true, write: true });
  const byte = new Uint8Array(1);
  log.seekSync(at, Deno.SeekMode.Start);
  log.readSync(byte);
  log.seekSync(at, Deno.SeekMode.Start);
  log.writeSync(Uint8Array.of((byte[0] ?? 0) ^ 1));
}

/** Compares what a handle that has seen nothing yet reads, in both ways. */
async function checkAll(path: string, records: readonly CallRecord[], what = ""): Promise<void> {
  await using bag = await openReader(path);
  const found = records.map(({ key }): unknown => bag.calls.getLine(key));
  assertEquals(found, [...records], what);
  const damaged: string[] = [];
  const all = Array.from(bag.calls.lines((where) => damaged.push(where)), ({ key }) => key);
  assertEquals(new Set(all), new Set(records.map(({ key }) => key)), what);
}

const HEX = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => bytes.toHex());
const RARELY = fc.oneof({ arbitrary: fc.constant(undefined), weight: 20 }, fc.jsonValue());
const ARGUMENT = fc.oneof(
  fc.tuple(fc.string(), HEX).map(([name, digest]) => ({ name, digest })),
  fc.tuple(fc.string(), fc.nat(), HEX).map(([name, position, digest]) => ({
    name,
    position,
    digest,
    value: digest,
  })),
  fc.record({ name: fc.string(), position: fc.nat(), digest: HEX, value: HEX }),
);
const FOREIGN = fc.oneof(
  fc.record({ name: fc.string(), digest: HEX, other: fc.jsonValue() }),
  fc.record({ name: fc.jsonValue(), digest: fc.string() }),
  fc.constant(null),
);
const FIELDS = fc.record({
  scheme: fc.jsonValue(),
  module: fc.string({ unit: "binary" }),
  task: fc.constantFrom("f", "g", "\ud800"),
  version: fc.jsonValue(),
  code: HEX,
  parts: fc.option(fc.array(fc.string()), { nil: undefined }),
  reads: fc.constantFrom(undefined, [], [{ kind: "file", name: "a" }], null),
  ignored: fc.array(fc.oneof(fc.nat(), fc.constant("...2"))),
  args: fc.oneof(
    { arbitrary: fc.array(ARGUMENT), weight: 8 },
    fc.array(fc.oneof(ARGUMENT, FOREIGN)),
    fc.jsonValue(),
  ),
  metadata: fc.oneof(fc.constant({ tags: {} }), fc.jsonValue()),
  result: fc.oneof({ arbitrary: HEX, weight: 5 }, HEX.map((hex) => hex.toUpperCase()), fc.string()),
  started: fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => n + 0),
  head: RARELY,
  call: RARELY,
  crc: fc.jsonValue(),
  other: fc.jsonValue(),
}, { requiredKeys: ["args", "result", "metadata"], noNullPrototype: true });

Deno.test("RecordEncoder.encode() loses nothing of any record, whatever came before it", () => {
  let short = 0;
  fc.assert(fc.property(fc.array(fc.tuple(HEX, FIELDS), { minLength: 1 }), (records) => {
    const encoder = new RecordEncoder();
    for (const [key, fields] of records) {
      const { line, header } = encoder.encode(key, fields);
      if (header !== undefined) short++;
      const read = header && decodeHeader(encodeHeader(header).subarray(1, -1));
      assertEquals(read?.name, header?.name);
      const found = decodeRecord(line.subarray(1, -1), () => read?.header);
      assertEquals(found, JSON.parse(JSON.stringify({ ...fields, key })));
    }
  }));
  assertGreater(short, 100);
});

Deno.test("CallLog.put() takes less than half of the bytes of a record that says all", async () => {
  using directory = new TemporaryDirectory();
  const records = createRecords(1000);
  {
    await using bag = await openBag(directory.path);
    putAll(bag, records);
  }
  const { size } = Deno.statSync(`${directory.path}/calls.jsonl`);
  const long = records.reduce((sum, record) => sum + JSON.stringify(record).length + 20, 0);
  assertGreater(long / 2, size);
  assertGreater(270 * records.length, size);
  await checkAll(directory.path, records);
});

Deno.test("CallLog.put() writes metadata once that come again, and others with their record", async () => {
  using directory = new TemporaryDirectory();
  const records = Array.from({ length: 400 }, (_, n) =>
    createRecord(n, {
      metadata: n < 200
        ? { tags: { set: "first" } }
        : n < 300
        ? { tags: { n } }
        : { tags: { set: 2 } },
    }));
  await using bag = await openBag(directory.path);
  putAll(bag, records);
  await checkAll(directory.path, records);
  const names = new Set(listHeaders(directory.path).map(({ text }) => text.slice(9, 25)));
  assertEquals(names.size, 2);
  const own = readLines(directory.path).filter(({ text }) =>
    text.startsWith('{"call":') && text.includes('"metadata":')
  );
  assertEquals(own.length, 101);
});

Deno.test("what a task consists of and reads stands in its header", async () => {
  using directory = new TemporaryDirectory();
  const parts = Array.from({ length: 20 }, (_, i) => `module_${i}.ts f 0123abcd`);
  const records = Array.from({ length: 60 }, (_, n) => {
    const digest = toDigest(`file ${n >> 5}`);
    return createRecord(n, { parts, reads: [{ kind: "file", name: "a.txt", digest }] });
  });
  await using bag = await openBag(directory.path);
  putAll(bag, records);
  await checkAll(directory.path, records);
  const headers = listHeaders(directory.path);
  assertEquals(new Set(headers.map(({ text }) => text.slice(9, 25))).size, 2);
  const rest = readLines(directory.path).filter(({ text }) => text.startsWith('{"call":'));
  assertGreater(300, Math.max(...rest.map(({ text }) => text.length)));
});

Deno.test("calls of one task with more and fewer arguments have a header for each number", async () => {
  using directory = new TemporaryDirectory();
  const records = Array.from({ length: 200 }, (_, n) =>
    createRecord(n, {
      args: Array.from({ length: n % 5 }, (_, i) => {
        const digest = toDigest(`${n} ${i}`);
        // The last one is not stored, and the first under another digest.
        if (i === 4) return { name: `rest[${i}]`, position: i, digest };
        return { name: "n", position: i, digest, value: i === 0 ? toDigest("first") : digest };
      }),
    }));
  await using bag = await openBag(directory.path);
  putAll(bag, records);
  await checkAll(directory.path, records);
  const headers = listHeaders(directory.path);
  assertEquals(new Set(headers.map(({ text }) => text.slice(9, 25))).size, 5);
  assertGreater(5 * 5, headers.length);
});

Deno.test("a damaged header costs no call, with a table and without", async () => {
  for (const count of [2, 40, 700]) {
    using directory = new TemporaryDirectory();
    const { path } = directory;
    const records = createRecords(count);
    for (const sealed of [false, true]) {
      await using bag = await openBag(path);
      if (sealed) await bag.fold();
      else putAll(bag, records);
      const headers = listHeaders(path);
      assertGreater(headers.length, 1);
      for (const [i, { at }] of headers.entries()) {
        flip(path, at + 40);
        await checkAll(path, records, `header ${i} of ${headers.length} of ${count} calls`);
        flip(path, at + 40);
      }
    }
  }
});

Deno.test("a block of zeros in a log costs the records in it, and at most those of a block more", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  const records = createRecords(700);
  {
    await using bag = await openBag(path);
    putAll(bag, records);
  }
  const content = Deno.readFileSync(`${path}/calls.jsonl`);
  const lines = readLines(path);
  for (let block = 0; block < content.length; block += 4096) {
    const damaged = content.slice();
    damaged.fill(0, block, block + 4096);
    Deno.writeFileSync(`${path}/calls.jsonl`, damaged);
    const hit = lines.filter(({ at, text }) => at < block + 4096 && at + text.length > block);
    const lost = new Set(hit.map(({ text }) => text.slice(9, 52)));
    const rest = records.filter(({ key }) => !lost.has(toShortDigest(key)));
    assertGreater(rest.length, records.length - 20);
    await checkAll(path, rest, `block at ${block}`);
  }
});

Deno.test("headers stand in a log every 64 KiB, whoever writes", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  const records = createRecords(1500);
  await using one = await openBag(path);
  await using other = await openBag(path);
  for (const [i, record] of records.entries()) (i % 3 === 0 ? one : other).calls.put(record);
  const headers = listHeaders(path);
  const { size } = Deno.statSync(`${path}/calls.jsonl`);
  const ends = [...headers.map(({ at }) => at), size];
  const gaps = ends.map((end, i) => end - (ends[i - 1] ?? 0));
  assertGreater(66_000, Math.max(...gaps));
  // Of each of the two handles: two at once, two soon after, and then rarely.
  assertGreater(2 * (4 + size / 65_536 + 1), headers.length);
  await checkAll(path, records);
});

Deno.test("programs that put one call each repeat no header that is there", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  const records = createRecords(40);
  for (const record of records) {
    await using bag = await openBag(path);
    putAll(bag, [record]);
  }
  assertEquals(listHeaders(path).length, 3);
  await checkAll(path, records);
});

Deno.test("a handle reads records whose headers others have written, across compactions", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  await using writer = await openBag(path);
  await using other = await openBag(path);
  await using reader = await openReader(path);
  const records = createRecords(30);
  for (const [i, record] of records.entries()) {
    putAll(i % 2 === 0 ? writer : other, [record]);
    assertEquals(reader.calls.getLine(record.key) as unknown, record);
    // From here on, the headers that writers have seen are those of another file.
    if (i % 7 === 6) await writer.compact({ full: true });
  }
  await checkAll(path, records);
});

Deno.test("DiskBag.compact() keeps the headers of what is kept, and no others", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  await using bag = await openBag(path);
  const others = [0, 1, 2].map((n) => createRecord(1000 + n, { task: "other" }));
  const records = createRecords(500);
  putAll(bag, [...others, ...records]);
  for (const { key } of others) bag.calls.delete(key);
  await bag.compact({ full: true });
  await checkAll(path, records);
  const names = () => new Set(listHeaders(path).map(({ text }) => text.slice(9, 25))).size;
  assertEquals(names(), 1);
  // Whoever goes on after that writes what is missing again.
  putAll(bag, others);
  assertEquals(names(), 2);
  await checkAll(path, [...records, ...others]);
  for (const { key } of [...records, ...others]) bag.calls.delete(key);
  await bag.compact({ full: true });
  assertEquals(Deno.statSync(`${path}/calls.jsonl`).size, 0);
});

Deno.test("DiskBag.compact() keeps headers that only what is appended meanwhile needs", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  await using bag = await openBag(path);
  const [dead, late] = [createRecord(0, { task: "other" }), createRecord(1, { task: "other" })];
  assert(dead !== undefined && late !== undefined);
  putAll(bag, [dead, dead]);
  bag.calls.delete(dead.key);
  let done = false;
  const fileSystem = {
    ...UNSYNCED_DISK,
    open(path: string, options: Deno.OpenOptions) {
      // The lines of the log were read: what comes now is copied as it is.
      if (!done && path.includes("calls.jsonl") && path.endsWith(".tmp")) {
        done = true;
        putAll(bag, [late]);
      }
      return UNSYNCED_DISK.open(path, options);
    },
  };
  const headers = listHeaders(path).length;
  {
    const environment = { fileSystem, runner: new InlineFoldRunner(fileSystem) };
    await using other = await openBagFiles(path, { fold: "manual" }, environment);
    await other.compact({ full: true });
  }
  assertEquals([done, headers, listHeaders(path).length], [true, 2, 1]);
  await checkAll(path, [late]);
});

Deno.test("a header that has another name than its content is none", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  const encoder = new RecordEncoder();
  const [mine, other] = [createRecord(0), createRecord(1, { task: "other" })].map((record) =>
    encoder.encode(record.key, { ...record })
  );
  assert(mine?.header !== undefined && other?.header !== undefined);
  const forged = encodeHeader({ ...other.header, name: mine.header.name });
  await using bag = await openBag(path);
  for (const bytes of [forged, mine.line]) {
    Deno.writeFileSync(`${path}/calls.jsonl`, bytes, { append: true });
  }
  assertEquals(bag.calls.getLine(createRecord(0).key), undefined);
  Deno.writeFileSync(`${path}/calls.jsonl`, encodeHeader(mine.header), { append: true });
  assertEquals(bag.calls.getLine(createRecord(0).key) as unknown, createRecord(0));
});

Deno.test("signatures are those of whole records: old ones stay good in short lines", async () => {
  using directory = new TemporaryDirectory();
  const signer = new RecordSigner(["a key that is long enough"]);
  const records = createRecords(3).map((record) => signer.sign(record));
  await using bag = await openBag(directory.path);
  putAll(bag, records);
  for (const { key } of records) {
    const found = bag.calls.get(key);
    assert(found !== undefined && signer.verify(found));
  }
  assertEquals(
    readLines(directory.path).filter(({ text }) => text.startsWith('{"call":')).length,
    3,
  );
});
