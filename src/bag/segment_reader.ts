import { type FileHandles, mayHave, readAt, type ReadBytes } from "../disk/file_system.ts";
import { type BagLayout, toSegmentIndexPath, toSegmentPath } from "../disk/layout.ts";
import type { SegmentReader } from "./sealed_payload.ts";

/**
 * Makes what reads the files of a segment.
 *
 * @param layout The bag's paths.
 * @param handles Where open files are kept.
 * @param name The segment's name.
 * @returns What reads them; files are opened when they are needed.
 */
export function createSegmentReader(
  layout: BagLayout,
  handles: FileHandles,
  name: string,
): SegmentReader {
  const toRead = (path: string): ReadBytes => (offset, target) => {
    const file = handles.open(path);
    return file !== undefined && mayHave(file, offset, target.length) &&
      readAt(file, offset, target);
  };
  return {
    segment: toRead(toSegmentPath(layout, name)),
    table: toRead(toSegmentIndexPath(layout, name)),
  };
}
