import { decodeCheckedLine, encodeCheckedLine } from "../../disk/checked_line.ts";
import { type FilePlace, type FileSystem, writeAll } from "../../disk/file_system.ts";
import type { Digest } from "../../value/value.ts";

/** What stands for nothing, as often as it takes. */
const PADDING = "-";

/**
 * Tells whether a line was struck.
 *
 * @param line A sound eviction, without line feeds.
 */
export function isStruck(line: Uint8Array): boolean {
  return decodeCheckedLine(line)?.was !== undefined;
}

/**
 * Makes of a record's line, where it stands, one that says that its key is forgotten: on a full disk
 * there is no room to append one. Whoever is killed meanwhile leaves a damaged line, which is no record.
 *
 * Others who have read the record do not learn of it before the log is replaced.
 *
 * @param path The log; whoever calls this holds its lock.
 * @param place Where the record's line is.
 * @param key Its key.
 * @returns Whether the line was long enough; if not, nothing is changed.
 */
export function strikeLine(
  fileSystem: FileSystem,
  path: string,
  { offset, length }: FilePlace,
  key: Digest,
): boolean {
  const encode = (padding: number) =>
    encodeCheckedLine(`{"evict":"${key}","was":"${PADDING.repeat(padding)}"`).subarray(1, -1);
  const padding = length - encode(0).length;
  if (padding < 0) return false;
  using file = fileSystem.open(path, { write: true });
  file.seekSync(offset, Deno.SeekMode.Start);
  writeAll(fileSystem, file, encode(padding));
  return true;
}
