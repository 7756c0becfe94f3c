// How do writers in 1 to 4 processes share one bag, and how long do readers wait beside them?
import { formatBytes } from "./_byte_stores.ts";
import { type Claim, printClaims } from "./_claims.ts";
import { format as formatTime, quantile } from "./_compare.ts";
import { type Kind, write, type Writing } from "./_writers.ts";

const ROUNDS = 3;

const MOST_WRITERS = 4;
const LARGE_BYTES = 8e6;

/** Compares writers of a bag with as many writers of plain files, and times readers beside them. */
export async function run({ full = false }: { full?: boolean } = {}): Promise<Claim[]> {
  const small = await compareWriters(200, full ? 10_000 : 1000);
  const large = await compareWriters(LARGE_BYTES, full ? 40 : 10);
  return [claimShare(large), claimWaits([...small.waits, ...large.waits])];
}

/** What came out for the most writers of values of one size. */
interface Compared {
  /** Values a second of all writers together. */
  readonly rates: { readonly [kind in Kind]: number };
  /** The medians of the ratios to plain files within a run. */
  readonly shares: { readonly bag: number; readonly most: number };
  /** Of the bag to synced files. */
  readonly synced: number;
  /** How long readers waited beside each number of writers, in µs. */
  readonly waits: readonly (readonly number[])[];
}

async function compareWriters(size: number, count: number): Promise<Compared> {
  console.log(
    `\n${count} values of ${formatBytes(size)} from each writer, median of ${ROUNDS} runs`,
  );
  const waits: (readonly number[])[] = [];
  let compared: Omit<Compared, "waits"> | undefined;
  for (const writers of [1, 2, MOST_WRITERS]) {
    const runs: Record<Kind, Writing>[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      runs.push({
        files: await write("files", writers, count, size),
        "synced files": await write("synced files", writers, count, size),
        digests: await write("digests", writers, count, size),
        bag: await write("bag", writers, count, size),
      });
    }
    const beside = runs.flatMap(({ bag }) => bag.waits);
    waits.push(beside);
    compared = summarize(runs);
    printWriters(writers, size, compared, beside);
  }
  if (compared === undefined) throw new Error("Cannot compare writers: there were none");
  return { ...compared, waits };
}

function summarize(runs: readonly Record<Kind, Writing>[]): Omit<Compared, "waits"> {
  const median = (of: (run: Record<Kind, Writing>) => number) => quantile(runs.map(of), 0.5);
  return {
    rates: {
      files: median((run) => run.files.rate),
      "synced files": median((run) => run["synced files"].rate),
      digests: median((run) => run.digests.rate),
      bag: median((run) => run.bag.rate),
    },
    shares: {
      bag: median(({ bag, files }) => bag.rate / files.rate),
      // Each byte is digested and then written, by the same cores.
      most: median(({ digests, files }) => 1 / (1 / digests.rate + 1 / files.rate) / files.rate),
    },
    synced: median((run) => run.bag.rate / run["synced files"].rate),
  };
}

function printWriters(
  writers: number,
  size: number,
  { rates, shares, synced }: Omit<Compared, "waits">,
  waits: readonly number[],
): void {
  console.log(
    `  ${writers} writers: bag ${format(rates.bag, size)}; ` +
      `files in memory ${format(rates.files, size)}, bag × ${shares.bag.toFixed(2)}; ` +
      `files on the disk ${format(rates["synced files"], size)}, bag × ${synced.toFixed(2)}; ` +
      `SHA-256 alone ${format(rates.digests, size)}, which leaves × ${shares.most.toFixed(2)}; ` +
      "readers beside them: " +
      [0.5, 0.99].map((q) => `p${q * 100} ${quantile(waits, q).toFixed(1)} µs`).join(", "),
  );
}

function claimShare({ rates, shares, synced }: Compared): Claim {
  const limit = 0.8;
  return {
    text: `${MOST_WRITERS} writers of 8 MB, to plain files`,
    measured: `× ${shares.bag.toFixed(2)}`,
    goal: `≥ × ${limit}`,
    holds: shares.bag >= limit,
    beside: `SHA-256 and writing leave × ${shares.most.toFixed(2)}: bag ` +
      `${format(rates.bag, LARGE_BYTES)}, SHA-256 ${format(rates.digests, LARGE_BYTES)}, ` +
      `files ${format(rates.files, LARGE_BYTES)}; to synced files × ${synced.toFixed(2)}`,
  };
}

function claimWaits(waits: readonly (readonly number[])[]): Claim {
  const limit = 0.5;
  const of = (waits: readonly number[], q: number) => quantile(waits, q) / 1000;
  const most = of(waits.flat(), 0.99);
  const worst = Math.max(...waits.map((each) => of(each, 0.99)));
  return {
    text: "readers beside writers, p99",
    measured: formatTime(most, "time"),
    goal: `≤ ${formatTime(limit, "time")}`,
    holds: most <= limit,
    beside: `p50 ${formatTime(of(waits.flat(), 0.5), "time")}; by number of writers and size, ` +
      `p99 is at most ${formatTime(worst, "time")}`,
  };
}

function format(rate: number, size: number): string {
  return size >= 1e6
    ? `${(rate * size / 1e6).toFixed(0)} MB/s`
    : `${Math.round(rate).toLocaleString("en")}/s`;
}

if (import.meta.main) printClaims(await run({ full: Deno.args.includes("--full") }));
