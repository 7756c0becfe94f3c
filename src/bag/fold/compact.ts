/**
 * Compaction of segments: what is wanted of them goes into new ones, and they go.
 *
 * Values may be dropped only if nobody will name them in a record again. Why that holds beside live
 * writers, each of which stores the values of a call before its record:
 *
 * 1. Whoever wants to drop values first finds the horizon (`touches.ts`), then reads all
 *    records, then asks for this. A call that had recorded by then is *live*; one that had not
 *    puts all its values after the horizon.
 * 2. A value that was put after the horizon is in a segment that says so (`newest`: kept), in a
 *    journal that is still there (kept), or was known already and left a touch (kept).
 * 3. A touch that is left while segments are written is seen when the manifest is switched, which
 *    excludes touches: the value goes into a journal once more before it goes from the segments.
 *    Whoever touches after that sees the new manifest, does not find the value, and writes it.
 *
 * The switch is the only moment at which anything changes for others. Whoever dies before leaves
 * a segment that no manifest names; after, old segments that none names any more.
 *
 * @module
 */
import { type CompactResult, guardBag } from "../../disk/disk_storage.ts";
import { openIfThere } from "../../disk/file_system.ts";
import { type BagLayout, listJournals, toJournalPath } from "../../disk/layout.ts";
import { LockFile } from "../../disk/lock_file.ts";
import { toPayload } from "../../disk/payload.ts";
import type { Digest } from "../../value/value.ts";
import { scanJournal } from "../journal/journal_scan.ts";
import { JournalWriter } from "../journal/journal_writer.ts";
import type { SegmentEntry } from "../manifest.ts";
import { measure } from "../segment/seal.ts";
import type { StoredSource } from "../segment/sealed_payload.ts";
import { SegmentTable } from "../segment/segment_table.ts";
import { DigestSet } from "../table/digest_rows.ts";
import type { BagEditor } from "./bag_editor.ts";
import { newestOf, readMerged } from "./merge.ts";
import {
  type CompactRequest,
  planCompaction,
  type SegmentShare,
  selectSmall,
} from "./scheduler.ts";
import { readTouches } from "./touches.ts";

/** Tells whether a value of a segment is kept. */
type IsKept = (segment: SegmentEntry, digest: Digest) => boolean;

/**
 * Compacts segments.
 *
 * @param editor Changes segments and the manifest.
 * @param request What is wanted.
 * @returns What was dropped.
 */
export async function compactSegments(
  editor: BagEditor,
  request: CompactRequest,
): Promise<CompactResult> {
  boundFuture(editor);
  const isKept = toIsKept(editor.layout, request);
  const shares = editor.manifest.segments.map((segment) => toShare(editor, segment, isKept));
  const result = { values: 0, bytes: 0, damaged: 0 };
  for (const group of planCompaction(shares, request)) {
    const { values, bytes, damaged } = await compactGroup(editor, group, isKept, request.horizon);
    result.values += values;
    result.bytes += bytes;
    result.damaged += damaged;
  }
  return result;
}

/**
 * Bounds what segments say of their values: that of a journal from the future, as a copy or a clock that
 * was set back leaves one, would be too young to be dropped for ever, and so what it is merged with.
 */
function boundFuture(editor: BagEditor): void {
  const { segments } = editor.manifest;
  const now = editor.readClock();
  const isAhead = (segment: SegmentEntry) => newestOf(editor.layout, segment) > now;
  if (!segments.some(isAhead)) return;
  const bounded = segments.map((segment) =>
    isAhead(segment) ? { ...segment, newest: now } : segment
  );
  editor.switch({ segments: bounded });
}

/**
 * Makes one segment of small ones when there are many; nothing is dropped.
 *
 * @param editor Changes segments and the manifest.
 */
export async function mergeSmall(editor: BagEditor): Promise<void> {
  const group = selectSmall(editor.manifest.segments);
  if (group.length > 0) await compactGroup(editor, group, () => true, 0);
}

function toIsKept(layout: BagLayout, { live, horizon }: CompactRequest): IsKept {
  if (live === undefined) return () => true;
  const named = new DigestSet(live);
  const put = readTouches(layout, horizon);
  for (const journal of listJournals(layout)) {
    using file = openIfThere(toJournalPath(layout, journal));
    if (file !== undefined) scanJournal(file, 0, ({ digest }) => put.add(digest));
  }
  return (segment, digest) =>
    newestOf(layout, segment) > horizon || named.has(digest) || put.has(digest);
}

function toShare(
  { layout, handles }: BagEditor,
  segment: SegmentEntry,
  isKept: IsKept,
): SegmentShare {
  const table = SegmentTable.read(layout, segment.name, handles);
  const kept = table?.rows().filter(({ digest }) => isKept(segment, digest)) ?? [];
  return { segment, readable: table !== undefined, ...measure(kept) };
}

async function compactGroup(
  editor: BagEditor,
  group: readonly SegmentEntry[],
  isKept: IsKept,
  horizon: number,
): Promise<CompactResult> {
  const { layout, manifest } = editor;
  const merged = readMerged(layout, editor.handles, group, [], isKept);
  const { sources, dropped, kept, newest } = merged;
  const damaged = kept.length;
  if (damaged === group.length) return { values: 0, bytes: 0, damaged };
  const entry = sources.length === 0 ? [] : [await editor.seal(sources, newest)];
  const taken = new Set(group).difference(new Set(kept));
  const rest = manifest.segments.filter((segment) => !taken.has(segment));
  const sweeps = (manifest.sweeps ?? 0) + (dropped.size > 0 ? 1 : 0);
  await editor.replace([...rest, ...entry], { sweeps }, async (doSwitch) => {
    using lock = new LockFile(editor.fileSystem, layout.sweepLock, guardBag(layout, "readwrite"));
    await lock.lock();
    rescue(editor, dropped, readTouches(layout, horizon));
    doSwitch();
  });
  return { ...measure(dropped.values()), damaged };
}

/** Puts into a journal what was touched since it was decided to drop it. */
function rescue(
  { fileSystem, layout }: BagEditor,
  dropped: Map<Digest, StoredSource>,
  touched: ReadonlySet<Digest>,
): void {
  const guard = guardBag(layout, "readwrite");
  const options = { fileSystem, layout, guard, journalBytes: Infinity, sync: true };
  using writer = new JournalWriter(options);
  for (const digest of touched) {
    const source = dropped.get(digest);
    if (source === undefined) continue;
    const { kind, shape } = source;
    // What has become damaged since it was touched is missing from now on: it must not look whole.
    const payload = source.isWhole() ? toPayload(kind, source.read()) : undefined;
    if (payload !== undefined) writer.append({ digest, ...payload, ...(shape && { shape }) });
    dropped.delete(digest);
  }
}
