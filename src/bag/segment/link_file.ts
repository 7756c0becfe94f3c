import { TemporaryFile } from "../../disk/file_system.ts";
import { PositionedFile } from "../hdf5/emscripten_fs.ts";
import type { SegmentEntry } from "../manifest.ts";
import type { SegmentEnvironment } from "./seal.ts";

/**
 * Writes `values.h5`, which leads HDF5 tools to every segment: `/segments/<n>` is a link to the
 * `/values` of `segments/<n>.h5`.
 *
 * @param environment What writing it needs.
 * @param segments The live segments.
 */
export function writeLinkFile(
  { fileSystem, layout, library }: SegmentEnvironment,
  segments: readonly SegmentEntry[],
): void {
  using temporary = new TemporaryFile(fileSystem, layout.linkFile);
  {
    using file = fileSystem.open(temporary.path, { read: true, write: true, createNew: true });
    const output = library.create(new PositionedFile(fileSystem, file));
    output.createGroup("/segments");
    for (const { name } of segments) {
      output.createExternalLink(`/segments/${name}`, `segments/${name}.h5`, "/values");
    }
    output.close();
    fileSystem.sync(file);
  }
  temporary.rename();
  // Before a manifest names what it leads to, or what it led to is removed.
  fileSystem.syncDirectory(layout.root);
}
