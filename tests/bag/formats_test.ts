// contract: what stands in the files of a bag, and the parts that read and write it
import {
  assert,
  assertEquals,
  assertNotStrictEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { DISK, FileHandles, FileWindow } from "../../src/disk/file_system.ts";
import { ByteCache } from "../../src/bag/byte_cache.ts";
import {
  decodeCheckedLine,
  encodeCallLine,
  encodeCheckedLine,
} from "../../src/disk/checked_line.ts";
import { decodeCallLineHead, encodeEvictLine } from "../../src/bag/log/call_line.ts";
import {
  DigestTable,
  encodeTable,
  LOCATION,
  PURPOSE,
  type TableRow,
  toViewed,
} from "../../src/bag/table/digest_table.ts";
import { decodeHeader, encodeHeader, HEADER_BYTES } from "../../src/bag/journal/journal_format.ts";
import { type JournalEntry, scanJournal } from "../../src/bag/journal/journal_scan.ts";
import { JournalWriter } from "../../src/bag/journal/journal_writer.ts";
import { toJournalPath, toLayout } from "../../src/disk/layout.ts";
import { EMPTY_MANIFEST, readManifest, writeManifest } from "../../src/bag/manifest.ts";
import { countKept } from "../../src/bag/fold/merge.ts";
import { readUnsealed, toBatches } from "../../src/bag/fold/unsealed_values.ts";
import { VALUE_KIND, type ValueKind } from "../../src/value/value.ts";
import { listFiles, TemporaryDirectory } from "./_temporary_directory.ts";
import { createPart, toDigest } from "./_values.ts";

const DIGEST = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => bytes.toHex());
const COUNT = fc.maxSafeNat();
const U16 = fc.nat(0xffff);
const U32 = fc.nat(0xffff_ffff);

Deno.test("encodeHeader() and decodeHeader() are inverse", () => {
  const buffer = toViewed(new Uint8Array(HEADER_BYTES));
  const rank = fc.integer({ min: 1, max: 0xffff });
  const header = fc.record(
    { digest: DIGEST, kind: U16, length: COUNT, crc: U32, rank },
    { requiredKeys: ["digest", "kind", "length", "crc"], noNullPrototype: true },
  );
  fc.assert(fc.property(header, (header) => {
    encodeHeader(buffer, header);
    assertEquals(decodeHeader(buffer, 0), header);
  }));
});

Deno.test("decodeHeader() refuses a header with any bit changed", () => {
  const buffer = toViewed(new Uint8Array(HEADER_BYTES));
  encodeHeader(buffer, { digest: toDigest("x"), kind: 1, length: 7, crc: 9 });
  for (let bit = 0; bit < HEADER_BYTES * 8; bit++) {
    const at = bit >> 3;
    const before = buffer.bytes[at] ?? 0;
    buffer.bytes[at] = before ^ (1 << (bit & 7));
    assertEquals(decodeHeader(buffer, 0), undefined, `bit ${bit}`);
    buffer.bytes[at] = before;
  }
});

Deno.test("scanJournal() goes on where it ended, and skips what is damaged", () => {
  using directory = new TemporaryDirectory();
  const layout = toLayout(directory.path);
  DISK.makeDirectory(layout.journals);
  using writer = new JournalWriter({
    fileSystem: DISK,
    layout,
    guard: { checkThere() {} },
    journalBytes: 1e9,
    sync: false,
  });
  const names = ["a", "b", "c"];
  const entries: JournalEntry[] = [];
  let journal = "";
  let end = 0;
  for (const [i, name] of names.entries()) {
    // One entry is larger than what a scan reads at once.
    const written = writer.append(createPart(name, i === 1 ? 600_000 : 20));
    journal = toJournalPath(layout, written.journal);
    using file = Deno.openSync(journal);
    end = scanJournal(file, end, (entry) => entries.push(entry));
    assertEquals(entries.at(-1), written.entry);
  }
  assertEquals(entries.length, 3);
  const content = Deno.readFileSync(journal);
  content[10] = (content[10] ?? 0) ^ 1;
  Deno.writeFileSync(journal, content);
  const found: string[] = [];
  using file = Deno.openSync(journal);
  assertEquals(scanJournal(file, 0, ({ digest }) => found.push(digest)), end);
  assertEquals(found, entries.slice(1).map(({ digest }) => digest));
});

