// end-to-end: a reader in another language, written from FORMAT.md alone, reads what Quiver wrote
import { assert, assertEquals, assertGreater } from "@std/assert";
import fc from "fast-check";
import { crc32 } from "node:zlib";
import { DISK, readAt, replaceFile } from "../../src/bag/_file_system.ts";
import type { BagFiles, BagOptions } from "../../src/bag/bag_files.ts";
import { toLayout, toSegmentIndexPath, toSegmentPath } from "../../src/bag/layout.ts";
import type { ChunkPlace } from "../../src/bag/payload_details.ts";
import { PLACE } from "../../src/bag/table_row.ts";
import { openBagFiles } from "../../src/bag/open_bag_files.ts";
import { encodeSegmentIndex } from "../../src/bag/seal_segment.ts";
import { readSegmentIndex } from "../../src/bag/segment_index.ts";
import { toKeyedCall } from "../../src/call/call_key.ts";
import type { CallRecord } from "../../src/call/call_record.ts";
import { RecordSigner } from "../../src/store/record_signer.ts";
import { digestArgument } from "../../src/value/digest_value.ts";
import { encodeValue } from "../../src/value/encode_value.ts";
import type { EncodedPart, EncodedValue } from "../../src/value/encoded_value.ts";
import { toKindName } from "../../src/value/value_kind.ts";
import { graph, primitive } from "../value/arbitrary_value.ts";
import { describeValue, type ValueDescription } from "./_describe_value.ts";
import { EVERY_VALUE } from "./_every_value.ts";
import { InlineFoldRunner } from "./_inline_fold_runner.ts";
import { TemporaryDirectory } from "./_temporary_directory.ts";
import { toDigest } from "./_values.ts";

const READER = new URL("format_reader.py", import.meta.url).pathname;
const SIGNING_KEY = "a key that is léng enough";

interface ReadValue {
  readonly kind: string;
  readonly place: "journal" | "segment" | "table" | "chunks";
  readonly shape: readonly number[] | null;
  readonly exact: string;
  readonly argument: string;
  readonly value: ValueDescription;
  /** The digest of a part that is not there; then there is no value. */
  readonly missing?: string;
}

interface ReadBag {
  readonly bag: { readonly features: readonly string[] };
  readonly manifest: { readonly logGeneration: number; readonly segments: readonly unknown[] };
  readonly values: Readonly<Record<string, ReadValue>>;
  readonly damaged: readonly string[];
  readonly unreadable: readonly string[];
  readonly records: readonly { record: CallRecord; key: string; signature: string }[];
  readonly forgotten: readonly string[];
  readonly skipped: number;
  readonly indexed: number | null;
}

function hasPython(): boolean {
  try {
    return new Deno.Command("python3", { args: ["--version"] }).outputSync().success;
  } catch (error) {
    // No such program, or no permission to run it.
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotCapable) {
      return false;
    }
    throw error;
  }
}

const HAS_PYTHON = hasPython();

function withPython(name: string): { name: string; ignore: boolean } {
  return {
    name: HAS_PYTHON ? name : `${name} (ignored: there is no python3)`,
    ignore: !HAS_PYTHON,
  };
}

function readBag(path: string): ReadBag {
  const args = [READER, path, SIGNING_KEY];
  const { stdout, stderr } = new Deno.Command("python3", { args }).outputSync();
  assertEquals(new TextDecoder().decode(stderr), "");
  return JSON.parse(new TextDecoder().decode(stdout));
}

function open(path: string, options: BagOptions = {}): Promise<BagFiles> {
  const environment = { fileSystem: DISK, runner: new InlineFoldRunner() };
  return openBagFiles(path, { ...options, fold: "manual" }, environment);
}

/** A value as it is stored, and as it was. */
interface Stored {
  readonly value: unknown;
  readonly encoded: EncodedValue;
}

function toStored(value: unknown): Stored {
  return { value, encoded: encodeValue(value) };
}

function put(bag: BagFiles, { encoded }: Stored): void {
  for (const part of encoded.parts) bag.putValue(part);
  bag.putValue(encoded);
}

function checkValues(found: ReadBag["values"], stored: readonly Stored[]): void {
  const parts = new Map<string, EncodedPart>();
  for (const { encoded } of stored) {
    for (const part of [...encoded.parts, encoded]) {
      if (parts.get(part.digest)?.shape === undefined) parts.set(part.digest, part);
    }
  }
  assertEquals(Object.keys(found).sort(), [...parts.keys()].sort());
  for (const [digest, part] of parts) {
    assertEquals(found[digest]?.exact, digest);
    assertEquals(found[digest]?.kind, toKindName(part.kind));
    assertEquals(found[digest]?.shape, part.shape ?? null);
  }
  for (const { value, encoded } of stored) {
    const read = found[encoded.digest];
    assertEquals(read?.value, describeValue(value), encoded.digest);
    assertEquals(read?.argument, digestArgument(value), encoded.digest);
  }
}

