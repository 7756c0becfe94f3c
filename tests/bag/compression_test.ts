// end-to-end: bags that compress arrays, and arrays with more than one dimension
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { DiskBag } from "../../src/bag/disk_bag.ts";
import { openBagFiles } from "../../src/bag/open_bag.ts";
import { BagFormatError } from "../../src/base/errors.ts";
import { type EncodedPart, VALUE_KIND } from "../../src/value/value.ts";
import { FaultError, FaultyFileSystem } from "./_faulty_file_system.ts";
import { Tool } from "../tools.ts";
import { InlineFoldRunner } from "./_inline_fold_runner.ts";
import { TemporaryDirectory } from "./_temporary_directory.ts";
import { createPart } from "./_values.ts";

const H5PY = Tool.find("python3-h5py");
const H5DUMP = Tool.find("h5dump");

const GZIP = { compression: { gzip: 4 } };

function withShape(part: EncodedPart, shape: readonly number[]): EncodedPart {
  return { ...part, shape };
}

function createRandom(length: number): EncodedPart {
  const part = createPart(`random ${length}`, length, "Uint8Array");
  // Steps of a counter that is multiplied: nothing that gzip could find.
  let x = length;
  for (let i = 0; i < length; i++) {
    x = Math.imul(x, 1_664_525) + 1_013_904_223 | 0;
    part.bytes[i] = x >>> 24;
  }
  return part;
}

const PARTS = [
  createPart("small", 100),
  createPart("text", 9000),
  createPart("one chunk", 4096, "Float64Array"),
  createPart("many chunks", 1_000_008, "Float64Array"),
  createPart("half", 600_000, "Float16Array"),
  createPart("view", 5000, "DataView"),
  createPart("odd", 8191, "Float64Array"),
  createRandom(600_000),
  withShape(createPart("matrix", 8 * 300 * 1001, "Float64Array"), [300, 1001]),
  withShape(createPart("long rows", 4 * 3 * 200_000, "Int32Array"), [3, 1, 200_000]),
  withShape(createPart("cube", 50 * 60 * 70, "Uint8Array"), [50, 60, 70]),
  withShape(createPart("column", 2 * 300_000, "Int16Array"), [300_000, 1]),
];

function checkParts(bag: DiskBag, parts: readonly EncodedPart[] = PARTS): void {
  for (const { digest, kind, bytes } of parts) {
    const payload = bag.values.load(digest);
    assertEquals(payload?.kind, kind);
    assert(payload !== undefined && equal(payload.bytes, bytes), `${bytes.length}`);
    checkPieces(bag, digest, bytes);
  }
}

