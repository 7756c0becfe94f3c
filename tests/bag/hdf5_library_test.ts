// contract: what the HDF5 library does for a bag, and how it fails
import { assert, assertEquals, assertThrows } from "@std/assert";
import { DISK } from "../../src/disk/file_system.ts";
import { PositionedFile } from "../../src/bag/hdf5/emscripten_fs.ts";
import { Hdf5Library } from "../../src/bag/hdf5/library.ts";
import { QuiverError } from "../../src/base/errors.ts";
import { TemporaryDirectory } from "./_temporary_directory.ts";

const SHAPE = { type: "<B", count: 5, length: 5 } as const;

function openFile(directory: TemporaryDirectory): Deno.FsFile {
  return Deno.openSync(`${directory.path}/x.h5`, { read: true, write: true, create: true });
}

Deno.test("Hdf5Library tells where the bytes of a dataset lie, when writing and when reading", async () => {
  using directory = new TemporaryDirectory();
  const library = await Hdf5Library.load();
  using file = openFile(directory);
  const output = library.create(new PositionedFile(DISK, file));
  // Below and above the size at which bytes do not go through the library's memory.
  const sizes = [1, 200, 4096, 65_536, 100_000, 4 * 1024 * 1024, 6_000_000];
  const offsets = sizes.map((size) => {
    const bytes = new Uint8Array(size).fill(size % 251);
    const halves = [bytes.subarray(0, size >> 1), bytes.subarray(size >> 1)];
    return output.createDataset(`/${size}`, { type: "<B", count: size, length: size }, halves);
  });
  output.setAttribute("/200", "about", "été");
  output.close();
  const content = Deno.readFileSync(`${directory.path}/x.h5`);
  const input = library.open(new PositionedFile(DISK, file));
  for (const [i, size] of sizes.entries()) {
    const offset = offsets[i];
    assert(offset !== undefined);
    assertEquals(input.locateDataset(`/${size}`), offset, `${size}`);
    assertEquals(input.measureDataset(`/${size}`), size);
    const bytes = content.subarray(offset, offset + size);
    assert(bytes.length === size && bytes.every((byte) => byte === size % 251), `${size}`);
    assertEquals(input.readDataset(`/${size}`).length, size);
  }
  assertEquals(input.readAttribute("/200", "about"), "été");
  assertEquals(input.names("/").sort(), sizes.map(String).sort());
  input.close();
});

Deno.test("Hdf5Library throws what the library only prints", async () => {
  using directory = new TemporaryDirectory();
  const library = await Hdf5Library.load();
  using file = openFile(directory);
  const output = library.create(new PositionedFile(DISK, file));
  output.createDataset("/x", SHAPE, [new Uint8Array(5)]);
  assertThrows(
    () => output.createDataset("/x", SHAPE, [new Uint8Array(5)]),
    QuiverError,
    'Cannot create dataset "/x" as HDF5: HDF5-DIAG',
  );
  assertThrows(() => output.createGroup("/no/such"), QuiverError, "HDF5-DIAG");
  output.close();
  const input = library.open(new PositionedFile(DISK, file));
  assertThrows(() => input.readDataset("/y"), QuiverError, 'Cannot measure dataset "/y"');
  assertThrows(() => input.readAttribute("/x", "y"), QuiverError, 'attribute "y" of "/x"');
  input.close();
});

Deno.test("Hdf5Library.open() throws when the file is none of HDF5's", async () => {
  using directory = new TemporaryDirectory();
  const library = await Hdf5Library.load();
  using file = openFile(directory);
  file.writeSync(new Uint8Array(1000));
  assertThrows(() => library.open(new PositionedFile(DISK, file)), QuiverError, "Cannot open");
});

Deno.test("Hdf5Library throws the disk's own error", async () => {
  using directory = new TemporaryDirectory();
  const library = await Hdf5Library.load();
  using file = openFile(directory);
  let full = false;
  const fileSystem = {
    ...DISK,
    write(file: Deno.FsFile, bytes: Uint8Array) {
      if (full) throw new RangeError("No space left on device");
      return DISK.write(file, bytes);
    },
  };
  const output = library.create(new PositionedFile(fileSystem, file));
  full = true;
  assertThrows(
    () => output.createDataset("/x", SHAPE, [new Uint8Array(5)]),
    RangeError,
    "No space left",
  );
  // The library is still good for another file.
  full = false;
  using other = Deno.openSync(`${directory.path}/y.h5`, { read: true, write: true, create: true });
  const next = library.create(new PositionedFile(fileSystem, other));
  next.createDataset("/x", SHAPE, [new Uint8Array(5)]);
  next.close();
});
