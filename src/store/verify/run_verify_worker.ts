import { resolve } from "node:path";
import type { VerifyOptions, VerifyReport, VerifyStep } from "../../bag/verify/report.ts";
import { ANYTHING, checkOptions, type OptionRules } from "../../base/check_options.ts";
import { BagCorruptError, BagFormatError, QuiverError } from "../../base/errors.ts";
import { toPath } from "../open_stores.ts";

const RULES: OptionRules<VerifyOptions> = {
  repair: ANYTHING,
  digests: ANYTHING,
  signal: ANYTHING,
  progress: ANYTHING,
};

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
  checkOptions("check a bag", options, RULES, "no option");
  const { repair = false, digests = false, signal, progress } = options;
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

/** What the worker that checks a bag is told. */
export type VerifyRequest =
  | {
    readonly type: "verify";
    readonly path: string;
    readonly repair: boolean;
    readonly digests: boolean;
    readonly observed: boolean;
  }
  | { readonly type: "abort" };

/** An error as data that structured clone carries: it would lose the class of ours. */
interface VerifyFailure {
  /** The name of the error's class. */
  readonly name: string;
  /** What could not be done. */
  readonly message: string;
  /** The error's stack. */
  readonly cause: string | undefined;
  /** The damaged file and where, if that is what is wrong. */
  readonly corrupt?: { readonly file: string; readonly offset: number };
}

/** What the worker says. */
export type VerifyAnswer =
  | { readonly type: "progress"; readonly step: VerifyStep }
  | { readonly type: "verified"; readonly report: VerifyReport }
  | { readonly type: "error"; readonly error: VerifyFailure };

/**
 * Makes an error into data.
 *
 * @param error What was thrown.
 * @returns The data.
 */
export function toFailure(error: unknown): VerifyFailure {
  if (!(error instanceof Error)) return { name: "Error", message: String(error), cause: undefined };
  const { name, message, stack: cause } = error;
  if (!(error instanceof BagCorruptError)) return { name, message, cause };
  return { name, message, cause, corrupt: { file: error.file, offset: error.offset } };
}

/**
 * Makes data into the error that it was; what is none of ours is the cause of one.
 *
 * @param path The bag's directory.
 * @param failure The data.
 * @returns The error.
 */
function fromFailure(path: string, failure: VerifyFailure): QuiverError {
  const { name, message, cause, corrupt } = failure;
  if (corrupt !== undefined) {
    return new BagCorruptError(message, corrupt.file, corrupt.offset, { cause });
  }
  if (name === "BagFormatError") return new BagFormatError(message, { cause });
  return new QuiverError(`Cannot check "${path}": ${message}`, { cause });
}
