/**
 * The entry of the worker that folds: the only place that loads the HDF5 library.
 *
 * It answers each request with one message, also when it fails.
 *
 * @module
 */
import { BagCorruptError } from "../../base/errors.ts";
import type { CompactResult, FoldResult } from "../../disk/disk_storage.ts";
import { DISK } from "../../disk/file_system.ts";
import { toLayout } from "../../disk/layout.ts";
import { Hdf5Library } from "../hdf5/library.ts";
import type { FoldEnvironment } from "./bag_editor.ts";
import { compactBag, foldBag, rebuildBag } from "./fold.ts";
import type { CompactRequest } from "./scheduler.ts";
import type { RebuiltIndex } from "../segment/rebuild_index.ts";

/** What the worker is asked to do. */
export type FoldRequest =
  | { readonly type: "fold"; readonly root: string }
  | { readonly type: "rebuild"; readonly root: string; readonly write: boolean }
  | { readonly type: "compact"; readonly root: string; readonly request: CompactRequest };

/** An error as data that structured clone carries: it would lose the class of ours. */
export interface FoldFailure {
  /** What could not be done. */
  readonly message: string;
  /** The error itself, for its stack. */
  readonly cause: unknown;
  /** The damaged file and where, if that is what is wrong. */
  readonly corrupt?: { readonly file: string; readonly offset: number };
}

/** What the worker answers. */
export type FoldAnswer =
  | { readonly type: "folded"; readonly result: FoldResult | undefined }
  | { readonly type: "rebuilt"; readonly tables: RebuiltIndex[] }
  | { readonly type: "compacted"; readonly result: CompactResult }
  | { readonly type: "error"; readonly error: FoldFailure };

/** The part of a worker's global scope that this needs; Deno's default types are a window's. */
interface WorkerScope {
  onmessage: (event: MessageEvent<FoldRequest>) => void;
  postMessage(message: FoldAnswer): void;
}

const ENVIRONMENT: FoldEnvironment = {
  fileSystem: DISK,
  loadLibrary: () => Hdf5Library.load(),
};

async function answer(request: FoldRequest): Promise<FoldAnswer> {
  const layout = toLayout(request.root);
  try {
    if (request.type === "fold") {
      return { type: "folded", result: await foldBag(layout, ENVIRONMENT) };
    }
    if (request.type === "compact") {
      const result = await compactBag(layout, ENVIRONMENT, request.request);
      return { type: "compacted", result };
    }
    return { type: "rebuilt", tables: await rebuildBag(layout, ENVIRONMENT, request.write) };
  } catch (error) {
    return { type: "error", error: toFailure(error) };
  }
}

function toFailure(error: unknown): FoldFailure {
  const message = error instanceof Error ? error.message : String(error);
  // Text always can be cloned, whatever was thrown.
  const cause = error instanceof Error ? error.stack : message;
  if (!(error instanceof BagCorruptError)) return { message, cause };
  return { message, cause, corrupt: { file: error.file, offset: error.offset } };
}

// This module is a worker's entry, so its global scope is a worker's.
const scope = globalThis as unknown as WorkerScope;
scope.onmessage = async (event) => scope.postMessage(await answer(event.data));
