import { resolve } from "node:path";
import type { VerifyOptions, VerifyReport } from "../bag/verify/report.ts";
import { QuiverError } from "../base/errors.ts";
import { toPath } from "./to_path.ts";
import { fromFailure, type VerifyAnswer, type VerifyRequest } from "./verify_messages.ts";

const NAMES: ReadonlySet<string> = new Set(["repair", "digests", "signal", "progress"]);

/**
 * Checks a bag in a worker of its own.
 *
 * @param path The bag's directory.
 * @param options What to do.
 * @returns What was found.
 */
export async function runVerifyWorker(
  path: string | URL,
  options: VerifyOptions = {},
): Promise<VerifyReport> {
  const { repair = false, digests = false, signal, progress } = options;
  const unknown = Object.keys(options).find((name) => !NAMES.has(name));
  if (unknown !== undefined) {
    throw new TypeError(
      `Cannot check a bag: "${unknown}" is no option; ` +
        `the options are ${Array.from(NAMES, (name) => `"${name}"`).join(", ")}`,
    );
  }
  signal?.throwIfAborted();
  const root = resolve(toPath(path));
  const worker = new Worker(new URL("./verify_worker.ts", import.meta.url), {
    type: "module",
    name: "quiver-verify",
  });
  const { promise, resolve: end, reject } = Promise.withResolvers<VerifyReport>();
  worker.onmessage = ({ data }: MessageEvent<VerifyAnswer>) => {
    if (data.type === "progress") progress?.update(data.step);
    else if (data.type === "verified") end(data.report);
    else reject(fromFailure(root, data.error));
  };
  worker.onmessageerror = () =>
    reject(new QuiverError(`Cannot check "${root}": the answer was lost`));
  worker.onerror = (event) => {
    // Unhandled, it would end this program.
    event.preventDefault();
    reject(new QuiverError(`Cannot check "${root}": the check's worker failed: ${event.message}`));
  };
  const send = (request: VerifyRequest) => worker.postMessage(request);
  // It ends between two steps, so that a repair is never left half done.
  const onAbort = () => send({ type: "abort" });
  signal?.addEventListener("abort", onAbort, { once: true });
  send({ type: "verify", path: root, repair, digests, observed: progress !== undefined });
  try {
    return await promise;
  } catch (error) {
    // The worker's own reason says no more than that it was told to end.
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener("abort", onAbort);
    worker.terminate();
  }
}
