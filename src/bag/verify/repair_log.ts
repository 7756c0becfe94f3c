import { CacheGuard } from "../../disk/disk_storage.ts";
import { decodeCheckedLine, encodeCallLine, encodeEvictLine } from "../../disk/checked_line.ts";
import {
  type FilePlace,
  openIfThere,
  openShared,
  readAt,
  removeIfThere,
  toTemporaryPath,
  writeAll,
} from "../../disk/file_system.ts";
import type { Digest } from "../../value/value.ts";
import { CallLog } from "../log/call_log.ts";
import { scanCalls } from "../log/call_scan.ts";
import { type Manifest, writeManifest } from "../manifest.ts";
import { concatenate } from "../segment/rebuild_index.ts";
import type { VerifyContext } from "./report.ts";

const CHUNK_BYTES = 1024 * 1024;
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
  using lock = openShared(fileSystem, layout.callsLock, { write: true });
  await lock.lock(true);
  try {
    using file = openIfThere(layout.callLog);
    if (file === undefined) return manifest;
    const temporary = toTemporaryPath(layout.callLog);
    const skipped = copyLines(context, file, temporary);
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
  } finally {
    lock.unlockSync();
  }
}

function copyLines(
  { fileSystem }: VerifyContext,
  file: Deno.FsFile,
  temporary: string,
): FilePlace[] {
  const skipped: FilePlace[] = [];
  using copy = fileSystem.open(temporary, { write: true, createNew: true });
  const size = file.seekSync(0, Deno.SeekMode.End);
  let lines: Uint8Array[] = [];
  let length = 0;
  const flush = () => {
    writeAll(fileSystem, copy, concatenate(lines));
    lines = [];
    length = 0;
  };
  const { end } = scanCalls(file, 0, size, (line, bytes) => {
    const content = decodeCheckedLine(bytes);
    if ((line.evicted ? content?.evict : content?.key) !== line.key) {
      skipped.push({ offset: line.offset, length: line.length });
      return;
    }
    lines.push(LINE_FEED, bytes.slice(), LINE_FEED);
    length += bytes.length + 2;
    if (length >= CHUNK_BYTES) flush();
  }, ({ offset, length }) => skipped.push({ offset, length }));
  flush();
  if (end < size) skipped.push({ offset: end, length: size - end });
  fileSystem.sync(copy);
  return skipped;
}

function* piecesOf(file: Deno.FsFile, lines: readonly FilePlace[]): Generator<Uint8Array> {
  for (const { offset, length } of lines) {
    for (let at = 0; at < length; at += CHUNK_BYTES) {
      const piece = new Uint8Array(Math.min(CHUNK_BYTES, length - at));
      if (!readAt(file, offset + at, piece)) return;
      yield piece;
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
  const guard = new CacheGuard(`the bag "${layout.root}"`, "read");
  using log = new CallLog({ fileSystem, layout, guard, sync: false }, 0);
  const old: Uint8Array[] = [];
  for (let at = 0; at < keys.length; at += CALLS_AT_ONCE) {
    using lock = openShared(fileSystem, layout.callsLock, { write: true });
    await lock.lock(true);
    try {
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
    } finally {
      lock.unlockSync();
    }
  }
  if (old.length > 0) quarantine?.write(`${layout.root}/amended.jsonl`, old);
}