function countPlaces({ values }: ReadBag): Record<ReadValue["place"], number> {
  const places = { journal: 0, segment: 0, table: 0, chunks: 0 };
  for (const { place } of Object.values(values)) places[place]++;
  return places;
}

/** Writes the table of a segment with one array as if it had been written in chunks of 256 KiB. */
function moveIntoChunks(path: string, segment: string): void {
  const layout = toLayout(path);
  const row = readSegmentIndex(layout, segment)?.row(0);
  assert(row !== undefined);
  using file = Deno.openSync(toSegmentPath(layout, segment), { read: true, write: true });
  const chunk = new Uint8Array(262_144);
  const places: ChunkPlace[] = [];
  const checks: number[] = [];
  for (let at = 0; at < row.length; at += chunk.length) {
    const block = chunk.subarray(0, Math.min(chunk.length, row.length - at));
    assert(readAt(file, row.offset + at, block));
    places.push({ offset: file.seekSync(0, Deno.SeekMode.End), length: chunk.length });
    checks.push(crc32(block));
    file.writeSync(chunk);
  }
  const details = {
    checks: Uint32Array.from(checks),
    chunks: { shape: [chunk.length / 8], places },
  };
  const payload = { row: { ...row, offset: 0, place: PLACE.chunks }, details };
  replaceFile(DISK, toSegmentIndexPath(layout, segment), encodeSegmentIndex(file, [payload]));
}

/** Writes a segment's table as it is when nobody knows where in the segment the values lie. */
function moveIntoTable(path: string, segment: string): void {
  const layout = toLayout(path);
  const table = readSegmentIndex(layout, segment);
  assert(table !== undefined);
  using file = Deno.openSync(toSegmentPath(layout, segment));
  const payloads = Array.from({ length: table.size }, (_, i) => {
    const row = table.row(i);
    const inline = new Uint8Array(row.length);
    assert(readAt(file, row.offset, inline));
    return { row, inline };
  });
  replaceFile(DISK, toSegmentIndexPath(layout, segment), encodeSegmentIndex(file, payloads));
}

for (const options of [{}, { compression: { gzip: 6 } }]) {
  const gzip = "compression" in options;

  Deno.test({
    ...withPython(`FORMAT.md says how to read every value${gzip ? " that is compressed" : ""}`),
    async fn() {
      using directory = new TemporaryDirectory();
      const stored = EVERY_VALUE.map(toStored);
      await using bag = await open(directory.path, options);
      const late = stored.filter((_, i) => i % 5 === 4);
      for (const one of stored) if (!late.includes(one)) put(bag, one);
      await bag.fold();
      for (const one of late) put(bag, one);
      const read = readBag(directory.path);
      checkValues(read.values, stored);
      assertEquals(read.bag.features, gzip ? ["gzip"] : []);
      const { journal, segment, chunks } = countPlaces(read);
      assertGreater(journal, 10);
      assertGreater(segment, 50);
      assertEquals(chunks > 20, gzip);
      await bag.fold();
      await bag.compact({ full: true });
      const compact = readBag(directory.path);
      checkValues(compact.values, stored);
      assertEquals([compact.manifest.segments.length, countPlaces(compact).journal], [1, 0]);
    },
  });
}

Deno.test({
  ...withPython("FORMAT.md says how to read and digest whatever structured clone carries"),
  async fn() {
    using directory = new TemporaryDirectory();
    const values = fc.sample(fc.oneof({ weight: 6, arbitrary: graph }, primitive), {
      numRuns: 400,
      seed: 20,
    });
    const stored = values.map(toStored);
    await using bag = await open(directory.path);
    for (const one of stored.slice(200)) put(bag, one);
    await bag.fold();
    moveIntoTable(directory.path, "000001");
    for (const one of stored.slice(0, 200)) put(bag, one);
    const read = readBag(directory.path);
    checkValues(read.values, stored);
    assertEquals(countPlaces(read).segment, 0);
    assertGreater(countPlaces(read).table, 100);
  },
});

const PROFILE = { parameters: [{ name: "a" }], rest: "more", code: toDigest("code") };
const SIGNER = new RecordSigner([SIGNING_KEY]);

