import { BagCorruptError, QuiverError } from "../../base/errors.ts";
import type { CompactResult, FoldResult } from "../../disk/disk_storage.ts";
import { toLayout } from "../../disk/layout.ts";
import { FoldLock } from "../manifest.ts";
import type { FoldAnswer, FoldFailure, FoldRequest } from "./fold_worker.ts";
import type { CompactRequest, FoldRunner } from "./scheduler.ts";
import type { RebuiltIndex } from "../segment/rebuild_index.ts";

/**
 * Folds in a worker of its own for each fold, which is the only place that loads the HDF5 library:
 * its heap never shrinks, and ends with the worker.
 */
export class WorkerFoldRunner implements FoldRunner {
  async fold(root: string): Promise<FoldResult | undefined> {
    // A worker that finds the lock taken has loaded the HDF5 library for nothing: of four writers that
    // fill their journals at once, three would.
    if (FoldLock.isHeld(toLayout(root))) return undefined;
    const answer = await ask({ type: "fold", root });
    return answer.type === "folded" ? answer.result : undefined;
  }

  async rebuild(root: string, write: boolean): Promise<RebuiltIndex[]> {
    const answer = await ask({ type: "rebuild", root, write });
    return answer.type === "rebuilt" ? answer.tables : [];
  }

  async compact(root: string, request: CompactRequest): Promise<CompactResult> {
    const answer = await ask({ type: "compact", root, request });
    return answer.type === "compacted" ? answer.result : { values: 0, bytes: 0, damaged: 0 };
  }
}

async function ask(request: FoldRequest): Promise<FoldAnswer> {
  const worker = new Worker(new URL("./fold_worker.ts", import.meta.url), {
    type: "module",
    name: "quiver-fold",
  });
  const { promise, resolve, reject } = Promise.withResolvers<FoldAnswer>();
  worker.onmessage = (event: MessageEvent<FoldAnswer>) => resolve(event.data);
  worker.onmessageerror = () => reject(new QuiverError("Cannot fold: the answer was lost"));
  worker.onerror = (event) => {
    // Unhandled, it would end this program.
    event.preventDefault();
    reject(new QuiverError(`Cannot fold: the fold's worker failed: ${event.message}`));
  };
  worker.postMessage(request);
  try {
    const answer = await promise;
    if (answer.type === "error") throw toError(request.root, answer.error);
    return answer;
  } finally {
    worker.terminate();
  }
}

function toError(root: string, { message, cause, corrupt }: FoldFailure): QuiverError {
  if (corrupt === undefined) {
    return new QuiverError(
      `Cannot fold "${root}": ${message}; nothing is lost, and the next fold starts over`,
      { cause },
    );
  }
  return new BagCorruptError(message, corrupt.file, corrupt.offset, { cause });
}
