// end-to-end: values in journals and segments
import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { crc32 } from "node:zlib";
import { DISK, type FileSystem } from "../../src/disk/file_system.ts";
import type { DiskBag } from "../../src/bag/disk_bag.ts";
import type { DatasetInput, Hdf5Access, Hdf5Output } from "../../src/bag/hdf5/access.ts";
import type { PositionedFile } from "../../src/bag/hdf5/emscripten_fs.ts";
import { Hdf5Library } from "../../src/bag/hdf5/library.ts";
import { openBagFiles } from "../../src/bag/open_bag.ts";
import { encodeValue } from "../../src/value/codec/encode_value.ts";
import { type EncodedPart, VALUE_KIND, type ValueKindName } from "../../src/value/value.ts";
import { InlineFoldRunner } from "./_inline_fold_runner.ts";
import { listFiles, TemporaryDirectory } from "./_temporary_directory.ts";
import { createPart } from "./_values.ts";
import { UNSYNCED_DISK } from "./_unsynced_disk.ts";

const KINDS = Object.keys(VALUE_KIND) as ValueKindName[];
const SIZES = [
  0,
  1,
  4095,
  4096,
  4104,
  16 * 1024,
  16 * 1024 + 8,
  70_000,
  4 * 1024 * 1024,
  5_000_000,
];
const PARTS = [
  ...KINDS.map((kind) => createPart(kind, 8192, kind)),
  ...SIZES.map((size) => createPart(`bytes ${size}`, size, "Uint8Array")),
  // There is only one value without bytes here: a digest is that of the bytes.
  ...SIZES.slice(1).map((size) => createPart(`cbor ${size}`, size, "cbor")),
  // Not a whole number of elements: no array writes that, but it must not be lost.
  createPart("odd", 8191, "Float64Array"),
];

