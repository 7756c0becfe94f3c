/**
 * Draws line charts as SVG.
 *
 * @module
 */

/** One axis. */
export interface Axis {
  /** What it shows, with the unit. */
  readonly label: string;
  /** Where it begins. */
  readonly low: number;
  /** Where it ends. */
  readonly high: number;
  /** The places that are marked, and what is written there. */
  readonly ticks: readonly { readonly at: number; readonly text: string }[];
}

/** A point on a line. */
export interface Point {
  /** Where along the axis. */
  readonly x: number;
  /** How high. */
  readonly y: number;
  /** Where its interval begins and ends. */
  readonly interval?: readonly [number, number];
}

/** A line with its name in the legend. */
export interface Line {
  /** The name. */
  readonly name: string;
  /** The points, from left to right. */
  readonly points: readonly Point[];
  /** Whether each point is marked with a dot. */
  readonly dots: boolean;
}

/** One chart of several on a sheet. */
export interface Panel {
  /** What it shows. */
  readonly title: string;
  /** The axis below. */
  readonly x: Axis;
  /** The axis at the left. */
  readonly y: Axis;
  /** The lines. */
  readonly lines: readonly Line[];
  /** Where the plot area lies on the sheet, in pixels. */
  readonly frame: { left: number; top: number; width: number; height: number };
}

const COLOURS: readonly string[] = ["#0b62a4", "#d95f02", "#138a72", "#8a4fa3"];
const STYLE = `text{font-family:"Helvetica Neue",Arial,"DejaVu Sans",sans-serif;fill:#333}
.title{font-size:24px;font-weight:600}.subtitle{font-size:15px;fill:#666}
.panel{font-size:16px;font-weight:600}.label{font-size:13px;fill:#555}
.tick{font-size:12px;fill:#666}.grid{stroke:#e6e6e6}.axis{stroke:#888}`;

/**
 * Draws a sheet of panels.
 *
 * @param sheet The title, a line below it, and the size in pixels.
 * @param panels The panels.
 * @returns The SVG document.
 */
export function drawChart(
  sheet: { title: string; subtitle: string; width: number; height: number },
  panels: readonly Panel[],
): string {
  const { width, height } = sheet;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">`,
    `<style>${STYLE}</style><rect width="${width}" height="${height}" fill="#fff"/>`,
    drawText("title", 40, 44, sheet.title),
    drawText("subtitle", 40, 68, sheet.subtitle),
    ...panels.map(drawPanel),
    "</svg>\n",
  ].join("\n");
}

function drawPanel({ title, x, y, lines, frame }: Panel): string {
  const { left, top, width, height } = frame;
  const bottom = top + height;
  const toX = (value: number) => round(left + (value - x.low) / (x.high - x.low) * width);
  const toY = (value: number) => round(bottom - (value - y.low) / (y.high - y.low) * height);
  return [
    drawText("panel", left, top - 38, title),
    ...y.ticks.flatMap(({ at, text }) => [
      drawSegment("grid", left, toY(at), left + width, toY(at)),
      drawText("tick", left - 8, toY(at) + 4, text, "end"),
    ]),
    ...x.ticks.flatMap(({ at, text }) => [
      drawSegment("axis", toX(at), bottom, toX(at), bottom + 5),
      drawText("tick", toX(at), bottom + 19, text, "middle"),
    ]),
    drawSegment("axis", left, bottom, left + width, bottom),
    drawText("label", left + width / 2, bottom + 40, x.label, "middle"),
    `<g transform="translate(${left - 48} ${top + height / 2}) rotate(-90)">`,
    drawText("label", 0, 0, y.label, "middle"),
    "</g>",
    ...lines.map((line, index) => drawLine(line, COLOURS[index] ?? "#333", toX, toY)),
    ...lines.map((line, index) => drawLegend(line, COLOURS[index] ?? "#333", index, frame)),
  ].join("\n");
}

function drawLine(
  { points, dots }: Line,
  colour: string,
  toX: (value: number) => number,
  toY: (value: number) => number,
): string {
  const path = points.map(({ x, y }) => `${toX(x)},${toY(y)}`).join(" ");
  const intervals = points.map(({ x, interval }) => {
    if (interval === undefined) return "";
    const [low, high] = interval.map(toY);
    return `M${toX(x)} ${low}V${high}m-4 0h8M${toX(x) - 4} ${low}h8`;
  });
  const circles = points.map(({ x, y }) => `<circle cx="${toX(x)}" cy="${toY(y)}" r="3.5"/>`);
  return `<g stroke="${colour}" fill="${colour}"><polyline points="${path}" fill="none" ` +
    `stroke-width="2" stroke-linejoin="round"/><path d="${intervals.join("")}" fill="none" ` +
    `stroke-width="1.5"/>${dots ? circles.join("") : ""}</g>`;
}

function drawLegend(line: Line, colour: string, index: number, frame: Panel["frame"]): string {
  const x = frame.left + index * frame.width / COLOURS.length;
  const y = frame.top - 16;
  return `<rect x="${x}" y="${y - 2}" width="18" height="4" rx="2" fill="${colour}"/>` +
    drawText("tick", x + 24, y + 4, line.name);
}

function drawSegment(kind: string, x1: number, y1: number, x2: number, y2: number): string {
  return `<line class="${kind}" x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}"/>`;
}

function drawText(kind: string, x: number, y: number, text: string, anchor = "start"): string {
  const escaped = text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text class="${kind}" x="${x}" y="${y}" text-anchor="${anchor}">${escaped}</text>`;
}

function round(pixels: number): number {
  return Math.round(pixels * 10) / 10;
}