Deno.test("JournalWriter writes into a new journal when the old one cannot be cut back", () => {
  using directory = new TemporaryDirectory();
  const layout = toLayout(directory.path);
  DISK.makeDirectory(layout.journals);
  let full = false;
  const fileSystem = {
    ...DISK,
    write(file: Deno.FsFile, bytes: Uint8Array) {
      if (full) throw new TypeError("No space left on device");
      return DISK.write(file, bytes);
    },
    truncate() {
      throw new TypeError("Cannot truncate");
    },
  };
  using writer = new JournalWriter({
    fileSystem,
    layout,
    guard: { checkThere() {} },
    journalBytes: 1e9,
    sync: false,
  });
  writer.append(createPart("a", 10));
  full = true;
  assertThrows(() => writer.append(createPart("b", 10)), TypeError, "No space left");
  full = false;
  writer.append(createPart("c", 10));
  assertEquals(listFiles(layout.journals), [`${writer.prefix}1`, `${writer.prefix}2`]);
});

Deno.test("toBatches() divides what is unsealed, and leaves out what is known or damaged", () => {
  using directory = new TemporaryDirectory();
  using handles = new FileHandles();
  const layout = toLayout(directory.path);
  DISK.makeDirectory(layout.journals);
  const options = {
    fileSystem: DISK,
    layout,
    guard: { checkThere() {} },
    journalBytes: 1e9,
    sync: false,
  };
  using first = new JournalWriter(options);
  using second = new JournalWriter(options);
  const parts = ["a", "b", "c", "d", "e"].map((name) => createPart(name, 100));
  const [, b, c] = parts;
  assert(b !== undefined && c !== undefined);
  for (const part of parts) first.append(part);
  const { journal } = second.append(b);
  const content = Deno.readFileSync(toJournalPath(layout, `${first.prefix}1`));
  // The first copy of "b" is damaged, the second is not.
  content[156 + HEADER_BYTES] = (content[156 + HEADER_BYTES] ?? 0) ^ 1;
  Deno.writeFileSync(toJournalPath(layout, `${first.prefix}1`), content);
  const unsealed = readUnsealed(layout, handles, EMPTY_MANIFEST, Date.now);
  const isSealed = ({ digest }: { digest: string }) => digest === c.digest;
  const batches = Array.from(
    toBatches(layout, handles, unsealed, 200, { isSealed, isRight: () => true }),
    ({ sources, sealed }) => ({
      digests: sources.map((source) => source.digest),
      sealed: new Map(sealed),
    }),
  );
  const sealed = batches.flatMap(({ digests }) => digests).sort();
  const expected = parts.filter((part) => part !== c).map((part) => part.digest).sort();
  assertEquals(sealed, expected);
  assertEquals(batches.map(({ digests }) => digests.length), [2, 2]);
  assertEquals(
    batches.at(-1)?.sealed,
    new Map([[`${first.prefix}1`, 5 * 156], [journal, 156]]),
  );
});

function createRows(digests: readonly string[]): TableRow[] {
  return digests.map((digest, i) => ({
    digest,
    offset: i * 1e12,
    length: i,
    kind: i % 32,
    crc: (i * 77_777_777) >>> 0,
    location: i % 2 === 0 ? LOCATION.dataFile : LOCATION.table,
  }));
}

Deno.test("DigestTable finds each of its digests and no other", () => {
  for (const count of [0, 1, 2, 3, 1000, 5000]) {
    const rows = createRows(Array.from({ length: count }, (_, i) => toDigest(`${i}`)));
    const subject = { purpose: PURPOSE.values, length: 123, check: 456 };
    const table = DigestTable.decode(encodeTable(subject, rows), PURPOSE.values);
    assert(table !== undefined);
    assertEquals([table.size, table.subject], [count, subject]);
    for (const row of rows) assertEquals(table.row(table.find(row.digest)), row);
    for (let i = 0; i < 100; i++) assertEquals(table.find(toDigest(`other ${i}`)), -1);
  }
});

Deno.test("DigestTable finds digests that are not uniform at all", () => {
  const tail = "0".repeat(56);
  fc.assert(fc.property(
    fc.uniqueArray(fc.constantFrom("00000000", "00000001", "7fffffff", "fffffffe", "ffffffff")),
    fc.uniqueArray(fc.nat(20), { minLength: 1 }),
    (prefixes, ends) => {
      const all = prefixes.flatMap((prefix) =>
        ends.map((end) => `${prefix}${tail.slice(2)}${end.toString(16).padStart(2, "0")}`)
      );
      const rows = createRows(all);
      const subject = { purpose: PURPOSE.calls, length: 0, check: 0 };
      const table = DigestTable.decode(encodeTable(subject, rows), PURPOSE.calls);
      for (const row of rows) assertEquals(table?.row(table.find(row.digest)), row);
      assertEquals(table?.find(`01${tail}000000`), -1);
    },
  ));
});