function checkParts(bag: DiskBag, parts: readonly EncodedPart[]): void {
  for (const { digest, kind, bytes } of parts) {
    const payload = bag.values.load(digest);
    assertEquals(payload?.kind, kind);
    // Much faster than a comparison of the arrays.
    assertEquals(payload !== undefined && equal(payload.bytes, bytes), true, `${bytes.length}`);
    assert(bag.values.find(digest) !== undefined);
  }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

Deno.test("BagValues.load() gives back every kind and size, before and after a fold", async () => {
  using directory = new TemporaryDirectory();
  {
    await using bag = await openBagFiles(directory.path, { fold: "manual" });
    for (const part of PARTS) bag.values.putPart(part);
    checkParts(bag, PARTS);
    const digests = new Set(PARTS.map((part) => part.digest));
    assertEquals((await bag.fold())?.values, digests.size);
    checkParts(bag, PARTS);
  }
  await using bag = await openBagFiles(directory.path, { mode: "read" });
  checkParts(bag, PARTS);
});

Deno.test("BagValues.load() gives bytes that the caller owns", async () => {
  using directory = new TemporaryDirectory();
  await using bag = await openBagFiles(directory.path, { fold: "manual" });
  const part = createPart("mine", 50);
  bag.values.putPart(part);
  for (let i = 0; i < 3; i++) {
    const bytes = bag.values.load(part.digest)?.bytes;
    assertEquals(bytes, part.bytes);
    assertEquals(bytes?.buffer.byteLength, 50);
    bytes?.fill(0);
  }
});

Deno.test("BagValues.putPart() keeps no hold on the buffer it is given", async () => {
  using directory = new TemporaryDirectory();
  await using bag = await openBagFiles(directory.path, { fold: "manual" });
  const part = createPart("yours", 50);
  const { bytes } = createPart("yours", 50);
  bag.values.putPart(part);
  part.bytes.fill(0);
  assertEquals(bag.values.load(part.digest)?.bytes, bytes);
});

Deno.test("BagValues.putPart() writes a known value only once", async () => {
  using directory = new TemporaryDirectory();
  const part = createPart("known", 50);
  await using first = await openBagFiles(directory.path, { fold: "manual" });
  await using second = await openBagFiles(directory.path, { fold: "manual" });
  first.values.putPart(part);
  first.values.putPart(part);
  assert(second.values.find(part.digest) !== undefined);
  second.values.putPart(part);
  assertEquals(listFiles(`${directory.path}/journal`).length, 1);
  await first.fold();
  first.values.putPart(part);
  assertEquals(second.values.load(part.digest)?.bytes, part.bytes);
  second.values.putPart(part);
  assertEquals(listFiles(`${directory.path}/journal`), []);
});

Deno.test("BagValues.putPart() rejects what is no digest", async () => {
  using directory = new TemporaryDirectory();
  await using bag = await openBagFiles(directory.path, { fold: "manual" });
  const part = { ...createPart("x", 1), digest: "abcd" };
  assertThrows(() => bag.values.putPart(part), TypeError, 'Cannot put a value as "abcd"');
});

Deno.test("BagValues.load() finds what other handles wrote, folded or not", async () => {
  using directory = new TemporaryDirectory();
  await using reader = await openBagFiles(directory.path, { mode: "readwrite", fold: "manual" });
  await using writer = await openBagFiles(directory.path, { fold: "manual" });
  const parts = Array.from({ length: 10 }, (_, i) => createPart(`part ${i}`, 5000 + 8 * i));
  for (const part of parts) {
    writer.values.putPart(part);
    assertEquals(reader.values.load(part.digest)?.bytes, part.bytes);
    await writer.fold();
    assertEquals(reader.values.load(part.digest)?.bytes, part.bytes);
  }
  checkParts(reader, parts);
});

Deno.test("DiskBag.fold() merges small segments, and readers follow", async () => {
  using directory = new TemporaryDirectory();
  await using reader = await openBagFiles(directory.path, { mode: "readwrite", memoryBytes: 0 });
  await using writer = await openBagFiles(directory.path, { fold: "manual" });
  const parts: EncodedPart[] = [];
  for (let i = 0; i < 12; i++) {
    const part = createPart(`part ${i}`, 30_000, i % 2 === 0 ? "Float64Array" : "cbor");
    parts.push(part);
    writer.values.putPart(part);
    assertEquals((await writer.fold())?.values, 1);
    checkParts(reader, parts);
  }
  const segments = listFiles(`${directory.path}/segments`).filter((name) => name.endsWith(".h5"));
  assertEquals(segments.length <= 4, true, `${segments}`);
});

Deno.test("DiskBag.fold() takes what a reader holds only after the manifest", async () => {
  using directory = new TemporaryDirectory();
  const part = createPart("part", 5000);
  await using writer = await openBagFiles(directory.path, { fold: "manual" });
  writer.values.putPart(part);
  // The reader knows the journal but has not opened it when the fold removes it.
  await using reader = await openBagFiles(directory.path, { fold: "manual", memoryBytes: 0 });
  assert(reader.values.find(part.digest) !== undefined);
  await writer.fold();
  assertEquals(reader.values.load(part.digest)?.bytes, part.bytes);
});

Deno.test("DiskBag.fold() keeps the journal of a live writer, and seals its rest later", async () => {
  using directory = new TemporaryDirectory();
  await using writer = await openBagFiles(directory.path, { fold: "manual" });
  await using folder = await openBagFiles(directory.path, { fold: "manual" });
  const [one, two] = [createPart("one", 10), createPart("two", 20)];
  writer.values.putPart(one);
  assertEquals(await folder.fold(), { values: 1, bytes: 10, journals: 0 });
  writer.values.putPart(two);
  assertEquals(await folder.fold(), { values: 1, bytes: 20, journals: 0 });
  checkParts(folder, [one, two]);
  await writer.close();
  assertEquals(await folder.fold(), { values: 0, bytes: 0, journals: 1 });
  checkParts(folder, [one, two]);
});

Deno.test("DiskBag.fold() of a bag without values does nothing", async () => {
  using directory = new TemporaryDirectory();
  await using bag = await openBagFiles(directory.path);
  assertEquals(await bag.fold(), { values: 0, bytes: 0, journals: 0 });
});

/** The HDF5 library, but it never tells where a dataset lies. */
class BlindLibrary implements Hdf5Access {
  readonly #library: Hdf5Library;

  constructor(library: Hdf5Library) {
    this.#library = library;
  }

  create(...args: Parameters<Hdf5Library["create"]>): Hdf5Output {
    const output = this.#library.create(...args);
    return {
      createGroup: (path) => output.createGroup(path),
      createDataset(path, shape, chunks) {
        output.createDataset(path, shape, chunks);
        // Nowhere, and at a place that is wrong.
        return path === "/packed" ? undefined : 0;
      },
      createChunkedDataset: (...args) => output.createChunkedDataset(...args),
      setAttribute: (path, name, text) => output.setAttribute(path, name, text),
      createText: (path, texts) => output.createText(path, texts),
      setProperty: (path, name, value) => output.setProperty(path, name, value),
      createHardLink: (path, target) => output.createHardLink(path, target),
      createSoftLink: (path, target) => output.createSoftLink(path, target),
      createExternalLink: (path, file, target) => output.createExternalLink(path, file, target),
      close: () => output.close(),
    };
  }

  openDatasets(file: PositionedFile): DatasetInput {
    return this.#library.openDatasets(file);
  }

  open(...args: Parameters<Hdf5Library["open"]>): ReturnType<Hdf5Library["open"]> {
    const input = this.#library.open(...args);
    return {
      names: (group) => input.names(group),
      describeDataset: (path) => input.describeDataset(path),
      readPart: (path, start, count) => input.readPart(path, start, count),
      locateDataset: () => undefined,
      measureDataset: (path) => input.measureDataset(path),
      readDataset: (path) => input.readDataset(path),
      hasAttribute: (path, name) => input.hasAttribute(path, name),
      readAttribute: (path, name) => input.readAttribute(path, name),
      readExternalLink: (path) => input.readExternalLink(path),
      close: () => input.close(),
    };
  }
}

Deno.test("BagValues.load() reads values whose place in the segment is unknown", async () => {
  using directory = new TemporaryDirectory();
  const parts = [createPart("a", 100), createPart("b", 9000, "Int32Array"), createPart("c", 7)];
  const loadLibrary = async () => new BlindLibrary(await Hdf5Library.load());
  const environment = {
    fileSystem: UNSYNCED_DISK,
    runner: new InlineFoldRunner(UNSYNCED_DISK, loadLibrary),
  };
  const table = `${directory.path}/segments/000001.index`;
  {
    await using bag = await openBagFiles(directory.path, { fold: "manual" }, environment);
    for (const part of parts) bag.values.putPart(part);
    await bag.fold();
    checkParts(bag, parts);
  }
  const size = Deno.statSync(table).size;
  Deno.removeSync(table);
  {
    await using bag = await openBagFiles(directory.path, { fold: "manual" }, environment);
    checkParts(bag, parts);
  }
  assertEquals(Deno.statSync(table).size, size);
  // With a library that sees, the table is much smaller.
  Deno.removeSync(table);
  await using bag = await openBagFiles(directory.path, { fold: "manual" });
  checkParts(bag, parts);
  assertNotEquals(Deno.statSync(table).size, size);
});

Deno.test("openBagFiles() makes missing tables and the link file again", async () => {
  using directory = new TemporaryDirectory();
  const parts = [createPart("a", 100), createPart("b", 9000, "Float16Array"), createPart("c", 0)];
  {
    await using bag = await openBagFiles(directory.path);
    for (const part of parts) bag.values.putPart(part);
  }
  const files = listFiles(directory.path);
  const table = Deno.readFileSync(`${directory.path}/segments/000001.index`);
  Deno.removeSync(`${directory.path}/segments/000001.index`);
  Deno.removeSync(`${directory.path}/values.h5`);
  {
    await using bag = await openBagFiles(directory.path, { mode: "read" });
    checkParts(bag, parts);
  }
  assertEquals(listFiles(directory.path).length, files.length - 2);
  await using bag = await openBagFiles(directory.path);
  checkParts(bag, parts);
  assertEquals(listFiles(directory.path), files);
  const rebuilt = Deno.readFileSync(`${directory.path}/segments/000001.index`);
  assertEquals(equal(rebuilt, table), true);
});

Deno.test("BagValues.load() misses when a segment is gone", async () => {
  using directory = new TemporaryDirectory();
  const part = createPart("a", 100);
  {
    await using bag = await openBagFiles(directory.path);
    bag.values.putPart(part);
  }
  Deno.removeSync(`${directory.path}/segments/000001.h5`);
  await using bag = await openBagFiles(directory.path);
  assertEquals(bag.values.load(part.digest), undefined);
  bag.values.putPart(part);
  assertEquals(bag.values.load(part.digest)?.bytes, part.bytes);
});

for (const seen of ["read", "found", "not seen"]) {
  Deno.test(`BagValues puts again what lay in a journal that a killed sweep has removed (${seen})`, async () => {
    using directory = new TemporaryDirectory();
    const { path } = directory;
    const [whole, pieces] = [createPart("whole", 5000), createPart("pieces", 6000, "Float64Array")];
    {
      await using writer = await openBagFiles(path, { fold: "manual" });
      for (const part of [whole, pieces]) writer.values.putPart(part);
    }
    await using bag = await openBagFiles(path, { fold: "manual", memoryBytes: 0 });
    if (seen === "read") checkParts(bag, [whole, pieces]);
    // Whoever looks for what is nowhere learns of all journals.
    if (seen === "found") assertEquals(bag.values.find(createPart("none", 1).digest), undefined);
    for (const name of listFiles(`${path}/journal`)) Deno.removeSync(`${path}/journal/${name}`);
    const { digest, kind, bytes } = pieces;
    const chunks = () => [bytes];
    await bag.values.putPieces({ digest, kind, length: 6000, crc: crc32(bytes), chunks });
    bag.values.putPart(whole);
    await using other = await openBagFiles(path, { mode: "read" });
    checkParts(other, [whole, pieces]);
  });
}

Deno.test("BagValues.putPart() begins a new journal at journalBytes and folds in between", async () => {
  using directory = new TemporaryDirectory();
  await using bag = await openBagFiles(directory.path, { journalBytes: 3000 });
  const parts = Array.from({ length: 100 }, (_, i) => createPart(`part ${i}`, 500));
  for (const part of parts) bag.values.putPart(part);
  assertEquals(listFiles(`${directory.path}/journal`).length > 10, true);
  checkParts(bag, parts);
});

Deno.test("DiskBag with durability: power syncs before it returns", async () => {
  using directory = new TemporaryDirectory();
  const steps: string[] = [];
  const fileSystem: FileSystem = {
    ...DISK,
    write(file, bytes) {
      steps.push("write");
      return DISK.write(file, bytes);
    },
    sync(file) {
      steps.push("sync");
      DISK.sync(file);
    },
  };
  const environment = { fileSystem, runner: new InlineFoldRunner() };
  const options = { durability: "power", fold: "manual" } as const;
  await using bag = await openBagFiles(directory.path, options, environment);
  steps.length = 0;
  bag.values.putPart(createPart("a", 10));
  bag.calls.putLine(createPart("k", 1).digest, {});
  assertEquals(steps, ["write", "sync", "write", "sync"]);
});

Deno.test("BagValues.describe() names the parts of a value whose segment was merged into another", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  const environment = { fileSystem: UNSYNCED_DISK, runner: new InlineFoldRunner() };
  const value = encodeValue({ array: new Float64Array(600) });
  await using writer = await openBagFiles(path, { fold: "manual" }, environment);
  writer.values.put(value);
  await writer.fold();
  await using reader = await openBagFiles(path, { mode: "read" }, environment);
  writer.values.putPart(createPart("another", 100));
  await writer.compact({ full: true });
  assertEquals(listFiles(path).includes("segments/000001.h5"), false);
  const parts = value.parts.map(({ digest }) => digest);
  assertEquals(parts.length, 1);
  assertEquals(reader.values.describe(value.digest), { bytes: value.bytes.length, parts });
});
