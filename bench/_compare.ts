/**
 * Times contenders against one another in one process: in interleaved rounds, so that a machine
 * whose speed drifts slows all of them alike. Quote the ratios.
 *
 * @module
 */

/** One way to do the thing. */
export interface Contender {
  /** What it is called in the table. */
  readonly name: string;
  /**
   * Does the thing `calls` times. It may resolve to how long one took, in milliseconds, where that is
   * measured elsewhere.
   */
  readonly run: (calls: number) => unknown;
  /** How often it does the thing in a round, where the others' number would take it too long. */
  readonly calls?: number;
}

/** What came out for one contender. */
export interface Measured {
  /** What it is called. */
  readonly name: string;
  /** The median time for a call, in milliseconds. */
  readonly time: number;
  /** The median of the ratios to the first contender within a round. */
  readonly ratio: number;
}

/** How to compare. */
export interface CompareOptions {
  /** How often each contender does the thing in a round. */
  readonly calls: number;
  /** How many rounds are counted; one more is run first to warm up. */
  readonly rounds?: number;
  /** Whether the table shows time for a call, or calls in a second. */
  readonly show?: "time" | "rate";
}

/**
 * Compares contenders and prints a table: the median, the spread from the tenth to the ninetieth
 * percentile, and the median of the ratios to the first contender within a round.
 *
 * @param title The question.
 * @param contenders The baseline first.
 * @param options How often.
 * @returns What came out, in the order of the contenders.
 */
export async function compare(
  title: string,
  contenders: readonly Contender[],
  { calls, rounds = 11, show = "time" }: CompareOptions,
): Promise<Measured[]> {
  const times = contenders.map((): number[] => []);
  for (let round = -1; round < rounds; round++) {
    for (let turn = 0; turn < contenders.length; turn++) {
      const index = (turn + round + contenders.length) % contenders.length;
      const contender = contenders[index];
      if (contender === undefined) continue;
      const own = contender.calls ?? calls;
      const begun = performance.now();
      const measured = await contender.run(own);
      const passed = (performance.now() - begun) / own;
      const time = typeof measured === "number" ? measured : passed;
      if (round >= 0) times[index]?.push(time);
    }
  }
  const baseline = times[0] ?? [];
  const width = Math.max(...contenders.map(({ name }) => name.length));
  console.log(`\n${title} (${calls} calls × ${rounds} rounds)`);
  return contenders.map(({ name }, index) => {
    const own = times[index] ?? [];
    const ratio = quantile(own.map((time, round) => time / (baseline[round] ?? time)), 0.5);
    const cells = [0.5, 0.1, 0.9].map((q) => format(quantile(own, q), show));
    console.log(
      `  ${name.padEnd(width)}  ${cells[0]?.padStart(12)}  ` +
        `${`${cells[1]} … ${cells[2]}`.padStart(28)}  × ${ratio.toFixed(2)}`,
    );
    return { name, time: quantile(own, 0.5), ratio };
  });
}

/**
 * Finds the value below which a part of others lies.
 *
 * @param values The values.
 * @param q The part, 0.5 for the median.
 * @returns The value.
 */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? NaN;
}

/**
 * Writes a time for a call.
 *
 * @param milliseconds The time.
 * @param show As a time, or as calls in a second.
 * @returns The text.
 */
export function format(milliseconds: number, show: "time" | "rate"): string {
  if (show === "rate") return `${Math.round(1000 / milliseconds).toLocaleString("en")}/s`;
  if (milliseconds >= 1) return `${milliseconds.toFixed(2)} ms`;
  return `${(milliseconds * 1000).toFixed(2)} µs`;
}
