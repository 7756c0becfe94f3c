import { resolve } from "node:path";
import {
  BOOLEAN,
  checkOptions,
  type OptionRules,
  SIGNAL,
  withFunctions,
} from "../../base/check_options.ts";
import { SafeCallbacks, writeWarning } from "../../base/warning.ts";
import { runJob } from "../../base/worker_job.ts";
import type { DiskBag } from "../disk_bag.ts";
import type { BackupRequest } from "./backup_bag.ts";
import type { BackupOptions, BackupProgress, BackupResult } from "./backup_options.ts";

const RULES: OptionRules<BackupOptions> = {
  links: BOOLEAN,
  signal: SIGNAL,
  progress: withFunctions(["update"]),
};

/** What the worker that backs up a bag is asked. */
export interface BackupJob extends Omit<BackupRequest, "signal" | "progress"> {
  /** Whether somebody is told how far it is. */
  readonly observed: boolean;
}

/**
 * Backs up a bag in a worker of its own.
 *
 * @param bag The bag, which is open.
 * @param directory The directory of the backup.
 * @param options How to do it.
 * @returns What was done.
 */
export async function runBackupWorker(
  bag: DiskBag,
  directory: string,
  options: BackupOptions = {},
): Promise<BackupResult> {
  checkOptions("back up a bag", options, RULES, "no option");
  const { links = true, signal, progress } = options;
  signal?.throwIfAborted();
  bag.checkThere("back up");
  bag.uses.flush();
  const callbacks = new SafeCallbacks("who follows the backup of a bag", writeWarning);
  return await runJob<BackupResult, BackupProgress>({
    entry: new URL("./backup_worker.ts", import.meta.url),
    name: "quiver-backup",
    request: {
      root: bag.path,
      writable: bag.mode === "readwrite",
      directory: resolve(directory),
      links,
      observed: progress !== undefined,
    } satisfies BackupJob,
    action: `back up "${bag.path}"`,
    told: (state) => callbacks.tell("update", () => progress?.update(state)),
    // It ends between two pieces; what is complete stays.
    signal,
  });
}
