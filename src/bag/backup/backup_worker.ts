/**
 * The entry of the worker that backs up a bag: copying would hold up whoever asked for it, and the HDF5
 * library stays out of that isolate.
 *
 * @module
 */
import { serveJob } from "../../base/worker_job.ts";
import { backupBag } from "./backup_bag.ts";
import type { BackupProgress, BackupResult } from "./backup_options.ts";
import type { BackupJob } from "./run_backup_worker.ts";

serveJob<BackupJob, BackupResult, BackupProgress>(({ observed, ...request }, control) => {
  const { tell, signal } = control;
  return backupBag({ ...request, signal, ...(observed && { progress: { update: tell } }) });
});
