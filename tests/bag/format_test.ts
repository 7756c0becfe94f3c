// end-to-end: a reader in another language, written from FORMAT.md alone, reads what Quiver wrote
import { assert, assertEquals, assertGreater } from "@std/assert";
import fc from "fast-check";
import { crc32 } from "node:zlib";
import {
  DISK,
  FileHandles,
  type FilePlace,
  readAt,
  replaceFile,
} from "../../src/disk/file_system.ts";
import { toLayout, toSegmentIndexPath, toSegmentPath } from "../../src/disk/layout.ts";
import { encodeSegmentIndex } from "../../src/bag/segment/seal.ts";
import { SegmentTable } from "../../src/bag/segment/segment_table.ts";
import { LOCATION } from "../../src/bag/table/digest_table.ts";
import { graph, primitive } from "../value/arbitrary_value.ts";
import { EVERY_VALUE } from "./_every_value.ts";
import { checkValues, countPlaces, openManual, put, readBag, toStored } from "./_format_reader.ts";
import { TemporaryDirectory } from "./_temporary_directory.ts";
import { Tool } from "../tools.ts";

const PYTHON = Tool.find("python3");

for (const options of [{}, { compression: { gzip: 6 } }]) {
  const gzip = "compression" in options;

  Deno.test({
    ...PYTHON.forTest(`FORMAT.md says how to read every value${gzip ? " that is compressed" : ""}`),
    async fn() {
      using directory = new TemporaryDirectory();
      const stored = EVERY_VALUE.map(toStored);
      await using bag = await openManual(directory.path, options);
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

/** Writes a segment's table as it is when nobody knows where in the segment the values lie. */
function moveIntoTable(path: string, segment: string): void {
  const layout = toLayout(path);
  using handles = new FileHandles();
  const table = SegmentTable.read(layout, segment, handles);
  assert(table !== undefined);
  using file = Deno.openSync(toSegmentPath(layout, segment));
  const payloads = Array.from(table.rows(), (row) => {
    const inline = new Uint8Array(row.length);
    assert(readAt(file, row.offset, inline));
    return { row, inline };
  });
  replaceFile(DISK, toSegmentIndexPath(layout, segment), encodeSegmentIndex(file, payloads));
}

Deno.test({
  ...PYTHON.forTest("FORMAT.md says how to read and digest whatever structured clone carries"),
  async fn() {
    using directory = new TemporaryDirectory();
    const values = fc.sample(fc.oneof({ weight: 6, arbitrary: graph }, primitive), {
      numRuns: 400,
      seed: 20,
    });
    const stored = values.map(toStored);
    await using bag = await openManual(directory.path);
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

/** Writes the table of a segment with one array as if it had been written in chunks of 256 KiB. */
function moveIntoChunks(path: string, segment: string): void {
  const layout = toLayout(path);
  using handles = new FileHandles();
  const row = SegmentTable.read(layout, segment, handles)?.row(0);
  assert(row !== undefined);
  using file = Deno.openSync(toSegmentPath(layout, segment), { read: true, write: true });
  const chunk = new Uint8Array(262_144);
  const places: FilePlace[] = [];
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
  const payload = { row: { ...row, offset: 0, location: LOCATION.chunks }, details };
  replaceFile(DISK, toSegmentIndexPath(layout, segment), encodeSegmentIndex(file, [payload]));
}

Deno.test({
  ...PYTHON.forTest("FORMAT.md says how to read chunks that are not compressed"),
  async fn() {
    using directory = new TemporaryDirectory();
    const { path } = directory;
    const stored = toStored(Float64Array.from({ length: 70_000 }, Math.sqrt));
    await using bag = await openManual(path);
    put(bag, stored);
    await bag.fold();
    moveIntoChunks(path, "000001");
    const read = readBag(path);
    checkValues(read.values, [stored]);
    assertEquals(countPlaces(read).chunks, 1);
    await using other = await openManual(path, { mode: "read" });
    const { digest, kind, bytes } = stored.encoded;
    assertEquals(other.values.load(digest), { kind, bytes: new Uint8Array(bytes) });
  },
});
