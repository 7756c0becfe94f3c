import { resolve } from "node:path";
import type { VerifyOptions, VerifyReport, VerifyStep } from "../../bag/verify/report.ts";
import {
  BOOLEAN,
  checkIsOptions,
  checkOptions,
  type OptionRules,
  SIGNAL,
  withFunctions,
} from "../../base/check_options.ts";
import { SafeCallbacks, writeWarning } from "../../base/warning.ts";
import { runJob } from "../../base/worker_job.ts";
import { toPath } from "../open_stores.ts";
import { type SigningOptions, toSigningKeys } from "../signed/signing_keys.ts";

const RULES: OptionRules<VerifyOptions> = {
  repair: BOOLEAN,
  digests: BOOLEAN,
  signal: SIGNAL,
  progress: withFunctions(["update"]),
};

/** Options of `verifyBag()`. */
export type VerifyBagOptions = VerifyOptions & SigningOptions;

/**
 * Checks a bag in a worker of its own.
 *
 * @param options What to do.
 * @returns What was found.
 */
export async function runVerifyWorker(
  path: string | URL,
  all: VerifyBagOptions = {},
): Promise<VerifyReport> {
  checkIsOptions("check a bag", all);
  const { signingKey, ...options } = all;
  checkOptions("check a bag", options, RULES, "no option");
  const keys = toSigningKeys(signingKey);
  const { repair = false, digests = false, signal, progress } = options;
  signal?.throwIfAborted();
  const root = resolve(toPath(path));
  const callbacks = new SafeCallbacks("who follows the check of a bag", writeWarning);
  return await runJob<VerifyReport, VerifyStep>({
    entry: new URL("./verify_worker.ts", import.meta.url),
    name: "quiver-verify",
    request: {
      path: root,
      repair,
      digests,
      keys,
      observed: progress !== undefined,
    } satisfies VerifyRequest,
    action: `check "${root}"`,
    told: (step) => callbacks.tell("update", () => progress?.update(step)),
    // It ends between two steps, so that a repair is never left half done.
    signal,
  });
}

/** What the worker that checks a bag is asked. */
export interface VerifyRequest {
  /** The bag's directory. */
  readonly path: string;
  /** Whether it is repaired. */
  readonly repair: boolean;
  /** Whether digests are computed again. */
  readonly digests: boolean;
  /** The keys with which records count as signed. */
  readonly keys: readonly string[];
  /** Whether somebody is told how far it is. */
  readonly observed: boolean;
}
