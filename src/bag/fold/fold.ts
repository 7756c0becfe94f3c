import { crc32 } from "node:zlib";
import type { CompactResult, FoldResult } from "../../disk/disk_storage.ts";
import { FileHandles } from "../../disk/file_system.ts";
import { type BagLayout, toJournalPath } from "../../disk/layout.ts";
import { findOldestLease } from "../../disk/horizon.ts";
import { clearLeases } from "../../disk/leases.ts";
import { clearOwnFiles } from "../../disk/own_file.ts";
import { toPayload } from "../../disk/payload.ts";
import { isNoRoom } from "../../disk/room.ts";
import { isPayloadOf } from "../../value/is_payload_of.ts";
import type { Hdf5Environment } from "../hdf5/access.ts";
import { removeJournal } from "../journal/journal_scan.ts";
import { FoldLock, readManifest } from "../manifest.ts";
import { rebuildIndexes, type RebuiltIndex } from "../segment/rebuild_index.ts";
import { measure } from "../segment/seal.ts";
import type { StoredSource } from "../segment/sealed_payload.ts";
import { SealedValues } from "../segment/sealed_values.ts";
import { BagEditor } from "./bag_editor.ts";
import { boundFuture, compactSegments, dropSegments, mergeSmall } from "./compact.ts";
import { JournalSweep } from "./drop_journals.ts";
import { sealCalls } from "./index_log.ts";
import { KeptValues } from "./kept_values.ts";
import { countKept, readMerged } from "./merge.ts";
import { rewriteCalls } from "./rewrite_log.ts";
import type { CompactRequest } from "./scheduler.ts";
import { clearTouches, Touches } from "./touches.ts";
import {
  readUnsealed,
  toBatches,
  type UnsealedBatch,
  type UnsealedEntry,
  type UnsealedValues,
} from "./unsealed_values.ts";

/** The payload that a fold puts into one segment, in bytes. */
const SEGMENT_BYTES = 64 * 1024 * 1024;

/**
 * Moves all that journals hold into sealed segments. Killed anywhere, it loses nothing, and the
 * next one starts over: what it wrote counts from the moment when the manifest is replaced.
 *
 * @param environment What a fold needs.
 * @returns What was done, or `undefined` when another folds.
 */
export async function foldBag(
  layout: BagLayout,
  environment: Hdf5Environment,
): Promise<FoldResult | undefined> {
  using lock = FoldLock.tryTake(environment.fileSystem, layout);
  if (lock === undefined) return undefined;
  using handles = new FileHandles();
  const editor = new BagEditor(layout, environment, handles);
  await restore(editor);
  const result = await sealJournals(editor);
  await mergeSmall(editor);
  await tidyBag(editor);
  return result;
}

/**
 * Makes tables again that are missing or damaged, and the link file if it is missing.
 *
 * @param environment What a fold needs.
 * @param write Whether files are written.
 */
export async function rebuildBag(
  layout: BagLayout,
  environment: Hdf5Environment,
  write: boolean,
): Promise<RebuiltIndex[]> {
  const { fileSystem } = environment;
  using _lock = write ? await FoldLock.take(fileSystem, layout) : undefined;
  const library = await environment.loadLibrary();
  return rebuildIndexes({ fileSystem, layout, library }, readManifest(layout), write);
}

/**
 * Removes what a fold left that was killed, and makes tables again that are missing or damaged.
 *
 * @param editor Changes segments and the manifest.
 */
async function restore(editor: BagEditor): Promise<void> {
  const sealed = new SealedValues(editor.layout, editor.handles);
  sealed.load(editor.manifest);
  await editor.restore(sealed.unreadable.length > 0);
}

/**
 * Moves what journals hold into sealed segments.
 *
 * @param editor Changes segments and the manifest.
 * @param sweep The journals of which not all is sealed; they are not removed.
 * @returns What was done.
 */
async function sealJournals(editor: BagEditor, sweep?: JournalSweep): Promise<FoldResult> {
  const { layout, handles } = editor;
  const sealed = new SealedValues(layout, handles);
  sealed.load(editor.manifest);
  const unsealed = readUnsealed(layout, handles, editor.manifest, () => editor.readClock());
  using touches = new Touches(editor.fileSystem, layout);
  const isSealed = ({ journal, digest, kind, crc }: UnsealedEntry) => {
    if (sweep?.drops(journal, digest)) return true;
    const payload = sealed.read(digest);
    if (payload === undefined) return false;
    const isSame = payload.kind === kind && crc32(payload.bytes) === crc;
    // A copy that differs was written because the sealed one is not what its digest says, or it is wrong.
    if (!isSame && !isPayloadOf(digest, payload, (part) => sealed.read(part))) return false;
    // The older copy stands for the one that was put into the journal.
    const left = touches.leave(digest, () => true, unsealed.newest);
    // While it would have to wait: then the newer copy is sealed, too.
    return left === true;
  };
  let values = 0;
  let bytes = 0;
  const isRight = (source: StoredSource) => {
    const payload = toPayload(source.kind, source.read());
    return payload !== undefined &&
      isPayloadOf(source.digest, payload, (part) => sealed.read(part));
  };
  for (const batch of toBatches(layout, handles, unsealed, SEGMENT_BYTES, { isSealed, isRight })) {
    await sealBatch(editor, batch, unsealed.newest, sweep);
    sealed.load(editor.manifest);
    values += batch.sources.length;
    bytes += measure(batch.sources).bytes;
  }
  return { values, bytes, journals: removeJournals(editor, unsealed, sweep) };
}

