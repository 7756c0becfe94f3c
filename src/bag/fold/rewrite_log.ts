/**
 * The rewrite of the call log: records that were replaced or evicted go, and the rest becomes a new
 * file under the same name.
 *
 * What is in the log when it begins is copied while others go on appending; under the *exclusive*
 * `calls.lock`, which every append takes shared, the rest is copied as it is, and the new file gets
 * the name. So a line is either in the old file before that, and copied, or its writer comes after
 * that, sees that its file has no name any more, and appends to the new one. A line that is none
 * at the end of the old file has those look who only read. Lines that are damaged are kept, unless they
 * are zeros or longer than any record: they may be all that is left of one. Those that were never
 * finished go. Headers are written as if the records were put anew.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import {
  type FilePlace,
  type FileSystem,
  FileWindow,
  openIfThere,
  readPieces,
  removeIfThere,
  replaceFile,
  TemporaryFile,
  writeAll,
} from "../../disk/file_system.ts";
import { guardBag } from "../../disk/disk_storage.ts";
import { LockFile } from "../../disk/lock_file.ts";
import type { Digest } from "../../value/value.ts";
import { HeaderSchedule } from "../log/call_headers.ts";
import { decodeHeader, MOVED } from "../log/call_line.ts";
import { type CallLine, scanCalls } from "../log/call_scan.ts";
import { checkPrefix, toRow } from "../log/call_table.ts";
import { isUnfinished } from "../log/unfinished_line.ts";
import { encodeTable, PURPOSE, type TableRow } from "../table/digest_table.ts";
import type { BagEditor } from "./bag_editor.ts";

const CHUNK_BYTES = 256 * 1024;
const LINE_FEED = 0x0a;

/**
 * Rewrites the call log.
 *
 * @param editor Changes the manifest, which gets the log's new generation.
 */
export async function rewriteCalls(editor: BagEditor): Promise<void> {
  const { fileSystem, layout, manifest } = editor;
  using old = openIfThere(layout.callLog);
  if (old === undefined) return;
  const { lines, damaged, headers, end } = readLines(old);
  using temporary = new TemporaryFile(fileSystem, layout.callLog);
  using file = fileSystem.open(temporary.path, { read: true, write: true, createNew: true });
  const rows = copyLines(fileSystem, old, { lines, headers }, file);
  const length = file.seekSync(0, Deno.SeekMode.End);
  // Whoever is killed before the last of the two leaves a generation that no other log has had.
  const [between, logGeneration] = [manifest.logGeneration + 1, manifest.logGeneration + 2];
  const check = checkPrefix(file, length, logGeneration) ?? 0;
  const table = encodeTable({ purpose: PURPOSE.calls, length, check, damaged }, rows);
  using lock = new LockFile(fileSystem, layout.callsLock, guardBag(layout, "readwrite"));
  await lock.lock();
  const size = old.seekSync(0, Deno.SeekMode.End);
  // Their writers have seen headers in the old log.
  const missing = findMissingHeaders(old, end, size, { headers, rows });
  file.seekSync(0, Deno.SeekMode.End);
  copyLines(fileSystem, old, { lines: missing, headers }, file);
  copyRest(fileSystem, old, end, size, file);
  fileSystem.sync(file);
  // A table that knows keys which are nowhere any more would look as if the log had been cut. The switch
  // syncs the directory: it is gone before, whatever becomes of the names.
  removeIfThere(fileSystem, layout.callIndex);
  editor.switch({ logGeneration: between });
  // While it can still be opened by its name.
  using moved = fileSystem.open(layout.callLog, { append: true });
  temporary.rename();
  writeAll(fileSystem, moved, MOVED);
  replaceFile(fileSystem, layout.callIndex, [table]);
  editor.switch({ logGeneration });
}

/** A line that is kept; what is damaged is only a place. */
type KeptLine = FilePlace | CallLine;

/** What is kept of a log. */
export interface KeptLines {
  /** The lines in the order of the log, without headers. */
  readonly lines: readonly KeptLine[];
  /** A sound line of each header, by its name. */
  readonly headers: ReadonlyMap<string, CallLine>;
}

/** What is kept of a log, how many lines of it are damaged, and where it ends. */
interface ReadLog extends KeptLines {
  readonly damaged: number;
  readonly end: number;
}

