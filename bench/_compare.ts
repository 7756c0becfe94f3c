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
  /** Does the thing `calls` times. */
  readonly run: (calls: number) => unknown;
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
 */
export async function compare(
  title: string,
  contenders: readonly Contender[],
  { calls, rounds = 11, show = "time" }: CompareOptions,
): Promise<void> {
  const times = contenders.map((): number[] => []);
  for (let round = -1; round < rounds; round++) {
    for (let turn = 0; turn < contenders.length; turn++) {
      const index = (turn + round + contenders.length) % contenders.length;
      const begun = performance.now();
      await contenders[index]?.run(calls);
      const time = (performance.now() - begun) / calls;
      if (round >= 0) times[index]?.push(time);
    }
  }
  const baseline = times[0] ?? [];
  const width = Math.max(...contenders.map(({ name }) => name.length));
  console.log(`\n${title} (${calls} calls × ${rounds} rounds)`);
  for (const [index, { name }] of contenders.entries()) {
    const own = times[index] ?? [];
    const ratio = quantile(own.map((time, round) => time / (baseline[round] ?? time)), 0.5);
    const cells = [0.5, 0.1, 0.9].map((q) => format(quantile(own, q), show));
    console.log(
      `  ${name.padEnd(width)}  ${cells[0]?.padStart(12)}  ` +
        `${`${cells[1]} … ${cells[2]}`.padStart(28)}  × ${ratio.toFixed(2)}`,
    );
  }
}

function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? NaN;
}

function format(milliseconds: number, show: "time" | "rate"): string {
  if (show === "rate") return `${Math.round(1000 / milliseconds).toLocaleString("en")}/s`;
  if (milliseconds >= 1) return `${milliseconds.toFixed(2)} ms`;
  return `${(milliseconds * 1000).toFixed(2)} µs`;
}
