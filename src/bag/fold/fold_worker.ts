/**
 * The entry of the worker that folds: the only place that loads the HDF5 library.
 *
 * @module
 */
import { serveJob } from "../../base/worker_job.ts";
import { DISK } from "../../disk/file_system.ts";
import { likeDirectory } from "../../disk/ownership.ts";
import { toLayout } from "../../disk/layout.ts";
import { Hdf5Library } from "../hdf5/library.ts";
import type { FoldEnvironment } from "./bag_editor.ts";
import { compactBag, foldBag, rebuildBag } from "./fold.ts";
import type { CompactRequest } from "./scheduler.ts";

/** What the worker is asked to do. */
export type FoldRequest =
  | { readonly type: "fold"; readonly root: string }
  | { readonly type: "rebuild"; readonly root: string; readonly write: boolean }
  | { readonly type: "compact"; readonly root: string; readonly request: CompactRequest };

serveJob(async (request: FoldRequest) => {
  const layout = toLayout(request.root);
  const environment: FoldEnvironment = {
    fileSystem: likeDirectory(DISK, layout.root),
    loadLibrary: () => Hdf5Library.load(),
  };
  if (request.type === "fold") return await foldBag(layout, environment);
  if (request.type === "compact") return await compactBag(layout, environment, request.request);
  return await rebuildBag(layout, environment, request.write);
});