function readLines(log: Deno.FsFile): ReadLog {
  const newest = new Map<Digest, CallLine>();
  const headers = new Map<string, CallLine>();
  const unsound: KeptLine[] = [];
  const size = log.seekSync(0, Deno.SeekMode.End);
  const { end } = scanCalls(
    log,
    0,
    size,
    (line, bytes) => {
      const name = line.type === "header" ? decodeHeader(bytes)?.name : undefined;
      if (line.type !== "header") newest.set(line.key, line);
      else if (name !== undefined) headers.set(name, line);
      else unsound.push({ offset: line.offset, length: line.length });
    },
    (line) => {
      // The bytes are good until the next line only.
      const { offset, length, bytes } = line;
      if (length > bytes.length || isZeros(bytes) || isUnfinished(log, line)) return;
      unsound.push({ offset, length });
    },
  );
  const kept: KeptLine[] = Array.from(newest.values()).filter(({ type }) => type === "record");
  const lines = kept.concat(unsound).sort((a, b) => a.offset - b.offset);
  return { lines, damaged: unsound.length, headers, end };
}

/**
 * Tells whether bytes are zeros: they begin with one, and each is as the one before it.
 *
 * @returns Whether they are.
 */
export function isZeros(bytes: Uint8Array): boolean {
  return bytes[0] === 0 && Buffer.compare(bytes.subarray(1), bytes.subarray(0, -1)) === 0;
}

/** Finds the headers of what was appended meanwhile that are neither there nor in the new log. */
function findMissingHeaders(
  old: Deno.FsFile,
  from: number,
  size: number,
  { headers, rows }: { headers: KeptLines["headers"]; rows: readonly TableRow[] },
): CallLine[] {
  const needed = new Set<string>();
  const there = new Set<Digest>(rows.map(({ digest }) => digest));
  scanCalls(old, from, size, ({ key, type, header }) => {
    if (type === "header") there.add(key);
    else if (header !== undefined) needed.add(header);
  });
  const lines = Array.from(needed).flatMap((name) => headers.get(name) ?? []);
  return lines.filter(({ key }) => !there.has(key));
}

/**
 * Copies lines as they were appended: each between two line feeds, and headers before the records that
 * need them.
 *
 * @param old The log that they are in.
 * @param kept The lines.
 * @param file Where they go.
 * @returns The rows of those that have a key.
 * @throws {RangeError} If the log has become shorter.
 */
export function copyLines(
  fileSystem: FileSystem,
  old: Deno.FsFile,
  { lines, headers }: KeptLines,
  file: Deno.FsFile,
): TableRow[] {
  const window = new FileWindow(old);
  const schedule = new HeaderSchedule();
  const rows = new Map<Digest, TableRow>();
  let buffer = new Uint8Array(CHUNK_BYTES);
  let filled = 0;
  let written = 0;
  const flush = () => {
    if (filled > 0) writeAll(fileSystem, file, buffer.subarray(0, filled));
    written += filled;
    filled = 0;
  };
  const copy = (kept: KeptLine) => {
    const { offset, length } = kept;
    if (filled + length + 2 > buffer.length) flush();
    if (length + 2 > buffer.length) buffer = new Uint8Array(length + 2);
    const line = window.read(offset, length);
    if (line === undefined) throw new RangeError("Cannot copy the call log: it has become shorter");
    buffer[filled] = LINE_FEED;
    buffer.set(line, filled + 1);
    buffer[filled + 1 + length] = LINE_FEED;
    if ("key" in kept) rows.set(kept.key, toRow({ ...kept, offset: written + filled + 1 }));
    filled += length + 2;
  };
  for (const line of lines) {
    const name = "header" in line ? line.header : undefined;
    const header = name === undefined ? undefined : headers.get(name);
    const end = written + filled;
    if (header !== undefined && schedule.isDue(header.key, end, () => undefined)) {
      schedule.written(header.key, end + 1);
      copy(header);
    }
    copy(line);
  }
  flush();
  return Array.from(rows.values());
}

/** Copies what was appended meanwhile, the torn end of somebody who was killed included. */
function copyRest(
  fileSystem: FileSystem,
  old: Deno.FsFile,
  from: number,
  size: number,
  file: Deno.FsFile,
): void {
  let at = from;
  for (const piece of readPieces(old, from, size)) {
    writeAll(fileSystem, file, piece);
    at += piece.length;
  }
  if (at < size) throw new RangeError("Cannot copy the call log: it has become shorter");
}
