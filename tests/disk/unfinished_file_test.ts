// Contract: files that are not finished are told from those that killed writers have left.
import { assertEquals, assertNotEquals } from "@std/assert";
import { DISK } from "../../src/disk/file_system.ts";
import { listNames } from "../../src/disk/layout.ts";
import {
  clearUnfinishedFiles,
  createUnfinishedFile,
  removeUnfinishedFile,
} from "../../src/disk/unfinished_file.ts";
import { HDF5_ENVIRONMENT, writeHdf5File } from "../../src/bag/segment/hdf5_file.ts";
import { TemporaryDirectory } from "../bag/_temporary_directory.ts";

/** Leaves what a killed program leaves: the file, without its lock. */
function leaveUnfinished(directory: string): string {
  const { path, file } = createUnfinishedFile(DISK, directory);
  file.close();
  return path.slice(directory.length + 1);
}

Deno.test("clearUnfinishedFiles() removes what nobody writes any more, and nothing else", () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  const left = [leaveUnfinished(path), leaveUnfinished(path)];
  assertNotEquals(left[0], left[1]);
  const others = ["notes.tmp", ".quiver-x.tmp", "results.h5.0.tmp"];
  for (const name of others) Deno.writeTextFileSync(`${path}/${name}`, "mine");
  Deno.mkdirSync(`${path}/.quiver-0123456789ab.tmp`);
  const unfinished = createUnfinishedFile(DISK, path);
  clearUnfinishedFiles(DISK, path);
  const own = unfinished.path.slice(path.length + 1);
  assertEquals(listNames(path), [...others, ".quiver-0123456789ab.tmp", own].sort());
  removeUnfinishedFile(DISK, unfinished);
  assertEquals(listNames(path).includes(own), false);
  clearUnfinishedFiles(DISK, `${path}/nowhere`);
});

Deno.test("writeHdf5File() fits a name of 255 bytes, and removes what a killed one left", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  leaveUnfinished(path);
  const name = `${"n".repeat(252)}.h5`;
  await writeHdf5File(`${path}/${name}`, (output) => {
    output.createGroup("/values");
    return Promise.resolve();
  }, HDF5_ENVIRONMENT);
  assertEquals(listNames(path), [name]);
});
