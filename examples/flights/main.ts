/**
 * Sweeps 200,000 flights on workers: `deno task demo`, and again to see the bag answer. Stop it in
 * the middle, or start it twice at once on a fresh bag: no point is computed twice.
 *
 * Requires `--allow-read` and `--allow-write=.quiver`.
 *
 * @module
 */
import progress from "cli-progress";
import { cacheScope, Executor, openBag } from "@quiver/quiver";
import { drawChart } from "./chart.ts";
import { type Findings, toFindings } from "./findings.ts";
import { createPanels } from "./panels.ts";
import { INTERVAL_POINTS, REGRESSION_POINTS } from "./points.ts";
import { toConclusion, toTables } from "./report.ts";
import { estimateDelay, validateRegression } from "./tasks.ts";

const BAG = ".quiver/flights.bag";
const PLOT = ".quiver/flights.svg";

/** Where the results came from. */
interface Account {
  readonly fromBag: number;
  readonly computedHere: number;
  readonly computedElsewhere: number;
}

async function main(): Promise<void> {
  const started = performance.now();
  await Deno.mkdir(".quiver", { recursive: true });
  await using bag = await openBag(BAG);
  await using executor = new Executor({ maxWorkers: navigator.hardwareConcurrency });
  const options = { cache: bag, tags: { project: "flights" }, collect: ["runtime"] as const };
  await cacheScope(options, async () => {
    const { findings, account } = await sweep(executor);
    const seconds = (performance.now() - started) / 1000;
    await Deno.writeTextFile(PLOT, toPlot(findings));
    console.log(`${toTables(findings)}\n\n${toConclusion(findings)}\n\nPlot: ${PLOT}`);
    console.log(toAccountText(account, seconds));
    console.log(toHints());
  });
}

async function sweep(executor: Executor): Promise<{ findings: Findings; account: Account }> {
  const known = await Promise.all([
    ...INTERVAL_POINTS.map((point) => estimateDelay.contains(point)),
    ...REGRESSION_POINTS.map((point) => validateRegression.contains(point)),
  ]);
  const intervals = INTERVAL_POINTS.map((point) => executor.submit(estimateDelay, point));
  const validations = REGRESSION_POINTS.map((point) => executor.submit(validateRegression, point));
  const futures = [...intervals, ...validations];
  await showProgress(futures);
  const hits = futures.map((future) => future.hit);
  const fromBag = hits.filter((hit, index) => hit && known[index]).length;
  const computedElsewhere = hits.filter((hit, index) => hit && !known[index]).length;
  return {
    findings: {
      intervals: toFindings(INTERVAL_POINTS, await Promise.all(intervals)),
      validations: toFindings(REGRESSION_POINTS, await Promise.all(validations)),
    },
    account: { fromBag, computedElsewhere, computedHere: hits.filter((hit) => !hit).length },
  };
}

async function showProgress(results: readonly PromiseLike<unknown>[]): Promise<void> {
  const bar = new progress.SingleBar({
    format: "{bar} {value} of {total} points",
    clearOnComplete: true,
    linewrap: true,
  }, progress.Presets.shades_classic);
  const shown = Deno.stderr.isTerminal();
  if (shown) bar.start(results.length, 0);
  await Promise.all(results.map(async (result) => {
    await result;
    if (shown) bar.increment();
  }));
  bar.stop();
}

function toPlot(findings: Findings): string {
  const sheet = {
    title: "How late is a flight?",
    subtitle: "200,000 flights within the United States, 2001 (vega-datasets, flights-200k)",
    width: 1220,
    height: 910,
  };
  return drawChart(sheet, createPanels(findings));
}

function toAccountText(account: Account, seconds: number): string {
  const points = INTERVAL_POINTS.length + REGRESSION_POINTS.length;
  return `${points} points: ${account.fromBag} from the bag, ${account.computedHere} computed ` +
    `here, ${account.computedElsewhere} computed by another process meanwhile, ` +
    `${seconds.toFixed(1)} s`;
}

function toHints(): string {
  return `
Look at them in a browser:  deno task quiver browse ${BAG}
in this terminal:           deno task quiver ls ${BAG} ${validateRegression.identity.task} --results --sort result.error`;
}

if (import.meta.main) await main();
