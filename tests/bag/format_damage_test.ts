// end-to-end: a reader in another language, written from FORMAT.md alone, reads what is damaged or changes
import { assert, assertEquals } from "@std/assert";
import { toLayout, toSegmentIndexPath, toSegmentPath } from "../../src/disk/layout.ts";
import { FileHandles } from "../../src/disk/file_system.ts";
import { SegmentTable } from "../../src/bag/segment/segment_table.ts";
import { EVERY_VALUE } from "./_every_value.ts";
import { checkValues, openManual, put, readBag, runReader, toStored } from "./_format_reader.ts";
import { TemporaryDirectory } from "./_temporary_directory.ts";
import { Tool } from "../tools.ts";

const PYTHON = Tool.find("python3");

/** Changes a byte of a file. */
function damage(path: string, offset: number): void {
  const bytes = Deno.readFileSync(path);
  bytes[offset] = (bytes[offset] ?? 0) ^ 0x10;
  Deno.writeFileSync(path, bytes);
}

Deno.test({
  ...PYTHON.forTest("FORMAT.md says what is left of a damaged bag, and what a writer leaves"),
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
      await using bag = await openManual(path);
      bag.values.putPart(part);
      bag.values.putPart(first);
      await bag.fold();
      for (const encoded of [second, third, last, fourth]) bag.values.putPart(encoded);
      for (const missing of [second, third]) {
        for (const one of missing.parts) bag.values.putPart(one);
      }
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
    await using bag = await openManual(path, { mode: "read" });
    const digests = [part, first, second, third, last, fourth, ...second.parts, ...third.parts]
      .map(({ digest }) => digest);
    const there = digests.map((digest) => bag.values.find(digest) !== undefined);
    assertEquals(there, [true, true, false, true, true, true, true, false]);
    const read = readBag(path);
    const found = Object.keys(read.values);
    assertEquals(digests.map((digest) => found.includes(digest)), there);
    assertEquals([read.damaged, read.unreadable], [[], []]);
    assertEquals(read.values[third.digest]?.missing, third.parts[0]?.digest);
  },
});

Deno.test({
  ...PYTHON.forTest("FORMAT.md says what is left of a damaged segment"),
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
      await using bag = await openManual(path);
      put(bag, stored);
      await bag.fold();
    }
    using handles = new FileHandles();
    const table = SegmentTable.read(layout, "000001", handles);
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
  ...PYTHON.forTest("FORMAT.md says how to read a bag while segments are merged"),
  async fn() {
    using directory = new TemporaryDirectory();
    const { path } = directory;
    await using bag = await openManual(path);
    const stored = EVERY_VALUE.slice(0, 30).map(toStored);
    for (const one of stored) put(bag, one);
    await bag.fold();
    // What is put although it is there leaves a touch, and a machine that stands still another one.
    await using other = await openManual(path);
    const again = toStored(EVERY_VALUE[22]);
    put(other, again);
    const { manifest, touches } = readBag(path);
    assertEquals(new Set(touches.map(({ touch }) => touch)), new Set([again.encoded.digest]));
    await bag.compact({ full: true });
    put(bag, toStored("new"));
    await bag.fold();
    const folder = new URL(".", import.meta.url).pathname;
    const args = ["-B", "-c", LATE_READER, folder, path, JSON.stringify(manifest)];
    const read = runReader(args);
    checkValues(read.values, [...stored, toStored("new")]);
    assertEquals(read.unreadable, []);
  },
});
