// Contract: what an open bag reads and keeps does not grow with what is in it. Counted, not timed;
// `deno task scale` times the same with a million calls.
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { BagOptions } from "../../src/disk/disk_storage.ts";
import { CallTable } from "../../src/bag/log/call_table.ts";
import { DigestRows } from "../../src/bag/table/digest_rows.ts";
import {
  DigestTable,
  encodeTable,
  PURPOSE,
  type TableRow,
} from "../../src/bag/table/digest_table.ts";
import { toLayout } from "../../src/disk/layout.ts";
import { countKept, MOST_VALUES } from "../../src/bag/fold/merge.ts";
import { openBagFiles } from "../../src/bag/open_bag.ts";
import { SegmentDirectory } from "../../src/bag/segment/sealed_values.ts";
import { InlineFoldRunner } from "./_inline_fold_runner.ts";
import { fillBag, isHit, toKey } from "./_large_bag.ts";
import { ReadCounter } from "./_read_counter.ts";
import { TemporaryDirectory } from "./_temporary_directory.ts";
import { toDigest } from "./_values.ts";
import { UNSYNCED_DISK } from "./_unsynced_disk.ts";

const ENVIRONMENT = { fileSystem: UNSYNCED_DISK, runner: new InlineFoldRunner() };

/** As many calls as need tables that are too large to stay in memory. */
const MANY = 33_000;
const ROW_BYTES = 64;

function openBag(path: string, options: BagOptions = { fold: "manual" }) {
  return openBagFiles(path, options, ENVIRONMENT);
}

function createRow(digest: string, n: number): TableRow {
  return { digest, offset: n * 1e9, length: n, kind: n % 7, crc: n, location: n % 2 };
}

Deno.test("openBagFiles() reads the tables of a large bag once, and a hit four places", async () => {
  using directory = new TemporaryDirectory();
  {
    await using bag = await openBag(directory.path);
    fillBag(bag, MANY);
    await bag.fold();
  }
  using counter = new ReadCounter();
  await using bag = await openBag(directory.path, { mode: "read" });
  const { reads, bytes } = counter.take();
  const tables = 2 * MANY * ROW_BYTES;
  assert(bytes >= tables && bytes < tables + 64 * 1024, `${bytes} bytes were read at open`);
  assert(reads < 32, `${reads} reads at open`);
  for (const n of [0, 1234, MANY - 1]) {
    assert(isHit(bag, n));
    // A row and a line of the log, a row and the payload of the value.
    const cold = counter.take();
    assertEquals(cold.reads, 4, `reads of the first hit of ${n}`);
    assert(cold.bytes < 1024, `${cold.bytes} bytes were read for a hit`);
    assert(isHit(bag, n));
    assertEquals(counter.take().reads, 0, `reads of the second hit of ${n}`);
  }
  assertEquals(bag.calls.getLine(toDigest("unknown")), undefined);
  assertEquals(counter.take().bytes, 0);
});

Deno.test("openBagFiles() reads nothing of the values", async () => {
  const read: number[] = [];
  for (const bytes of [8 * 1024, 256 * 1024]) {
    using directory = new TemporaryDirectory();
    {
      await using bag = await openBag(directory.path);
      // So many that the rows fill more than the 4 KiB that are read of any table at once.
      fillBag(bag, 80, { bytes });
      await bag.fold();
    }
    using counter = new ReadCounter();
    await using bag = await openBag(directory.path, { mode: "read" });
    read.push(counter.take().bytes);
    assert(isHit(bag, 3));
  }
  const [small = 0, large = 0] = read;
  assert(Math.abs(large - small) <= 64, `${small} and ${large} bytes were read at open`);
});

Deno.test("CallLog.putLine() has the log's tail sealed while the bag stays open", async () => {
  using directory = new TemporaryDirectory();
  const note = "x".repeat(100_000);
  {
    await using bag = await openBag(directory.path, { fold: "full" });
    for (let n = 0; n < 200; n++) bag.calls.putLine(toKey(n), { n, note });
  }
  using log = Deno.openSync(`${directory.path}/calls.jsonl`);
  using table = CallTable.open(toLayout(directory.path), log, 1);
  const end = table?.end ?? 0;
  const size = log.seekSync(0, Deno.SeekMode.End);
  assert(size > 20e6 && size - end < 17e6, `${size - end} of ${size} bytes have no table`);
  await using bag = await openBag(directory.path, { mode: "read" });
  assertEquals([0, 199].map((n) => bag.calls.getLine(toKey(n))?.n), [0, 199]);
});

Deno.test("CallLog.getLine() gives no record that was evicted and sealed unseen", async () => {
  using directory = new TemporaryDirectory();
  await using bag = await openBag(directory.path);
  await using other = await openBag(directory.path);
  fillBag(bag, 1000);
  assert(isHit(other, 5) && isHit(other, 6));
  bag.calls.delete(toKey(5));
  bag.calls.putLine(toKey(6), { n: 66, result: "" });
  fillBag(bag, 1000, { from: 1000 });
  await bag.fold();
  // Misses everywhere, so that the other handle takes the new manifest and with it the new table.
  assertEquals(other.values.load(toDigest("unknown")), undefined);
  assertEquals(other.calls.getLine(toKey(5)), undefined);
  assertEquals(other.calls.getLine(toKey(6))?.n, 66);
});

