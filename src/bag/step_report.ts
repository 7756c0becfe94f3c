import type { VerifyFinding, VerifyStep, VerifyStepName } from "./verify_report.ts";

const MOST_FINDINGS = 100;

/** Counts what a step of a check finds. */
export class StepReport {
  /** What is checked. */
  readonly name: VerifyStepName;
  /** How many things were looked at. */
  checked = 0;
  /** How many bytes were read. */
  bytes = 0;
  /** What killed programs left. */
  unfinished = 0;
  /** How many files were put aside. */
  quarantined = 0;
  /** How many problems are gone. */
  repaired = 0;
  #problems = 0;
  readonly #findings: VerifyFinding[] = [];

  /**
   * Begins a step.
   *
   * @param name What is checked.
   */
  constructor(name: VerifyStepName) {
    this.name = name;
  }

  /** How many problems were found. */
  get problems(): number {
    return this.#problems;
  }

  /**
   * Takes note of problems.
   *
   * @param finding What is wrong.
   * @param count How many things it is wrong with.
   */
  find(finding: VerifyFinding, count: number = 1): void {
    this.#problems += count;
    if (this.#findings.length < MOST_FINDINGS) this.#findings.push(finding);
  }

  /** All problems up to here are gone. */
  repairAll(): void {
    this.repaired = this.#problems;
  }

  /** What was found, as data. */
  toStep(): VerifyStep {
    const { name, checked, bytes, unfinished, repaired, quarantined } = this;
    const findings = [...this.#findings];
    const problems = this.#problems;
    return { name, checked, bytes, unfinished, problems, repaired, quarantined, findings };
  }
}