function createRecord(n: number, run: number): CallRecord {
  const address = { module: "file:///a%20b.ts", name: `täsk "${n}" \ud800` };
  const version = [undefined, n, `v${n}\n`, n + 0.5][n % 4];
  const identity = {
    address,
    ...(version !== undefined && { version }),
    ...(n % 3 > 0 && { code: PROFILE.code }),
  };
  const { key, args } = toKeyedCall(identity, PROFILE, new Set(), [n, { b: -0, a: [n] }, null]);
  return SIGNER.sign({
    key,
    scheme: 1,
    module: address.module,
    task: address.name,
    ...(version !== undefined && { version }),
    ...(n % 3 > 0 && { code: PROFILE.code }),
    args,
    result: encodeValue(run).digest,
    started: 1_700_000_000_000 + n,
    duration: run / 7,
    metadata: { tags: { "é": [n, true, null] }, deep: { z: 1, a: 1e300, "\udc00": "\u007f" } },
  });
}

function checkCalls(read: ReadBag, bag: BagFiles): void {
  assertEquals(read.records.map(({ record }): unknown => record), [...bag.calls()]);
  for (const { record, key, signature } of read.records) {
    assertEquals([key, signature], [record.key, record.signature]);
  }
}

Deno.test({
  ...withPython("FORMAT.md says how to read the call log, its keys and signatures"),
  async fn() {
    using directory = new TemporaryDirectory();
    const { path } = directory;
    await using bag = await open(path);
    const records = Array.from({ length: 200 }, (_, n) => createRecord(n, 0));
    const putAll = (records: readonly CallRecord[]) => {
      for (const { key, ...fields } of records) bag.putCall(key, fields);
    };
    putAll(records);
    putAll(Array.from({ length: 50 }, (_, n) => createRecord(n, 1)));
    const evicted = records.slice(20, 30).map(({ key }) => key);
    for (const key of evicted) bag.deleteCall(key);
    await bag.fold();
    assertEquals(readBag(path).indexed, 190);
    using log = Deno.openSync(`${path}/calls.jsonl`, { append: true });
    // A torn line, a damaged one, one that is no record, and one that begins in another way.
    const noise = ['\n{"key":"01', '\n{"key":"02"}\n', '\n{"moved":true}\n', '\n{ "key":"03"}\n'];
    for (const text of noise) log.writeSync(new TextEncoder().encode(text));
    putAll([createRecord(25, 2), createRecord(60, 2), createRecord(500, 2)]);
    log.writeSync(new TextEncoder().encode('\n{"key":"not finished'));
    const read = readBag(path);
    checkCalls(read, bag);
    assertEquals([read.records.length, read.skipped, read.indexed], [192, 4, 190]);
    assertEquals(read.forgotten, evicted.filter((key) => key !== records[25]?.key).sort());
    await bag.compact({ full: true });
    putAll([createRecord(501, 3)]);
    const compact = readBag(path);
    checkCalls(compact, bag);
    assertEquals(compact.manifest.logGeneration, read.manifest.logGeneration + 1);
    assertEquals([compact.records.length, compact.indexed], [193, 192]);
    assertEquals(compact.forgotten, []);
  },
});

/** Changes a byte of a file. */
function damage(path: string, offset: number): void {
  const bytes = Deno.readFileSync(path);
  bytes[offset] = (bytes[offset] ?? 0) ^ 0x10;
  Deno.writeFileSync(path, bytes);
}

Deno.test({
  ...withPython("FORMAT.md says what is left of a damaged bag, and what a writer leaves"),
  async fn() {
    using directory = new TemporaryDirectory();
    const { path } = directory;
    const layout = toLayout(path);
    const values = [1, 2, 3, 4].map((n) => toStored({ n, data: new Int16Array(3000).fill(n) }));
    const [first, second, third, fourth] = values.map(({ encoded }) => encoded);
    assert(first !== undefined && second !== undefined && third !== undefined);
    const [part, last] = [first.parts[0], fourth?.parts[0]];
    assert(part !== undefined && fourth !== undefined && last !== undefined);
    {
      await using bag = await open(path);
      bag.putValue(part);
      bag.putValue(first);
      await bag.fold();
      for (const encoded of [second, third, last, fourth]) bag.putValue(encoded);
      for (const missing of [second, third]) for (const one of missing.parts) bag.putValue(one);
      const [journal = ""] = Array.from(Deno.readDirSync(layout.journals), ({ name }) => name);
      const journalPath = `${layout.journals}/${journal}`;
      // The header of the first entry, so that the second is found by looking for it.
      damage(journalPath, 20);
      const end = Deno.statSync(journalPath).size;
      Deno.truncateSync(journalPath, end - 1);
      // Of a writer that has made its journal and no entry.
      Deno.writeFileSync(`${layout.journals}/0123456789abcdef-1`, new Uint8Array(0));
      Deno.writeFileSync(`${layout.journals}/foreign`, Deno.readFileSync(journalPath));
    }
    // The third value is there, but not the part that it refers to: it cannot be decoded.
    await using bag = await open(path, { mode: "read" });
    const digests = [part, first, second, third, last, fourth, ...second.parts, ...third.parts]
      .map(({ digest }) => digest);
    const there = digests.map((digest) => bag.hasValue(digest));
    assertEquals(there, [true, true, false, true, true, true, true, false]);
    const read = readBag(path);
    const found = Object.keys(read.values);
    assertEquals(digests.map((digest) => found.includes(digest)), there);
    assertEquals(read.values[third.digest]?.missing, third.parts[0]?.digest);
  },
});

