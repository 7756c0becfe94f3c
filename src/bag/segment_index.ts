import { type FileHandles, openIfThere, readWhole } from "../disk/file_system.ts";
import { DigestTable, PURPOSE } from "./digest_table.ts";
import { type BagLayout, toSegmentIndexPath, toSegmentPath } from "../disk/layout.ts";

/**
 * Reads the table of a segment.
 *
 * @param layout The bag's paths.
 * @param segment The segment's name.
 * @param handles Where open files are kept: then the rows of a large table do not stay in memory.
 * @returns The table, or `undefined` when it is missing, damaged, or of another file; it can then
 * be made again from the segment.
 */
export function readSegmentIndex(
  layout: BagLayout,
  segment: string,
  handles?: FileHandles,
): DigestTable | undefined {
  const path = toSegmentIndexPath(layout, segment);
  const table = handles === undefined ? readInMemory(path) : readLean(path, handles);
  return table?.subject.length === readSize(toSegmentPath(layout, segment)) ? table : undefined;
}

function readInMemory(path: string): DigestTable | undefined {
  const bytes = readWhole(path);
  return bytes && DigestTable.decode(bytes, PURPOSE.values);
}

function readLean(path: string, handles: FileHandles): DigestTable | undefined {
  // Not through `handles`: the tables of many segments would displace files that are in use.
  using file = openIfThere(path);
  return file && DigestTable.read(file, PURPOSE.values, () => handles.open(path));
}

function readSize(path: string): number | undefined {
  try {
    return Deno.statSync(path).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
