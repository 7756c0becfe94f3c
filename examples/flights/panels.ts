/**
 * Turns the findings into the panels of the plot.
 *
 * @module
 */
import type { Axis, Line, Panel, Point } from "./chart.ts";
import { type Findings, selectStatistic } from "./findings.ts";
import { BAND_EDGES, BANDWIDTHS_MILES, BANDWIDTHS_MINUTES } from "./points.ts";
import { CELL_MINUTES, toCell } from "./regression.ts";
import type { Statistic } from "./statistics.ts";

/** The regression whose surface is shown: smoother than the best one, for the eye. */
const SHOWN = { minutes: 40, miles: 200 };
const SHOWN_MILES = [250, 1000, 2500];

/**
 * Makes the three panels of the plot.
 *
 * @param findings The findings.
 * @returns Delay by distance, error by bandwidths, and expected delay by time of day.
 */
export function createPanels(findings: Findings): Panel[] {
  return [createBands(findings), createErrors(findings), createDay(findings)];
}

function createBands(findings: Findings): Panel {
  const lines = [
    createBandLine(findings, "mean", "mean"),
    createBandLine(findings, "median", "median"),
  ];
  return {
    title: "Delay by distance, with 95 % bootstrap intervals",
    x: {
      label: "distance, in miles (limits of the bands)",
      low: -0.5,
      high: BAND_EDGES.length - 1.5,
      ticks: BAND_EDGES.map((miles, band) => ({ at: band - 0.5, text: format(miles) })),
    },
    y: createAxis("delay at arrival, in minutes", lines, 2),
    lines,
    frame: { left: 100, top: 160, width: 480, height: 300 },
  };
}

function createBandLine(findings: Findings, statistic: Statistic, name: string): Line {
  const points = selectStatistic(findings, statistic).map(({ result }, x): Point => ({
    x,
    y: result.estimate,
    interval: [result.low, result.high],
  }));
  return { name, points, dots: true };
}

function createErrors({ validations }: Findings): Panel {
  const lines = BANDWIDTHS_MILES.map((miles): Line => ({
    name: `${format(miles)} miles`,
    points: validations.filter(({ point }) => point.miles === miles).map(({ point, result }) => ({
      x: Math.log2(point.minutes),
      y: result.error,
    })),
    dots: true,
  }));
  return {
    title: "5-fold error by reach in time and distance",
    x: {
      label: "reach in time of day, in minutes (logarithmic)",
      low: Math.log2(Math.min(...BANDWIDTHS_MINUTES)) - 0.3,
      high: Math.log2(Math.max(...BANDWIDTHS_MINUTES)) + 0.3,
      ticks: BANDWIDTHS_MINUTES.map((minutes) => ({
        at: Math.log2(minutes),
        text: format(minutes),
      })),
    },
    y: createAxis("error on unseen flights, in minutes", lines, 0.2),
    lines,
    frame: { left: 690, top: 160, width: 480, height: 300 },
  };
}

function createDay({ validations }: Findings): Panel {
  const shown = validations.find(({ point }) =>
    point.minutes === SHOWN.minutes && point.miles === SHOWN.miles
  );
  const times = Array.from({ length: 18 * 60 / CELL_MINUTES }, (_, i) => 360 + i * CELL_MINUTES);
  const lines = SHOWN_MILES.map((miles): Line => ({
    name: `${format(miles)} miles`,
    points: times.map((x) => ({ x, y: shown?.result.surface.data[toCell(x, miles)] ?? NaN })),
    dots: false,
  }));
  return {
    title:
      `Expected delay by time of day and distance (reach ${SHOWN.minutes} minutes, ${SHOWN.miles} miles)`,
    x: {
      label: "time of departure",
      low: 360,
      high: 1440,
      ticks: Array.from({ length: 10 }, (_, i) => ({ at: 360 + i * 120, text: `${6 + 2 * i}:00` })),
    },
    y: createAxis("expected delay, in minutes", lines, 10),
    lines,
    frame: { left: 100, top: 600, width: 1070, height: 240 },
  };
}

function createAxis(label: string, lines: readonly Line[], step: number): Axis {
  const values = lines.flatMap(({ points }) => points.flatMap((p) => [p.y, ...p.interval ?? []]));
  const first = Math.floor(Math.min(...values) / step);
  const last = Math.ceil(Math.max(...values) / step);
  const ticks = Array.from({ length: last - first + 1 }, (_, index) => {
    const at = (first + index) * step;
    return { at, text: at.toFixed(step < 1 ? 1 : 0).replace("-", "−") };
  });
  return { label, low: first * step, high: last * step, ticks };
}

function format(value: number): string {
  return value.toLocaleString("en-US");
}
