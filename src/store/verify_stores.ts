import { BagVerification, type VerificationEnvironment } from "../bag/verify/bag_verification.ts";
import { StepReport, type VerifyOptions, type VerifyReport } from "../bag/verify/report.ts";
import { RecordVerification } from "./record_verification.ts";

const MOST_MISSES = 1000;

/** How long records are checked before others may run, in milliseconds. */
const SLICE = 20;

/**
 * Checks a bag in this isolate: its files, then what its records promise.
 *
 * @param path The bag's directory.
 * @param options What to do.
 * @param environment What the check stands on; the disk, if not given.
 * @returns What was found.
 */
export async function verifyStores(
  path: string,
  options: VerifyOptions,
  environment?: VerificationEnvironment,
): Promise<VerifyReport> {
  const verification = new BagVerification(path, options, environment);
  const { reports, readable } = await verification.files();
  const report = new StepReport("records");
  const misses = readable ? await verifyRecords(verification, report, options) : [];
  const steps = [...reports, report].map((step) => step.toStep());
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
  report: StepReport,
  { repair = false, digests = false, signal, progress }: VerifyOptions,
): Promise<readonly string[]> {
  await using files = await verification.open();
  const records = new RecordVerification(files, report, digests);
  let since = performance.now();
  await records.checkAll(async () => {
    if (performance.now() - since < SLICE) return;
    await new Promise((resolve) => setTimeout(resolve, 0));
    signal?.throwIfAborted();
    progress?.update(report.toStep());
    since = performance.now();
  });
  if (!repair || records.damaged.length === 0) return records.misses;
  await verification.drop(records.wrong);
  await verification.amend(records.damaged, (record) => records.amend(record));
  report.repairAll();
  return records.misses;
}
