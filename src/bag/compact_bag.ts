import { BagEditor, type FoldEnvironment } from "./bag_editor.ts";
import type { CompactResult } from "../disk/cache_files.ts";
import { compactSegments } from "./compact_segments.ts";
import type { CompactRequest } from "./compaction_plan.ts";
import { FileHandles } from "../disk/file_system.ts";
import { sealJournals, tidyBag } from "./fold.ts";
import { FoldLock } from "./fold_lock.ts";
import type { BagLayout } from "../disk/layout.ts";
import { rewriteCalls } from "./rewrite_calls.ts";

/**
 * Seals what journals hold, and compacts segments and the call log, after whoever folds. Killed
 * anywhere, it loses nothing, and the next one starts over.
 *
 * @param layout The bag's paths.
 * @param environment What a fold needs.
 * @param request What is wanted.
 * @returns What was dropped.
 */
export async function compactBag(
  layout: BagLayout,
  environment: FoldEnvironment,
  request: CompactRequest,
): Promise<CompactResult> {
  using _lock = await FoldLock.take(environment.fileSystem, layout);
  using handles = new FileHandles();
  const editor = new BagEditor(layout, environment, handles);
  await sealJournals(editor);
  const result = await compactSegments(editor, request);
  // Where values were dropped there are dead lines too; and a new log tells others to look anew.
  if (request.full || result.values > 0) await rewriteCalls(editor);
  await tidyBag(editor);
  return result;
}
