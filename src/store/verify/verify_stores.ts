import type { DiskBag } from "../../bag/disk_bag.ts";
import type { Hdf5Environment } from "../../bag/hdf5/access.ts";
import { BagVerification } from "../../bag/verify/bag_verification.ts";
import type { Amendment } from "../../bag/verify/repair_log.ts";
import { StepReport, type VerifyOptions, type VerifyReport } from "../../bag/verify/report.ts";
import { decodeValue } from "../../value/codec/decode_value.ts";
import { digestValue } from "../../value/digest/digest_value.ts";
import type { Digest } from "../../value/value.ts";

const MOST_MISSES = 1000;

/** How long records are checked before others may run, in milliseconds. */
const SLICE = 20;

/**
 * Checks a bag in this isolate: its files, then what its records promise.
 *
 * @param options What to do.
 * @param environment What the check stands on; the disk, if not given.
 * @returns What was found.
 */
export async function verifyStores(
  path: string,
  options: VerifyOptions,
  environment?: Hdf5Environment,
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
  for (const line of files.calls.lines()) {
    records.check(line);
    if (performance.now() - since < SLICE) continue;
    await new Promise((resolve) => setTimeout(resolve, 0));
    signal?.throwIfAborted();
    progress?.update(report.toStep());
    since = performance.now();
  }
  if (!repair || records.damaged.size === 0) return records.misses;
  await verification.drop(records.wrong);
  await verification.amend([...records.damaged], (record) => records.amend(record));
  report.repairAll();
  return records.misses;
}

/** Whether a value is there and decodes, or is not there, or is whole but not what it should be. */
type ValueState = "sound" | "missing" | "wrong";

/** Checks that the results and arguments of records are there and decode. */
class RecordVerification {
  readonly #files: DiskBag;
  readonly #report: StepReport;
  readonly #digests: boolean;
  readonly #states = new Map<Digest, ValueState>();
  /** The keys of calls whose results cannot be had. */
  readonly misses: Digest[] = [];
  /** The keys of records with which something is wrong. */
  readonly damaged = new Set<Digest>();

  /**
   * Prepares the check.
   *
   * @param report Takes what is found.
   * @param digests Whether digests are computed again.
   */
  constructor(files: DiskBag, report: StepReport, digests: boolean) {
    this.#files = files;
    this.#report = report;
    this.#digests = digests;
  }

  /** Values that are whole but do not decode, or are not what their digest is of. */
  get wrong(): ReadonlySet<Digest> {
    const wrong = Array.from(this.#states).filter(([, state]) => state === "wrong");
    return new Set(wrong.map(([digest]) => digest));
  }

  /** Checks a record. */
  check(line: Record<string, unknown>): void {
    const key = String(line.key);
    this.#report.checked++;
    if (typeof line.result === "string") {
      const result = this.#stateOf(line.result);
      if (result !== "sound") {
        this.misses.push(key);
        this.#find(key, `the result of ${key} is ${result}`);
      }
    }
    for (const argument of toArguments(line)) {
      if (this.#stateOf(argument.value) === "sound") continue;
      const name = JSON.stringify(argument.name);
      this.#find(key, `the argument ${name} of ${key} is missing or wrong`);
    }
  }

  #find(key: Digest, problem: string): void {
    this.damaged.add(key);
    this.#report.find({ file: "calls.jsonl", problem });
  }

  #stateOf(digest: Digest): ValueState {
    const state = this.#states.get(digest) ?? this.#readValue(digest);
    this.#states.set(digest, state);
    return state;
  }

  #readValue(digest: Digest): ValueState {
    let missing = false;
    const load = (part: Digest) => {
      const payload = this.#files.values.load(part);
      if (payload === undefined) missing = true;
      else this.#report.bytes += payload.bytes.length;
      return payload;
    };
    const payload = load(digest);
    if (payload === undefined) return "missing";
    try {
      const value = decodeValue(payload, load);
      return this.#digests && digestValue(value) !== digest ? "wrong" : "sound";
    } catch {
      // Whatever a decoder says of bytes that are whole: they are not what the digest is of.
      return missing ? "missing" : "wrong";
    }
  }

  /**
   * Tells what becomes of a record in a repair: a call whose result cannot be had is forgotten, and
   * an argument that cannot be had is no longer named as stored.
   *
   * @param line The newest record of a key, which may be newer than the check.
   * @returns What becomes of it.
   */
  amend(line: Record<string, unknown>): Amendment {
    if (typeof line.result === "string" && !this.#isSoundNow(line.result)) {
      return { action: "forget" };
    }
    const lost = toArguments(line).filter(({ value }) => !this.#isSoundNow(value));
    if (lost.length === 0 || !Array.isArray(line.args)) return { action: "keep" };
    const args = line.args.map((argument: unknown) => {
      const found = lost.find((other) => other === argument);
      if (found === undefined) return argument;
      const { value: _, ...others } = found;
      return others;
    });
    return { action: "replace", fields: { ...line, args } };
  }

  /** What was missing may have been computed meanwhile; what was wrong was taken away. */
  #isSoundNow(digest: Digest): boolean {
    return this.#states.get(digest) === "sound" || this.#readValue(digest) === "sound";
  }
}

/** The arguments that a line names as stored; another program may have written anything into it. */
function toArguments(line: Record<string, unknown>): { name?: unknown; value: Digest }[] {
  return Array.isArray(line.args) ? line.args.filter(isStored) : [];
}

function isStored(argument: unknown): argument is { name?: unknown; value: Digest } {
  return typeof argument === "object" && argument !== null && "value" in argument &&
    typeof argument.value === "string";
}