function checkPieces(bag: DiskBag, digest: string, bytes: Uint8Array): void {
  const payload = bag.values.open(digest);
  assertEquals(payload?.length, bytes.length);
  for (const share of [0, 0.3, 0.49, 0.98]) {
    const offset = Math.floor(bytes.length * share);
    const piece = new Uint8Array(Math.min(70_000, bytes.length - offset));
    assert(payload?.read(offset, piece), `${offset} of ${bytes.length}`);
    assert(equal(piece, bytes.subarray(offset, offset + piece.length)), `${offset}`);
  }
  assertEquals(payload?.read(bytes.length, new Uint8Array(1)), false);
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

const ENVIRONMENT = { fileSystem: UNSYNCED_DISK, runner: new InlineFoldRunner() };

async function createBag(path: string, options = {}): Promise<void> {
  await using bag = await openBagFiles(path, { ...options, fold: "manual" }, ENVIRONMENT);
  for (const part of PARTS) bag.values.putPart(part);
  checkParts(bag);
  await bag.fold();
}

const SCRIPT = `
import h5py, json, sys
found = {}
for segment in h5py.File(sys.argv[1] + "/values.h5", "r")["segments"].values():
    for digest, dataset in segment.items():
        about = json.loads(dataset.attrs["quiver"])
        assert list(dataset.shape) == about["shape"], digest
        if len(sys.argv) > 2:
            assert dataset.compression == "gzip" and dataset.compression_opts == int(sys.argv[2])
        else:
            assert dataset.chunks is None
        import zlib
        assert zlib.crc32(dataset[...].tobytes()) == about["crc32"], digest
        found[digest] = list(dataset.shape)
print(json.dumps(found))
`;
import { UNSYNCED_DISK } from "./_unsynced_disk.ts";

for (const options of [{}, GZIP]) {
  const kind = "compression" in options ? "compressed" : "plain";

  // fleche 58
  Deno.test(`DiskBag gives back every array and piece of it from a ${kind} bag`, async () => {
    using directory = new TemporaryDirectory();
    await createBag(directory.path, options);
    // The second handle knows nothing of what the first has seen.
    await using bag = await openBagFiles(directory.path, { mode: "read", memoryBytes: 0 });
    checkParts(bag);
  });

  Deno.test({
    ...H5PY.forTest(`DiskBag.fold() writes shapes that h5py sees in a ${kind} bag`),
    async fn() {
      using directory = new TemporaryDirectory();
      await createBag(directory.path, options);
      const args = kind === "compressed" ? [directory.path, "4"] : [directory.path];
      const { code, output } = H5PY.run("-c", SCRIPT, ...args);
      assertEquals(code, 0, output);
      const found = JSON.parse(output);
      for (const { digest, shape } of PARTS.slice(-4)) assertEquals(found[digest], shape);
    },
  });

  Deno.test(`DiskBag.fold() keeps shapes and values when ${kind} segments are merged`, async () => {
    using directory = new TemporaryDirectory();
    const manual = { ...options, fold: "manual" } as const;
    await using bag = await openBagFiles(directory.path, manual, ENVIRONMENT);
    for (const some of [PARTS.slice(0, 5), PARTS.slice(5, 9), PARTS.slice(9)]) {
      for (const part of some) bag.values.putPart(part);
      await bag.fold();
    }
    assertEquals(Array.from(Deno.readDirSync(`${directory.path}/segments`)).length, 4);
    checkParts(bag);
    for (const { digest, shape } of PARTS) {
      assertEquals(bag.values.open(digest)?.shape, shape);
    }
  });

  Deno.test(`openBagFiles() makes the table of a ${kind} segment again`, async () => {
    using directory = new TemporaryDirectory();
    await createBag(directory.path, options);
    const table = `${directory.path}/segments/000001.index`;
    const before = await Deno.readFile(table);
    Deno.removeSync(table);
    await using bag = await openBagFiles(directory.path, {}, ENVIRONMENT);
    checkParts(bag);
    for (const { digest, shape } of PARTS) {
      assertEquals(bag.values.open(digest)?.shape, shape);
    }
    assert(equal(await Deno.readFile(table), before));
  });
}

Deno.test({
  ...H5DUMP.forTest("DiskBag.fold() compresses such that h5dump shows the filter"),
  async fn() {
    using directory = new TemporaryDirectory();
    await createBag(directory.path, GZIP);
    const { code, output } = H5DUMP.run("-pH", `${directory.path}/segments/000001.h5`);
    assertEquals(code, 0, output);
    assert(output.includes("COMPRESSION DEFLATE { LEVEL 4 }"), output);
    assert(output.includes("( 300, 1001 ) / ( 300, 1001 )"), output);
  },
});

Deno.test("BagValues.load() misses a compressed value with any chunk damaged", async () => {
  using directory = new TemporaryDirectory();
  const part = createPart("many chunks", 1_000_008, "Float64Array");
  {
    await using bag = await openBagFiles(directory.path, GZIP, ENVIRONMENT);
    bag.values.putPart(part);
  }
  const file = `${directory.path}/segments/000001.h5`;
  const sound = Deno.readFileSync(file);
  // Chunks begin with the header of zlib.
  const begin = sound.findIndex((byte, i) => byte === 0x78 && sound[i + 1] === 0x5e);
  assert(begin > 0);
  for (const at of [begin, begin + 1, begin + 30, begin + 200]) {
    const bytes = sound.slice();
    bytes[at] = (bytes[at] ?? 0) ^ 0x10;
    Deno.writeFileSync(file, bytes);
    await using bag = await openBagFiles(directory.path, { mode: "read" });
    assertEquals(bag.values.load(part.digest), undefined, `${at}`);
  }
});

// fleche 58
Deno.test("openBagFiles() decides on compression once, and all who open the bag keep to it", async () => {
  using directory = new TemporaryDirectory();
  await createBag(directory.path, GZIP);
  const more = createPart("more", 100_000, "Float32Array");
  {
    await using bag = await openBagFiles(directory.path, {}, ENVIRONMENT);
    bag.values.putPart(more);
  }
  await using bag = await openBagFiles(directory.path, GZIP);
  checkParts(bag, [...PARTS, more]);
  const bytes = Array.from(Deno.readDirSync(`${directory.path}/segments`))
    .filter(({ name }) => name.endsWith(".h5"))
    .map(({ name }) => Deno.statSync(`${directory.path}/segments/${name}`).size);
  const plain = PARTS.reduce((sum, part) => sum + part.bytes.length, 0);
  assert(bytes.reduce((sum, size) => sum + size, 0) < plain / 2);
  await assertRejects(
    () => openBagFiles(directory.path, { compression: { gzip: 9 } }),
    BagFormatError,
    "the bag was created with gzip: 4, which is decided once",
  );
});

Deno.test("openBagFiles() rejects compression that there is not", async () => {
  using directory = new TemporaryDirectory();
  for (const gzip of [0, 10, 1.5, NaN]) {
    await assertRejects(
      () => openBagFiles(`${directory.path}/new`, { compression: { gzip } }),
      RangeError,
      'as "compression" must be { gzip: 1 … 9 }',
    );
  }
  {
    await using bag = await openBagFiles(directory.path, {}, ENVIRONMENT);
    bag.values.putPart(createPart("x", 10));
  }
  await assertRejects(
    () => openBagFiles(directory.path, GZIP),
    BagFormatError,
    "created without compression",
  );
});

Deno.test("BagValues.putPart() keeps the first shape of an array, whose digest has none", async () => {
  using directory = new TemporaryDirectory();
  await using bag = await openBagFiles(directory.path, { fold: "manual" }, ENVIRONMENT);
  const part = createPart("matrix", 8000, "Float64Array");
  bag.values.putPart(withShape(part, [10, 100]));
  bag.values.putPart(withShape(part, [100, 10]));
  await bag.fold();
  assertEquals(bag.values.open(part.digest)?.shape, [10, 100]);
  // A shape of another number of elements is none.
  const wrong = createPart("wrong", 8000, "Float64Array");
  bag.values.putPart(withShape(wrong, [7, 7]));
  await bag.fold();
  assertEquals(bag.values.open(wrong.digest)?.shape, undefined);
  assertEquals(bag.values.load(wrong.digest)?.kind, VALUE_KIND.Float64Array);
});

Deno.test("openBagFiles() with compression loses nothing when the program ends at any step", async () => {
  const parts = [
    createPart("one chunk", 4096, "Float64Array"),
    withShape(createPart("shaped", 8 * 6 * 100, "Float64Array"), [6, 100]),
  ];
  for (let at = 0;; at++) {
    using directory = new TemporaryDirectory();
    const fileSystem = new FaultyFileSystem("stop", at);
    const acknowledged: EncodedPart[] = [];
    try {
      const runner = new InlineFoldRunner(fileSystem);
      const options = { ...GZIP, fold: "manual" } as const;
      await using bag = await openBagFiles(directory.path, options, { fileSystem, runner });
      for (const part of parts) {
        bag.values.putPart(part);
        acknowledged.push(part);
      }
      await bag.fold();
    } catch (error) {
      if (!(error instanceof FaultError)) throw error;
    }
    await using bag = await openBagFiles(directory.path, { fold: "manual" }, ENVIRONMENT);
    checkParts(bag, acknowledged);
    await bag.fold();
    checkParts(bag, acknowledged);
    for (const { digest, shape } of acknowledged) {
      assertEquals(bag.values.open(digest)?.shape, shape, `step ${at}`);
    }
    if (!fileSystem.failed) break;
  }
});

Deno.test("DiskBag gives no wrong piece when any byte of what tells of chunks is damaged", async () => {
  using directory = new TemporaryDirectory();
  const parts = PARTS.filter(({ bytes }) => bytes.length > 500_000);
  {
    await using bag = await openBagFiles(directory.path, GZIP, ENVIRONMENT);
    for (const part of parts) bag.values.putPart(part);
  }
  const file = `${directory.path}/segments/000001.index`;
  const sound = Deno.readFileSync(file);
  for (let at = 64 + 64 * parts.length; at < sound.length; at += 37) {
    const bytes = sound.slice();
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    Deno.writeFileSync(file, bytes);
    await using bag = await openBagFiles(directory.path, { mode: "read" }, ENVIRONMENT);
    for (const { digest, bytes } of parts) {
      const piece = new Uint8Array(1000);
      if (bag.values.open(digest)?.read(123_456, piece) !== true) continue;
      assert(equal(piece, bytes.subarray(123_456, 124_456)), `${at}`);
    }
  }
});