Deno.test("DigestTable.decode() refuses another purpose", () => {
  const bytes = encodeTable({ purpose: PURPOSE.calls, length: 0, check: 0 }, []);
  assertEquals(DigestTable.decode(bytes, PURPOSE.values), undefined);
  assertEquals(DigestTable.decode(bytes, PURPOSE.calls)?.size, 0);
});

Deno.test("encodeCheckedLine() and decodeCheckedLine() are inverse", () => {
  const record = fc.dictionary(fc.string(), fc.jsonValue(), { minKeys: 1, noNullPrototype: true });
  fc.assert(fc.property(record, (record) => {
    const line = encodeCheckedLine(JSON.stringify(record).slice(0, -1));
    assertEquals([line[0], line.at(-1)], [10, 10]);
    assertEquals(line.indexOf(10, 1), line.length - 1);
    assertEquals(decodeCheckedLine(line.subarray(1, -1)), JSON.parse(JSON.stringify(record)));
  }));
});

Deno.test("decodeCheckedLine() refuses a line of which any byte is another", () => {
  // Its checksum has letters, and digits of every kind are tried in their places.
  const line = encodeCheckedLine('{"a":1').subarray(1, -1);
  assertEquals(decodeCheckedLine(line), { a: 1 });
  assert(/[a-f]/.test(new TextDecoder().decode(line.subarray(-10))));
  for (let at = 0; at < line.length; at++) {
    for (let byte = 0; byte < 256; byte++) {
      if (byte === line[at]) continue;
      assertEquals(decodeCheckedLine(line.with(at, byte)), undefined, `${byte} at ${at}`);
    }
  }
});

Deno.test("decodeCheckedLine() refuses a line that was cut anywhere", () => {
  const line = encodeCheckedLine('{"a":1').subarray(1, -1);
  for (let end = 0; end < line.length; end++) {
    assertEquals(decodeCheckedLine(line.subarray(0, end)), undefined);
  }
});

Deno.test("decodeCallLineHead() tells records and tombstones from other lines", () => {
  const key = toDigest("key");
  const head = (line: Uint8Array) => decodeCallLineHead(line.subarray(1, -1));
  assertEquals(head(encodeCallLine(key, { n: 1 })), { key, type: "record" });
  assertEquals(head(encodeCallLine(key, {})), { key, type: "record" });
  assertEquals(head(encodeEvictLine(key)), { key, type: "eviction" });
  assertEquals(head(encodeCheckedLine(`{"other":"${key}"`)), undefined);
  assertEquals(head(encodeCheckedLine('{"evict":"short"')), undefined);
});

Deno.test("ByteCache keeps the payloads that were used last", () => {
  const cache = new ByteCache(3 * (256 + 100));
  const parts = ["a", "b", "c", "d"].map((name) => createPart(name, 100));
  const [a, b, c, d] = parts;
  assert(a !== undefined && b !== undefined && c !== undefined && d !== undefined);
  for (const part of [a, b, c]) cache.put(part.digest, part);
  cache.get(a.digest);
  cache.put(d.digest, d);
  assertEquals(parts.map((part) => cache.get(part.digest) !== undefined), [
    true,
    false,
    true,
    true,
  ]);
  assertEquals(cache.bytes, 3 * (256 + 100));
  assertEquals(cache.get(a.digest), { kind: a.kind, bytes: a.bytes });
  cache.clear();
  assertEquals([cache.get(a.digest) !== undefined, cache.bytes], [false, 0]);
});