async function sealBatch(
  editor: BagEditor,
  { sources, sealed }: UnsealedBatch,
  newest: number,
  sweep: JournalSweep | undefined,
): Promise<void> {
  const { segments, sealed: before } = editor.manifest;
  const noted = [...sealed].filter(([name]) => !sweep?.sweeps(name));
  const ends = { ...before, ...Object.fromEntries(noted) };
  if (sources.length === 0) {
    if (Object.entries(ends).some(([name, end]) => before[name] !== end)) {
      editor.switch({ sealed: ends });
    }
    return;
  }
  const kept = countKept(segments, measure(sources).bytes, sources.length);
  const merged = readMerged(editor.layout, editor.handles, segments.slice(kept), sources);
  const all = [...merged.sources, ...sources];
  const entry = await editor.seal(all, Math.max(newest, merged.newest));
  const live = [...segments.slice(0, kept), ...merged.kept, entry];
  await editor.replace(live, { sealed: ends });
}

function removeJournals(
  { fileSystem, layout, handles }: BagEditor,
  unsealed: UnsealedValues,
  sweep: JournalSweep | undefined,
): number {
  let removed = 0;
  for (const [name, end] of unsealed.ends) {
    if (sweep?.sweeps(name)) continue;
    const path = toJournalPath(layout, name);
    handles.close(path);
    if (removeJournal(fileSystem, path, end)) removed++;
  }
  return removed;
}

/**
 * Does what a bag needs now and then beside its values: a table of the call log, and no files of
 * those who were killed.
 *
 * @param editor Changes segments and the manifest.
 */
async function tidyBag(editor: BagEditor): Promise<void> {
  const { fileSystem, layout } = editor;
  if (sealCalls(fileSystem, layout, editor.manifest.logGeneration)) await rewriteCalls(editor);
  clearLeases(fileSystem, layout);
  clearOwnFiles(fileSystem, layout);
  clearTouches(fileSystem, layout, findOldestLease(layout), () => editor.readClock());
}

/**
 * Seals what is wanted of journals, and compacts segments and the call log, after whoever folds. Killed
 * anywhere, it loses nothing, and the next one starts over.
 *
 * What takes no room comes first, so that it works on a full disk. What then is left to do may still
 * have none: it is left, as long as some space was given back.
 *
 * @param environment What a fold needs.
 * @param request What is wanted.
 * @returns What was dropped.
 */
export async function compactBag(
  layout: BagLayout,
  environment: Hdf5Environment,
  request: CompactRequest,
): Promise<CompactResult> {
  using _lock = await FoldLock.take(environment.fileSystem, layout);
  using handles = new FileHandles();
  const editor = new BagEditor(layout, environment, handles);
  const steps = new CompactionSteps();
  await steps.run(() => restore(editor));
  await steps.run(() => Promise.resolve(boundFuture(editor)));
  const kept = await KeptValues.find(editor, request);
  const sweep = new JournalSweep(editor, kept);
  await steps.run(() => sweep.removeDead());
  if (steps.result.values > 0) await steps.run(() => Promise.resolve(noteSweep(editor)));
  kept.readJournals();
  if (request.live !== undefined) await steps.run(() => dropSegments(editor, kept));
  await steps.run(async () => {
    await sealJournals(editor, sweep);
    const result = await sweep.removeSealed();
    if (result.values > 0) noteSweep(editor);
    return result;
  });
  kept.readJournals();
  await steps.run(() => compactSegments(editor, kept, request));
  await steps.run(async () => {
    // Where values were dropped there are dead lines too; and a new log tells others to look anew.
    if (request.full || steps.result.values > 0) await rewriteCalls(editor);
    await tidyBag(editor);
  });
  return steps.end();
}

/** Tells others that what they have in memory may have been dropped. */
function noteSweep(editor: BagEditor): void {
  editor.switch({ sweeps: (editor.manifest.sweeps ?? 0) + 1 });
}

/** What was dropped by the steps of a compaction, of which each does what there is room for. */
class CompactionSteps {
  readonly result = { values: 0, bytes: 0, damaged: 0 };
  #failure: { readonly error: unknown } | undefined;

  async run(step: () => Promise<Partial<CompactResult> | void>): Promise<void> {
    try {
      const { values = 0, bytes = 0, damaged = 0 } = await step() ?? {};
      this.result.values += values;
      this.result.bytes += bytes;
      this.result.damaged += damaged;
    } catch (error) {
      if (!isNoRoom(error)) throw error;
      this.#failure ??= { error };
    }
  }

  end(): CompactResult {
    if (this.#failure !== undefined && this.result.values === 0) throw this.#failure.error;
    return this.result;
  }
}
