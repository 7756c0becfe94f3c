/**
 * The entry of the worker that checks a bag: reading all of it would hold up whoever asked for it,
 * and the HDF5 library stays out of that isolate.
 *
 * @module
 */
import { toFailure, type VerifyAnswer, type VerifyRequest } from "./run_verify_worker.ts";
import { verifyStores } from "./verify_stores.ts";

/** The part of a worker's global scope that this needs; Deno's default types are a window's. */
interface WorkerScope {
  onmessage: (event: MessageEvent<VerifyRequest>) => void;
  postMessage(message: VerifyAnswer): void;
}

// This module is a worker's entry, so its global scope is a worker's.
const scope = globalThis as unknown as WorkerScope;
const abort = new AbortController();

async function answer(request: VerifyRequest & { type: "verify" }): Promise<VerifyAnswer> {
  const { path, repair, digests, observed } = request;
  try {
    const report = await verifyStores(path, {
      repair,
      digests,
      signal: abort.signal,
      ...(observed && {
        progress: { update: (step) => scope.postMessage({ type: "progress", step }) },
      }),
    });
    return { type: "verified", report };
  } catch (error) {
    return { type: "error", error: toFailure(error) };
  }
}

scope.onmessage = async ({ data }) => {
  if (data.type === "abort") abort.abort();
  else scope.postMessage(await answer(data));
};
