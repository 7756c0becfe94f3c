import { runJob } from "../../base/worker_job.ts";
import { isLockedAt } from "../../disk/file_system.ts";
import { toLayout } from "../../disk/layout.ts";
import type { FoldRequest } from "./fold_worker.ts";
import type { FoldRunner } from "./scheduler.ts";

/**
 * Folds in a worker of its own for each fold, which is the only place that loads the HDF5 library:
 * its heap never shrinks, and ends with the worker.
 */
export const WORKER_FOLD_RUNNER: FoldRunner = {
  async fold(root) {
    // A worker that finds the lock taken has loaded the HDF5 library for nothing: of four writers that
    // fill their journals at once, three would.
    if (isLockedAt(toLayout(root).foldLock) === true) return undefined;
    return await ask({ type: "fold", root });
  },
  rebuild: (root, write) => ask({ type: "rebuild", root, write }),
  compact: (root, request) => ask({ type: "compact", root, request }),
};

function ask<R>(request: FoldRequest): Promise<R> {
  return runJob<R>({
    entry: new URL("./fold_worker.ts", import.meta.url),
    name: "quiver-fold",
    request,
    action: `fold "${request.root}"`,
    remedy: "; nothing is lost, and the next fold starts over",
  });
}
