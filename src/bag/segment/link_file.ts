import { type FileSystem, toTemporaryPath } from "../../disk/file_system.ts";
import type { BagLayout } from "../../disk/layout.ts";
import { PositionedFile } from "../hdf5/emscripten_fs.ts";
import type { Hdf5Access } from "../hdf5/access.ts";

/**
 * Writes `values.h5`, which leads HDF5 tools to every segment: `/segments/<n>` is a link to the
 * `/values` of `segments/<n>.h5`.
 *
 * @param segments The names of the live segments.
 */
export function writeLinkFile(
  fileSystem: FileSystem,
  layout: BagLayout,
  library: Hdf5Access,
  segments: readonly string[],
): void {
  const temporary = toTemporaryPath(layout.linkFile);
  {
    using file = fileSystem.open(temporary, { read: true, write: true, createNew: true });
    const output = library.create(new PositionedFile(fileSystem, file));
    output.createGroup("/segments");
    for (const name of segments) {
      output.createExternalLink(`/segments/${name}`, `segments/${name}.h5`, "/values");
    }
    output.close();
    fileSystem.sync(file);
  }
  fileSystem.rename(temporary, layout.linkFile);
}
