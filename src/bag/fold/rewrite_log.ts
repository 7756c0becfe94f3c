/**
 * The rewrite of the call log: records that were replaced or evicted go, and the rest becomes a new
 * file under the same name.
 *
 * What is in the log when it begins is copied while others go on appending; under the *exclusive*
 * `calls.lock`, which every append takes shared, the rest is copied as it is, and the new file gets
 * the name. So a line is either in the old file before that, and copied, or its writer comes after
 * that, sees that its file has no name any more, and appends to the new one. A line that is none
 * at the end of the old file has those look who only read. Lines that are damaged are kept: they
 * may be all that is left of a record. Those that were never finished go.
 *
 * @module
 */
import {
  type FilePlace,
  type FileSystem,
  FileWindow,
  openIfThere,
  readPieces,
  removeIfThere,
  replaceFile,
  toTemporaryPath,
  writeAll,
} from "../../disk/file_system.ts";
import { guardBag } from "../../disk/disk_storage.ts";
import { LockFile } from "../../disk/lock_file.ts";
import type { Digest } from "../../value/value.ts";
import { type CallLine, scanCalls } from "../log/call_scan.ts";
import { checkPrefix } from "../log/call_table.ts";
import { isUnfinished } from "../log/unfinished_line.ts";
import { encodeTable, LOCATION, PURPOSE, type TableRow } from "../table/digest_table.ts";
import type { BagEditor } from "./bag_editor.ts";

const CHUNK_BYTES = 256 * 1024;
const LINE_FEED = 0x0a;
const MOVED = new TextEncoder().encode('\n{"moved":true}\n');

/**
 * Rewrites the call log.
 *
 * @param editor Changes the manifest, which gets the log's new generation.
 */
export async function rewriteCalls(editor: BagEditor): Promise<void> {
  const { fileSystem, layout, manifest } = editor;
  using old = openIfThere(layout.callLog);
  if (old === undefined) return;
  const { lines, damaged, end } = readLines(old);
  const temporary = toTemporaryPath(layout.callLog);
  using file = fileSystem.open(temporary, { read: true, write: true, createNew: true });
  const rows = copyLines(fileSystem, old, lines, file);
  const length = file.seekSync(0, Deno.SeekMode.End);
  const logGeneration = manifest.logGeneration + 1;
  const check = checkPrefix(file, length, logGeneration) ?? 0;
  const table = encodeTable({ purpose: PURPOSE.calls, length, check, damaged }, rows);
  using lock = new LockFile(fileSystem, layout.callsLock, guardBag(layout, "readwrite"));
  await lock.lock();
  copyRest(fileSystem, old, end, old.seekSync(0, Deno.SeekMode.End), file);
  fileSystem.sync(file);
  // While it can still be opened by its name.
  using moved = fileSystem.open(layout.callLog, { append: true });
  // A table that knows keys which are nowhere any more would look as if the log had been cut.
  removeIfThere(fileSystem, layout.callIndex);
  fileSystem.rename(temporary, layout.callLog);
  writeAll(fileSystem, moved, MOVED);
  replaceFile(fileSystem, layout.callIndex, [table]);
  editor.switch({ logGeneration });
}

/** A line that is kept; without a key it is damaged. */
interface KeptLine extends FilePlace {
  readonly key?: Digest;
}

/** What is kept of a log: its lines in order, how many of them are damaged, and where they end. */
interface KeptLines {
  readonly lines: readonly KeptLine[];
  readonly damaged: number;
  readonly end: number;
}

function readLines(log: Deno.FsFile): KeptLines {
  const newest = new Map<Digest, CallLine>();
  const unsound: KeptLine[] = [];
  const size = log.seekSync(0, Deno.SeekMode.End);
  const { end } = scanCalls(
    log,
    0,
    size,
    (line) => newest.set(line.key, line),
    (line) => {
      // The bytes are good until the next line only.
      if (!isUnfinished(log, line)) unsound.push({ offset: line.offset, length: line.length });
    },
  );
  const kept: KeptLine[] = Array.from(newest.values()).filter(({ evicted }) => !evicted);
  const lines = kept.concat(unsound).sort((a, b) => a.offset - b.offset);
  return { lines, damaged: unsound.length, end };
}

/**
 * Copies lines as they were appended: each between two line feeds.
 *
 * @param old The log that they are in.
 * @param lines The lines, in order.
 * @param file Where they go.
 * @returns The rows of those that have a key.
 * @throws {RangeError} If the log has become shorter.
 */
export function copyLines(
  fileSystem: FileSystem,
  old: Deno.FsFile,
  lines: readonly KeptLine[],
  file: Deno.FsFile,
): TableRow[] {
  const window = new FileWindow(old);
  const rows: TableRow[] = [];
  let buffer = new Uint8Array(CHUNK_BYTES);
  let filled = 0;
  let written = 0;
  const flush = () => {
    if (filled > 0) writeAll(fileSystem, file, buffer.subarray(0, filled));
    written += filled;
    filled = 0;
  };
  for (const { key, offset, length } of lines) {
    if (filled + length + 2 > buffer.length) flush();
    if (length + 2 > buffer.length) buffer = new Uint8Array(length + 2);
    const line = window.read(offset, length);
    if (line === undefined) throw new RangeError("Cannot copy the call log: it has become shorter");
    buffer[filled] = LINE_FEED;
    buffer.set(line, filled + 1);
    buffer[filled + 1 + length] = LINE_FEED;
    if (key !== undefined) {
      const location = { offset: written + filled + 1, length, location: LOCATION.dataFile };
      rows.push({ digest: key, kind: 0, crc: 0, ...location });
    }
    filled += length + 2;
  }
  flush();
  return rows;
}

/** Copies what was appended meanwhile, the torn end of somebody who was killed included. */
function copyRest(
  fileSystem: FileSystem,
  old: Deno.FsFile,
  from: number,
  size: number,
  file: Deno.FsFile,
): void {
  file.seekSync(0, Deno.SeekMode.End);
  let at = from;
  for (const piece of readPieces(old, from, size)) {
    writeAll(fileSystem, file, piece);
    at += piece.length;
  }
  if (at < size) throw new RangeError("Cannot copy the call log: it has become shorter");
}
