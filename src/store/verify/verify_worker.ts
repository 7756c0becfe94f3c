/**
 * The entry of the worker that checks a bag: reading all of it would hold up whoever asked for it,
 * and the HDF5 library stays out of that isolate.
 *
 * @module
 */
import type { VerifyReport, VerifyStep } from "../../bag/verify/report.ts";
import { serveJob } from "../../base/worker_job.ts";
import type { VerifyRequest } from "./run_verify_worker.ts";
import { verifyStores } from "./verify_stores.ts";

serveJob<VerifyRequest, VerifyReport, VerifyStep>(({ path, observed, ...options }, control) => {
  const { tell, signal } = control;
  const progress = { update: tell };
  return verifyStores(path, { ...options, signal, ...(observed && { progress }) });
});
