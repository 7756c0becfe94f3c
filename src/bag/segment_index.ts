import { readWhole } from "./_file_system.ts";
import { DigestTable, PURPOSE } from "./digest_table.ts";
import { type BagLayout, toSegmentIndexPath, toSegmentPath } from "./layout.ts";

/**
 * Reads the table of a segment.
 *
 * @param layout The bag's paths.
 * @param segment The segment's name.
 * @returns The table, or `undefined` when it is missing, damaged, or of another file; it can then
 * be made again from the segment.
 */
export function readSegmentIndex(layout: BagLayout, segment: string): DigestTable | undefined {
  const bytes = readWhole(toSegmentIndexPath(layout, segment));
  if (bytes === undefined) return undefined;
  const table = DigestTable.decode(bytes, PURPOSE.values);
  return table?.subject.length === readSize(toSegmentPath(layout, segment)) ? table : undefined;
}

function readSize(path: string): number | undefined {
  try {
    return Deno.statSync(path).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
