// end-to-end: compaction keeps the shapes of arrays, and compression
import { assert, assertEquals } from "@std/assert";
import { DISK, type FileSystem } from "../../src/disk/file_system.ts";
import type { DiskBag } from "../../src/bag/disk_bag.ts";
import { openBagFiles } from "../../src/bag/open_bag.ts";
import type { EncodedPart } from "../../src/value/value.ts";
import { Tool } from "../tools.ts";
import { InlineFoldRunner } from "./_inline_fold_runner.ts";
import { listFiles, TemporaryDirectory } from "./_temporary_directory.ts";
import { createPart } from "./_values.ts";

const H5PY = Tool.find("python3-h5py");

const MATRIX = { ...createPart("matrix", 8 * 30 * 100, "Float64Array"), shape: [30, 100] };
const CUBE = { ...createPart("cube", 4 * 5 * 6 * 5000, "Int32Array"), shape: [5, 6, 5000] };
const ROW = createPart("row", 8 * 4000, "Float64Array");
const OTHERS = Array.from(
  { length: 6 },
  (_, i) => createPart(`other ${i}`, 20_000 + 8 * i, "cbor"),
);

function toDigests(parts: readonly EncodedPart[]): string[] {
  return parts.map(({ digest }) => digest);
}

function countWhole(bag: DiskBag, parts: readonly EncodedPart[]): number {
  return parts.filter(({ digest, kind, bytes }) => {
    const payload = bag.values.load(digest);
    if (payload !== undefined) assertEquals(payload, { kind, bytes });
    return payload !== undefined;
  }).length;
}

function open(
  path: string,
  options = {},
  fileSystem: FileSystem = UNSYNCED_DISK,
): Promise<DiskBag> {
  const runner = new InlineFoldRunner(fileSystem);
  const settings = { ...options, fold: "manual", memoryBytes: 0 } as const;
  return openBagFiles(path, settings, { fileSystem: UNSYNCED_DISK, runner });
}

/** Puts values into a bag, and seals them. */
async function fill(path: string, parts: readonly EncodedPart[], options = {}): Promise<void> {
  await using bag = await open(path, options);
  for (const part of parts) bag.values.putPart(part);
  await bag.fold();
}

/** The disk, with something that happens right before the second segment gets its name. */
function beforeSegment(happen: () => void): FileSystem {
  let done = false;
  return {
    ...UNSYNCED_DISK,
    rename(from, to) {
      if (!done && /segments\/\d+\.h5$/.test(to)) {
        done = true;
        happen();
      }
      DISK.rename(from, to);
    },
  };
}

const SCRIPT = `
import h5py, json, sys
[segment] = h5py.File(sys.argv[1] + "/values.h5", "r")["segments"].values()
print(json.dumps({
    name: [list(data.shape), data.compression, data.compression_opts]
    for name, data in segment.items() if data[...] is not None
}))
`;
import { UNSYNCED_DISK } from "./_unsynced_disk.ts";

Deno.test({
  ...H5PY.forTest("DiskBag.compact() keeps shapes and compression, which h5py sees"),
  async fn() {
    using directory = new TemporaryDirectory();
    const { path } = directory;
    const wanted = [MATRIX, CUBE, ROW, ...OTHERS.slice(0, 3)];
    await fill(path, [MATRIX, ...OTHERS], { compression: { gzip: 3 } });
    await fill(path, [CUBE, createPart("unwanted", 50_000, "Float64Array")]);
    await fill(path, [ROW]);
    await using bag = await open(path);
    const horizon = await bag.horizon(0);
    const { values } = await bag.compact({ live: toDigests(wanted), horizon, full: true });
    assertEquals([values, countWhole(bag, [...wanted, ...OTHERS.slice(3)])], [4, 6]);
    const shapes = [MATRIX, CUBE, ROW].map(({ digest }) => bag.values.open(digest)?.shape);
    assertEquals(shapes, [[30, 100], [5, 6, 5000], undefined]);
    const { code, output } = H5PY.run("-c", SCRIPT, path);
    assertEquals(code, 0, output);
    assertEquals(JSON.parse(output), {
      [MATRIX.digest]: [[30, 100], "gzip", 3],
      [CUBE.digest]: [[5, 6, 5000], "gzip", 3],
      [ROW.digest]: [[4000], "gzip", 3],
    });
  },
});

Deno.test("DiskBag.compact() keeps the shape of a value that is put again meanwhile", async () => {
  for (const options of [{}, { compression: { gzip: 1 } }]) {
    using directory = new TemporaryDirectory();
    await fill(directory.path, [...OTHERS, MATRIX], options);
    await using other = await open(directory.path);
    assert(other.values.find(MATRIX.digest) !== undefined);
    const { shape: _, ...plain } = MATRIX;
    const fileSystem = beforeSegment(() => other.values.putPart(plain));
    await using bag = await open(directory.path, {}, fileSystem);
    const horizon = await bag.horizon(0);
    const { values } = await bag.compact({ live: toDigests(OTHERS), horizon });
    assertEquals([values, listFiles(`${directory.path}/journal`).length], [0, 1]);
    for (const place of ["journal", "segment"]) {
      assertEquals(bag.values.open(MATRIX.digest)?.shape, [30, 100], place);
      assertEquals(bag.values.load(MATRIX.digest)?.bytes, MATRIX.bytes, place);
      await bag.fold();
    }
  }
});

Deno.test("DiskBag.compact() gives no value that became damaged after it was put again", async () => {
  using directory = new TemporaryDirectory();
  await fill(directory.path, [...OTHERS, MATRIX]);
  await using other = await open(directory.path);
  const file = `${directory.path}/segments/000001.h5`;
  const fileSystem = beforeSegment(() => {
    other.values.putPart(MATRIX);
    const content = Deno.readFileSync(file);
    const begin = MATRIX.bytes.subarray(0, 64);
    const at = content.findIndex((_, i) => begin.every((byte, j) => content[i + j] === byte));
    content[at + 100] = (content[at + 100] ?? 0) ^ 1;
    Deno.writeFileSync(file, content);
  });
  await using bag = await open(directory.path, {}, fileSystem);
  await bag.compact({ live: toDigests(OTHERS), horizon: await bag.horizon(0) });
  assertEquals([countWhole(bag, OTHERS), bag.values.load(MATRIX.digest)], [6, undefined]);
});