Deno.test({
  ...withPython("FORMAT.md says what is left of a damaged segment"),
  async fn() {
    using directory = new TemporaryDirectory();
    const { path } = directory;
    const layout = toLayout(path);
    const [index, segment] = [
      toSegmentIndexPath(layout, "000001"),
      toSegmentPath(layout, "000001"),
    ];
    const stored = toStored({ data: new Float32Array(30_000).fill(0.5), shape: [300, 100] });
    const { encoded } = stored;
    const [part] = encoded.parts;
    assert(part !== undefined);
    {
      await using bag = await open(path);
      put(bag, stored);
      await bag.fold();
    }
    const table = readSegmentIndex(layout, "000001");
    const row = table?.row(table.find(part.digest));
    assert(row !== undefined && row.details !== undefined);
    // The shape is lost, and the value is not.
    damage(index, row.details * 8 + 10);
    const { shape, ...shapeless } = part;
    assertEquals(shape, [300, 100]);
    checkValues(readBag(path).values, [{ ...stored, encoded: { ...encoded, parts: [shapeless] } }]);
    damage(segment, row.offset + row.length - 1);
    const damaged = readBag(path);
    assertEquals(damaged.damaged, [part.digest]);
    assertEquals(damaged.values[encoded.digest]?.missing, part.digest);
    // The number of rows.
    damage(index, 16);
    assertEquals([readBag(path).unreadable, readBag(path).values], [["000001"], {}]);
    Deno.removeSync(segment);
    assertEquals(readBag(path).unreadable, ["000001"]);
  },
});

Deno.test({
  ...withPython("FORMAT.md says how to read chunks that are not compressed"),
  async fn() {
    using directory = new TemporaryDirectory();
    const { path } = directory;
    const stored = toStored(Float64Array.from({ length: 70_000 }, Math.sqrt));
    await using bag = await open(path);
    put(bag, stored);
    await bag.fold();
    moveIntoChunks(path, "000001");
    const read = readBag(path);
    checkValues(read.values, [stored]);
    assertEquals(countPlaces(read).chunks, 1);
    await using other = await open(path, { mode: "read" });
    const { digest, kind, bytes } = stored.encoded;
    assertEquals(other.getValue(digest), { kind, bytes: new Uint8Array(bytes) });
  },
});

/** Reads a bag of which the reader first gets a manifest that is not the newest. */
const LATE_READER = `
import json, sys
sys.path.insert(0, sys.argv[1])
import format_reader as reader
newest, stale = reader.read_manifest, [json.loads(sys.argv[3])]
reader.read_manifest = lambda root: stale.pop() if stale else newest(root)
print(json.dumps(reader.report_bag(sys.argv[2], None)))
`;

Deno.test({
  ...withPython("FORMAT.md says how to read a bag while segments are merged"),
  async fn() {
    using directory = new TemporaryDirectory();
    const { path } = directory;
    await using bag = await open(path);
    const stored = EVERY_VALUE.slice(0, 30).map(toStored);
    for (const one of stored) put(bag, one);
    await bag.fold();
    const { manifest } = readBag(path);
    await bag.compact({ full: true });
    put(bag, toStored("new"));
    await bag.fold();
    const folder = new URL(".", import.meta.url).pathname;
    const args = ["-B", "-c", LATE_READER, folder, path, JSON.stringify(manifest)];
    const { stdout, stderr } = new Deno.Command("python3", { args }).outputSync();
    assertEquals(new TextDecoder().decode(stderr), "");
    const read: ReadBag = JSON.parse(new TextDecoder().decode(stdout));
    checkValues(read.values, [...stored, toStored("new")]);
    assertEquals(read.unreadable, []);
  },
});
