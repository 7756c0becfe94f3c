import type { Hdf5Environment } from "../../bag/hdf5/access.ts";
import { BagVerification } from "../../bag/verify/bag_verification.ts";
import type { VerifiedFiles } from "../../bag/verify/verify_files.ts";
import { StepReport, type VerifyOptions, type VerifyReport } from "../../bag/verify/report.ts";
import type { Digest } from "../../value/value.ts";
import { RecordSigner } from "../signed/record_signer.ts";
import { RecordVerification } from "./record_verification.ts";

const MOST_MISSES = 1000;

/** How long records are checked before others may run, in milliseconds. */
const SLICE = 20;

/** What to do, and with which keys records count as signed: with none, all count. */
export interface KeyedVerifyOptions extends VerifyOptions {
  readonly keys?: readonly string[];
}

/**
 * Checks a bag in this isolate: its files, then what its records promise.
 *
 * @param options What to do.
 * @param environment What the check stands on; the disk, if not given.
 * @returns What was found.
 */
export async function verifyStores(
  path: string,
  options: KeyedVerifyOptions,
  environment?: Hdf5Environment,
): Promise<VerifyReport> {
  const verification = new BagVerification(path, options, environment);
  const files = await verification.files();
  const report = new StepReport("records");
  const misses = files.readable
    ? await verifyRecords(verification, files, report, options)
    : [...files.lost];
  const steps = [...files.reports, report].map((step) => step.toStep());
  for (const step of steps) options.progress?.update(step);
  return {
    path: verification.path,
    sound: steps.every(({ problems, repaired }) => problems === repaired),
    steps,
    missed: misses.length,
    misses: misses.slice(0, MOST_MISSES),
    ...(verification.quarantine !== undefined && { quarantine: verification.quarantine }),
  };
}

async function verifyRecords(
  verification: BagVerification,
  { lost }: VerifiedFiles,
  report: StepReport,
  { repair = false, digests = false, keys = [], signal, progress }: KeyedVerifyOptions,
): Promise<readonly Digest[]> {
  await using files = await verification.open();
  const signed = keys.length > 0;
  const signer = signed ? new RecordSigner(keys) : undefined;
  // Who has a key believes no value that is not what its digest says.
  const records = new RecordVerification(files, { report, digests: digests || signed, signer });
  let since = performance.now();
  for (const line of files.calls.lines()) {
    records.check(line);
    if (performance.now() - since < SLICE) continue;
    await new Promise((resolve) => setTimeout(resolve, 0));
    signal?.throwIfAborted();
    progress?.update(report.toStep());
    since = performance.now();
  }
  // A repair may have found them whole inside of the damage.
  const gone = Iterator.from(lost).filter((key) => files.calls.getLine(key) === undefined);
  const misses = [...records.misses.union(new Set(gone))];
  const { values, damaged } = records;
  if (!repair || (damaged.size === 0 && values.wrong.size === 0)) return misses;
  await verification.drop(values.wrong, (digest, payload) => values.isWrong(digest, payload));
  await verification.amend([...damaged], (record) => records.amend(record));
  report.repairAll();
  return misses;
}
