import { QuiverError } from "../base/errors.ts";
import type { FileSystem } from "../disk/file_system.ts";
import { isDeep, LONGEST_LINE_BYTES } from "../disk/checked_line.ts";

/** How often a line is written again after a part of it was taken. */
const APPEND_ATTEMPTS = 3;

/**
 * Refuses a line that no reader would take.
 *
 * @param line The line with its line feeds.
 * @throws {RangeError} If it is too long, or nested too deeply.
 */
export function checkLine(line: Uint8Array): void {
  if (line.length > LONGEST_LINE_BYTES) {
    throw new RangeError(
      `Cannot put a call of ${line.length} bytes: the longest has ${LONGEST_LINE_BYTES}`,
    );
  }
  if (isDeep(line)) throw new RangeError("Cannot put a call: its record is nested too deeply");
}

/**
 * Appends a line to the call log, to which others append as well.
 *
 * The rest of a line that was only partly taken cannot follow it: somebody else may have appended
 * meanwhile. The part is a torn line, and the line is written again, whole.
 *
 * @param fileSystem The seam.
 * @param file The log, open for appending.
 * @param line The line with its line feeds.
 * @param path What the log is called in errors.
 */
export function appendLine(
  fileSystem: FileSystem,
  file: Deno.FsFile,
  line: Uint8Array,
  path: string,
): void {
  for (let attempt = 0; attempt < APPEND_ATTEMPTS; attempt++) {
    if (fileSystem.write(file, line) === line.length) return;
  }
  throw new QuiverError(
    `Cannot append to "${path}": the disk takes only a part of the line`,
  );
}
