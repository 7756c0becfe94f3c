/**
 * The entry of the worker that folds: the only place that loads the HDF5 library.
 *
 * @module
 */
import { serveJob } from "../../base/worker_job.ts";
import { likeDirectory } from "../../disk/ownership.ts";
import { toLayout } from "../../disk/layout.ts";
import { HDF5_ENVIRONMENT } from "../segment/hdf5_file.ts";
import { compactBag, foldBag, rebuildBag } from "./fold.ts";
import type { CompactRequest } from "./scheduler.ts";

/** What the worker is asked to do. */
export type FoldRequest =
  | { readonly type: "fold"; readonly root: string }
  | { readonly type: "rebuild"; readonly root: string; readonly write: boolean }
  | { readonly type: "compact"; readonly root: string; readonly request: CompactRequest };

serveJob(async (request: FoldRequest) => {
  const layout = toLayout(request.root);
  const environment = {
    ...HDF5_ENVIRONMENT,
    fileSystem: likeDirectory(HDF5_ENVIRONMENT.fileSystem, layout.root),
  };
  if (request.type === "fold") return await foldBag(layout, environment);
  if (request.type === "compact") return await compactBag(layout, environment, request.request);
  return await rebuildBag(layout, environment, request.write);
});
