import type { DiskBag } from "../../bag/disk_bag.ts";
import { toStoredArguments } from "../../bag/verify/named_values.ts";
import type { Amendment } from "../../bag/verify/repair_log.ts";
import type { StepReport } from "../../bag/verify/report.ts";
import { toCallRecord } from "../../disk/disk_stores.ts";
import type { Digest } from "../../value/value.ts";
import type { RecordSigner } from "../signed/record_signer.ts";
import { CheckedValues } from "./checked_values.ts";

/** How records are checked. */
export interface RecordCheckOptions {
  /** Takes what is found. */
  readonly report: StepReport;
  /** Whether digests are computed again. */
  readonly digests: boolean;
  /** Tells who signed a record, where that counts. */
  readonly signer: RecordSigner | undefined;
}

/** Checks that the results and arguments of records are there and decode. */
export class RecordVerification {
  readonly #report: StepReport;
  readonly #signer: RecordSigner | undefined;
  /** The values that records name. */
  readonly values: CheckedValues;
  /** The keys of calls whose results cannot be had. */
  readonly misses = new Set<Digest>();
  /** The keys of records with which something is wrong. */
  readonly damaged = new Set<Digest>();

  /** Prepares the check. */
  constructor(files: DiskBag, { report, digests, signer }: RecordCheckOptions) {
    this.#report = report;
    this.#signer = signer;
    this.values = new CheckedValues(files.values, digests, (bytes) => report.bytes += bytes);
  }

  /** Checks a record. */
  check(line: Record<string, unknown>): void {
    const key = String(line.key);
    this.#report.checked++;
    if (typeof line.result === "string") {
      const result = this.values.stateOf(line.result);
      if (result !== "sound") {
        this.misses.add(key);
        this.#find(key, `the result of ${key} is ${result}`);
      } else if (!this.#isBelieved(line)) this.misses.add(key);
    }
    for (const { name, value } of toStoredArguments(line)) {
      if (this.values.stateOf(value) === "sound") continue;
      this.#find(key, `the argument ${JSON.stringify(name)} of ${key} is missing or wrong`);
    }
  }

  /** Others may have written it who sign with other keys, or not at all: that is no damage. */
  #isBelieved(line: Record<string, unknown>): boolean {
    const record = toCallRecord(line);
    return this.#signer === undefined || record === undefined || this.#signer.verify(record);
  }

  #find(key: Digest, problem: string): void {
    this.damaged.add(key);
    this.#report.find({ file: "calls.jsonl", problem });
  }

  /**
   * Tells what becomes of a record in a repair: a call whose result cannot be had is forgotten. Of an
   * argument that cannot be had it is noted that it is lost, in a way that leaves a signature good.
   *
   * @param line The newest record of a key, which may be newer than the check.
   * @returns What becomes of it.
   */
  amend(line: Record<string, unknown>): Amendment {
    if (typeof line.result === "string" && !this.values.isSoundNow(line.result)) {
      return { action: "forget" };
    }
    const lost = toStoredArguments(line).filter(({ value }) => !this.values.isSoundNow(value));
    if (lost.length === 0 || !Array.isArray(line.args)) return { action: "keep" };
    const args = line.args.map((argument: unknown) => {
      const found = lost.find((other) => other === argument);
      if (found === undefined) return argument;
      const { value, ...others } = found;
      return { ...others, lost: value };
    });
    return { action: "replace", fields: { ...line, args } };
  }
}
