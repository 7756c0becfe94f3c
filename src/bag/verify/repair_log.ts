import { guardBag } from "../../disk/disk_storage.ts";
import { encodeCallLine } from "../../disk/checked_line.ts";
import {
  type FilePlace,
  openIfThere,
  openShared,
  readPieces,
  removeIfThere,
  toTemporaryPath,
  writeAll,
} from "../../disk/file_system.ts";
import { LockFile } from "../../disk/lock_file.ts";
import type { Digest } from "../../value/value.ts";
import { copyLines, isZeros, type KeptLines } from "../fold/rewrite_log.ts";
import { encodeEvictLine } from "../log/call_line.ts";
import { CallLog } from "../log/call_log.ts";
import { type Manifest, writeManifest } from "../manifest.ts";
import { readLog } from "./read_log.ts";
import type { VerifyContext } from "./report.ts";
import { findWhole } from "./salvage.ts";

const LINE_FEED = Uint8Array.of(0x0a);

/** How many calls are amended at once: writers wait meanwhile. */
const CALLS_AT_ONCE = 100;

/**
 * Writes the call log anew without what is damaged, which goes to quarantine. Nobody appends
 * meanwhile: a writer that comes next sees that the file is another one.
 *
 * @param context What all steps have in common.
 * @param manifest What is live.
 * @returns What is live now: the log has another generation.
 */
export async function rewriteLog(context: VerifyContext, manifest: Manifest): Promise<Manifest> {
  const { fileSystem, layout, quarantine } = context;
  using lock = new LockFile(fileSystem, layout.callsLock, guardBag(layout, "readwrite"));
  await lock.lock();
  using file = openIfThere(layout.callLog);
  if (file === undefined) return manifest;
  const temporary = toTemporaryPath(layout.callLog);
  const skipped = copySound(context, file, temporary);
  quarantine?.write(layout.callLog, piecesOf(file, skipped));
  // It is of the old log.
  if (quarantine?.copy(layout.callIndex)) removeIfThere(fileSystem, layout.callIndex);
  fileSystem.rename(temporary, layout.callLog);
  const { generation, logGeneration } = manifest;
  const next = {
    ...manifest,
    generation: generation + 1,
    logGeneration: logGeneration + 1,
  };
  writeManifest(fileSystem, layout, next);
  return next;
}

/** Copies what is sound, whole lines inside of damaged ones included, and tells where the rest is. */
function copySound(
  { fileSystem }: VerifyContext,
  file: Deno.FsFile,
  temporary: string,
): FilePlace[] {
  const lines: KeptLines["lines"][number][] = [];
  const skipped: FilePlace[] = [];
  const size = file.seekSync(0, Deno.SeekMode.End);
  const headers = readLog(file, size, {
    visit(line, content) {
      const { type, offset, length } = line;
      if (content === undefined) skipped.push({ offset, length });
      else if (type !== "header") lines.push(line);
    },
    skip({ offset, length, bytes }) {
      skipped.push({ offset, length });
      return findWhole(bytes);
    },
  });
  lines.sort((a, b) => a.offset - b.offset);
  using copy = fileSystem.open(temporary, { write: true, createNew: true });
  copyLines(fileSystem, file, { lines, headers }, copy);
  fileSystem.sync(copy);
  return skipped;
}

function* piecesOf(file: Deno.FsFile, lines: readonly FilePlace[]): Generator<Uint8Array> {
  for (const { offset, length } of lines) {
    for (const piece of readPieces(file, offset, offset + length)) {
      // Of a hole in the file nothing is to be seen, and a disk may have no room for all of it.
      if (!isZeros(piece)) yield piece;
    }
    yield LINE_FEED;
  }
}

/** What becomes of a record. */
export type Amendment =
  | { readonly action: "keep" }
  | { readonly action: "forget" }
  | { readonly action: "replace"; readonly fields: Record<string, unknown> };

/**
 * Forgets or replaces records. What becomes of each is decided when nobody can append: somebody may
 * have computed a call anew meanwhile. The records as they were go to quarantine.
 *
 * @param context What all steps have in common.
 * @param keys The keys of the calls.
 * @param amend Decides.
 */
export async function amendCalls(
  { fileSystem, layout, quarantine }: Pick<VerifyContext, "fileSystem" | "layout" | "quarantine">,
  keys: readonly Digest[],
  amend: (record: Record<string, unknown>) => Amendment,
): Promise<void> {
  if (keys.length === 0) return;
  // Only read from, and from its begin: a generation that no log has goes with no table.
  const guard = guardBag(layout, "read");
  using log = new CallLog({ fileSystem, layout, guard, sync: false }, 0);
  const old: Uint8Array[] = [];
  for (let at = 0; at < keys.length; at += CALLS_AT_ONCE) {
    using lock = new LockFile(fileSystem, layout.callsLock, guardBag(layout, "readwrite"));
    await lock.lock();
    using file = openShared(fileSystem, layout.callLog, { append: true });
    for (const key of keys.slice(at, at + CALLS_AT_ONCE)) {
      const record = log.getLine(key);
      if (record === undefined) continue;
      const amendment = amend(record);
      if (amendment.action === "keep") continue;
      old.push(new TextEncoder().encode(`${JSON.stringify(record)}\n`));
      const line = amendment.action === "forget"
        ? encodeEvictLine(key)
        : encodeCallLine(key, amendment.fields);
      writeAll(fileSystem, file, line);
    }
  }
  if (old.length > 0) quarantine?.write(`${layout.root}/amended.jsonl`, old);
}
