/**
 * Says what the sweep found, in tables and in one sentence.
 *
 * @module
 */
import { type Findings, selectBest, selectStatistic } from "./findings.ts";
import { BANDWIDTHS_MILES, BANDWIDTHS_MINUTES, STATISTICS } from "./points.ts";
import type { Interval, Statistic } from "./statistics.ts";

const HEADINGS: Readonly<Record<Statistic, string>> = {
  mean: "mean",
  median: "median",
  p90: "90th percentile",
  late: "over 15 min late",
};

/**
 * Writes the tables.
 *
 * @param findings The findings.
 * @returns Lines of text.
 */
export function toTables(findings: Findings): string {
  return [
    "Delay at arrival by distance, in minutes [95 % bootstrap interval]",
    toTable([
      ["miles", "flights", ...STATISTICS.map((statistic) => HEADINGS[statistic])],
      ...toBandRows(findings),
    ]),
    "",
    "5-fold error of the kernel regression, in minutes (* the least)",
    toTable([
      ["reach", ...BANDWIDTHS_MINUTES.map((minutes) => `${minutes} min`)],
      ...toErrorRows(findings),
    ]),
  ].join("\n");
}

/**
 * Says what it means.
 *
 * @param findings The findings.
 * @returns One sentence.
 */
export function toConclusion(findings: Findings): string {
  const anyTime = Math.max(...BANDWIDTHS_MINUTES);
  const anyDistance = Math.max(...BANDWIDTHS_MILES);
  const both = selectBest(findings);
  const time = selectBest(findings, ({ miles }) => miles === anyDistance);
  const distance = selectBest(findings, ({ minutes }) => minutes === anyTime);
  return `When a flight leaves says more than how far it goes: time of day alone explains ` +
    `${toPercent(time.result.explained)} of the variance of unseen delays, distance alone ` +
    `${toPercent(distance.result.explained)}, both ${toPercent(both.result.explained)} ` +
    `(reach ${both.point.minutes} minutes, ${both.point.miles} miles: almost a single route), ` +
    `and even then a forecast is off by ${both.result.error.toFixed(0)} minutes.`;
}

function toBandRows(findings: Findings): string[][] {
  const columns = STATISTICS.map((statistic) => selectStatistic(findings, statistic));
  const [first = []] = columns;
  return first.map(({ point, result }, band) => [
    `${format(point.fromMiles)}–${format(point.toMiles)}`,
    format(result.count),
    ...columns.flatMap((column) => column[band] ?? []).map(({ point, result }) =>
      toCellText(point.statistic, result)
    ),
  ]);
}

function toErrorRows(findings: Findings): string[][] {
  const best = selectBest(findings);
  return BANDWIDTHS_MILES.map((miles) => [
    `${format(miles)} miles`,
    ...findings.validations.filter(({ point }) => point.miles === miles).map((finding) =>
      `${finding === best ? "*" : ""}${finding.result.error.toFixed(2)}`
    ),
  ]);
}

function toCellText(statistic: Statistic, { estimate, low, high }: Interval): string {
  const show = statistic === "late" ? toPercent : toMinutes;
  return `${show(estimate)} [${show(low)}, ${show(high)}]`;
}

function toTable(rows: readonly (readonly string[])[]): string {
  const [heading = []] = rows;
  const widths = heading.map((_, column) => {
    return Math.max(...rows.map((row) => row[column]?.length ?? 0));
  });
  return rows.map((row) => row.map((text, i) => text.padStart(widths[i] ?? 0)).join("  "))
    .join("\n");
}

function toMinutes(minutes: number): string {
  return minutes.toFixed(1).replace(/^-0\.0$/, "0.0").replace("-", "−");
}

function toPercent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function format(value: number): string {
  return value.toLocaleString("en-US");
}