Deno.test("ByteCache.plain() gives the kept bytes of sound plain data, and of nothing else", () => {
  const cache = new ByteCache(1e6);
  const keep = (name: string, kind: ValueKind, bytes: readonly number[]) => {
    const digest = toDigest(name);
    cache.put(digest, { kind, bytes: Uint8Array.from(bytes) });
    return digest;
  };
  const { cbor, graph, Uint8Array: array } = VALUE_KIND;
  const plain = keep("[1]", cbor, [0x81, 0x01]);
  const bytes = cache.plain(plain);
  assertEquals(bytes, Uint8Array.from([0x81, 0x01]));
  assertStrictEquals(cache.plain(plain), bytes);
  assertNotStrictEquals(cache.get(plain)?.bytes, bytes);
  const others = [
    keep("a byte string", cbor, [0x81, 0x41, 0x01]),
    keep("cut short", cbor, [0x82, 0x01]),
    keep("followed by more", cbor, [0x01, 0x01]),
    keep("a tag", cbor, [0xc1, 0x01]),
    keep("a graph", graph, [0x81, 0x01]),
    keep("an array", array, [0x81, 0x01]),
  ];
  for (const digest of others) {
    assertEquals([cache.plain(digest), cache.get(digest) !== undefined], [undefined, true]);
  }
  cache.delete(plain);
  assertEquals(cache.plain(plain), undefined);
});

Deno.test("ByteCache keeps nothing that is large, and nothing without room", () => {
  const large = createPart("large", 64 * 1024 + 1);
  const small = createPart("small", 64 * 1024);
  const cache = new ByteCache(1e6);
  cache.put(large.digest, large);
  cache.put(small.digest, small);
  assertEquals(cache.get(large.digest), undefined);
  assertEquals(cache.get(small.digest)?.bytes, small.bytes);
  const none = new ByteCache(0);
  none.put(small.digest, small);
  assertEquals(none.get(small.digest), undefined);
});

Deno.test("FileHandles keeps a bounded number of files open", () => {
  using directory = new TemporaryDirectory();
  using handles = new FileHandles(2);
  const paths = ["a", "b", "c"].map((name) => `${directory.path}/${name}`);
  for (const path of paths) Deno.writeTextFileSync(path, path);
  const [a = "", b = "", c = ""] = paths;
  const first = handles.open(a);
  assertEquals(handles.open(a), first);
  handles.open(b);
  handles.open(c);
  assert(handles.open(a) !== first);
  assertEquals(handles.open(`${directory.path}/missing`), undefined);
});

Deno.test("FileWindow reads pieces in any order, and none beyond the end", () => {
  using directory = new TemporaryDirectory();
  const { bytes } = createPart("x", 1_000_000);
  Deno.writeFileSync(`${directory.path}/x`, bytes);
  using file = Deno.openSync(`${directory.path}/x`);
  const window = new FileWindow(file);
  fc.assert(
    fc.property(fc.nat(1_000_000), fc.nat(600_000), (offset, length) => {
      const piece = window.read(offset, length);
      if (offset + length > bytes.length) return piece === undefined;
      const expected = bytes.subarray(offset, offset + length);
      return piece?.length === length && piece.every((byte, i) => byte === expected[i]);
    }),
    { numRuns: 50 },
  );
});

Deno.test("readManifest() gives back what writeManifest() wrote", () => {
  using directory = new TemporaryDirectory();
  const layout = toLayout(directory.path);
  assertEquals(readManifest(layout), EMPTY_MANIFEST);
  const manifest = {
    ...EMPTY_MANIFEST,
    generation: 3,
    segments: [{ name: "000001", values: 2, bytes: 7 }],
    sealed: { "0-1": 12 },
  };
  writeManifest(DISK, layout, manifest);
  assertEquals(readManifest(layout), manifest);
});

Deno.test("countKept() keeps the number of segments in the order of a logarithm", () => {
  const segment = (bytes: number) => ({ name: "1", values: 1, bytes });
  assertEquals(countKept([], 100, 1), 0);
  // A large segment is not written again for a small one; small ones always are.
  assertEquals(countKept([segment(1e6), segment(1000), segment(10)], 1, 1), 1);
  assertEquals(countKept([segment(3e6), segment(1e6)], 1e6, 1), 1);
  assertEquals(countKept([segment(60e6), segment(1e6)], 59e6, 1), 1);
  const segments: { name: string; values: number; bytes: number }[] = [];
  let written = 0;
  for (let i = 0; i < 2000; i++) {
    const merged = segments.splice(countKept(segments, 1e5, 1));
    const bytes = merged.reduce((sum, one) => sum + one.bytes, 1e5);
    segments.push({ name: `${i}`, values: merged.length + 1, bytes });
    written += bytes;
  }
  assertEquals(segments.length < 20, true, `${segments.length} segments`);
  assertEquals(written < 2000 * 1e5 * 12, true, `${written} bytes written`);
});