Deno.test("CallLog.getLine() gives records that nobody can change for others", async () => {
  using directory = new TemporaryDirectory();
  await using bag = await openBag(directory.path);
  bag.calls.putLine(toKey(1), { deep: { list: [1, { n: 2 }] } });
  const [first, second] = [bag.calls.getLine(toKey(1)), bag.calls.getLine(toKey(1))];
  assertEquals(first, { key: toKey(1), deep: { list: [1, { n: 2 }] } });
  for (let at: unknown = first; typeof at === "object" && at !== null;) {
    assert(Object.isFrozen(at));
    at = Object.values(at).at(-1);
  }
  assertEquals(second, first);
});

Deno.test("DigestTable.read() finds in a file what DigestTable.decode() finds in memory", () => {
  using directory = new TemporaryDirectory();
  const path = `${directory.path}/table`;
  const rows = Array.from({ length: MANY }, (_, n) => createRow(toDigest(`${n}`), n));
  const content = encodeTable({ purpose: PURPOSE.values, length: 1, check: 2 }, rows);
  Deno.writeFileSync(path, content);
  using file = Deno.openSync(path);
  const read = () => DigestTable.read(file, PURPOSE.values, () => file);
  const table = read();
  const expected = DigestTable.decode(content, PURPOSE.values);
  assert(table !== undefined && expected !== undefined);
  for (const row of rows.slice(0, 3000)) assertEquals(table.row(table.find(row.digest)), row);
  for (let n = 0; n < 1000; n++) assertEquals(table.find(toDigest(`other ${n}`)), -1);
  let at = 64;
  for (const bytes of table.rowBytes()) {
    assertEquals(bytes, content.subarray(at, at + ROW_BYTES));
    at += ROW_BYTES;
  }
  assertEquals(at, content.length);
  for (
    const [position, bit] of [[16, 4], [20, 1], [40_000, 1], [content.length - 1, 128]] as const
  ) {
    const damaged = content.slice();
    damaged[position] = (damaged[position] ?? 0) ^ bit;
    Deno.writeFileSync(path, damaged);
    assertEquals(read(), undefined, `bit ${bit} of byte ${position}`);
  }
  for (const length of [0, 63, 64, content.length - 1]) {
    Deno.writeFileSync(path, content.subarray(0, length));
    assertEquals(read(), undefined, `${length} bytes`);
  }
});

Deno.test("DigestTable.find() misses when the table's file is gone", () => {
  using directory = new TemporaryDirectory();
  const path = `${directory.path}/table`;
  const rows = Array.from({ length: MANY }, (_, n) => createRow(toDigest(`${n}`), n));
  Deno.writeFileSync(path, encodeTable({ purpose: PURPOSE.values, length: 1, check: 2 }, rows));
  using file = Deno.openSync(path);
  const table = DigestTable.read(file, PURPOSE.values, () => undefined);
  assertEquals(table?.find(rows[7]?.digest ?? ""), -1);
});

Deno.test("SegmentDirectory names no more than the segments that may have a digest", () => {
  const subject = { purpose: PURPOSE.values, length: 1, check: 0 };
  const createSegment = (name: string, digests: string[]) => {
    const rows = digests.map((digest, n) => createRow(digest, n));
    const table = DigestTable.decode(encodeTable(subject, rows), PURPOSE.values);
    assert(table !== undefined);
    return { name, table };
  };
  const few = Array.from({ length: 300 }, (_, n) => createSegment(`${n}`, [toDigest(`${n}`)]));
  const copy = createSegment("copy", [toDigest("7")]);
  const large = createSegment("large", Array.from({ length: 300 }, (_, n) => toDigest(`x${n}`)));
  const directory = new SegmentDirectory([copy, ...few, large]);
  const namesOf = (text: string) => directory.find(toDigest(text)).map(({ name }) => name);
  assertEquals(namesOf("299"), ["299", "large"]);
  assertEquals(namesOf("7"), ["copy", "7", "large"]);
  assertEquals(namesOf("unknown"), ["large"]);
});

Deno.test("DigestRows finds what a map finds", () => {
  const digest = fc.nat(300).map((n) => n % 3 === 0 ? `${n}`.padStart(64, "0") : toDigest(`${n}`));
  fc.assert(
    fc.property(fc.array(fc.tuple(digest, fc.nat(1e6)), { maxLength: 400 }), (entries) => {
      const rows = new DigestRows();
      const map = new Map<string, TableRow>();
      for (const [digest, n] of entries) {
        rows.set(createRow(digest, n));
        map.set(digest, createRow(digest, n));
        assertEquals(rows.markOf(rows.find(digest)), 0);
        rows.mark(rows.find(digest), n % 255 + 1);
      }
      assertEquals(rows.size, map.size);
      assertEquals(rows.rows.bytes.length, map.size * ROW_BYTES);
      for (let n = 0; n <= 300; n++) {
        const digest = n % 3 === 0 ? `${n}`.padStart(64, "0") : toDigest(`${n}`);
        const index = rows.find(digest);
        assertEquals(index === -1 ? undefined : rows.row(index), map.get(digest));
        if (index !== -1) {
          assertEquals(rows.markOf(index), (map.get(digest)?.length ?? 0) % 255 + 1);
        }
      }
    }),
    { numRuns: 50 },
  );
});

Deno.test("countKept() makes no segment of more values than fit in memory while it is sealed", () => {
  const segment = { name: "1", bytes: 1000, values: MOST_VALUES / 2 };
  assertEquals(countKept([segment], 1000, MOST_VALUES / 2), 0);
  assertEquals(countKept([segment], 1000, MOST_VALUES / 2 + 1), 1);
});
