import type { VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import { showNumber } from "./format.tsx";

/** A curve. */
export interface Curve {
  readonly name: string;
  readonly x: readonly number[];
  readonly y: readonly (number | null)[];
}

/** Colours that are told apart, also by those who see fewer. */
const COLOURS = [
  "#3b82c4",
  "#d9722e",
  "#2f9e77",
  "#b5569b",
  "#a38a1b",
  "#6f6bd1",
  "#c0504d",
  "#5a8a9c",
];

const HEIGHT = 340;

interface LinePlotProps {
  readonly curves: readonly Curve[];
  readonly label: string;
  /** What part of the x axis is shown; all, if not given. */
  readonly zoom: readonly [from: number, to: number] | undefined;
  readonly onZoom: (zoom: readonly [from: number, to: number] | undefined) => void;
  readonly points?: boolean;
}

/** Curves over one x axis; drag to zoom, double-click for all. */
export function LinePlot({ curves, label, zoom, onZoom, points = false }: LinePlotProps): VNode {
  const box = useRef<HTMLDivElement>(null);
  const width = useWidth(box);
  useEffect(() => {
    const element = box.current;
    if (element === null || curves.length === 0) return;
    const style = getComputedStyle(element);
    const [ink, faint] = [style.getPropertyValue("--ink"), style.getPropertyValue("--line")];
    const axis = {
      stroke: ink,
      grid: { stroke: faint, width: 1 },
      ticks: { stroke: faint, width: 1 },
    };
    const tables = curves.map(({ x, y }): uPlot.AlignedData => [[...x], [...y]]);
    const data = tables.length === 1 ? tables[0] : uPlot.join(tables);
    if (data === undefined) return;
    const plot = new uPlot(
      {
        width,
        height: HEIGHT,
        scales: {
          x: { time: false, ...(zoom !== undefined && { min: zoom[0], max: zoom[1] }) },
        },
        axes: [axis, { ...axis, size: 70 }],
        series: [
          {},
          ...curves.map(({ name }, at) => ({
            label: name,
            stroke: COLOURS[at % COLOURS.length] ?? ink,
            width: 1.25,
            spanGaps: true,
            ...(points && { paths: () => null, points: { show: true, size: 4 } }),
          })),
        ],
        hooks: {
          setSelect: [({ select, posToVal }) => {
            if (select.width > 2) {
              onZoom([posToVal(select.left, "x"), posToVal(select.left + select.width, "x")]);
            }
          }],
        },
        cursor: { drag: { x: true, y: false, setScale: false } },
      },
      data,
      element,
    );
    return () => plot.destroy();
  }, [curves, width, zoom?.[0], zoom?.[1], points]);
  return (
    <figure aria-label={label}>
      <div
        class="plot"
        ref={box}
        style={{ minHeight: `${HEIGHT + 40}px` }}
        onDblClick={() => onZoom(undefined)}
      />
      {zoom !== undefined && (
        <button type="button" onClick={() => onZoom(undefined)}>Show all</button>
      )}
    </figure>
  );
}

function useWidth(box: { readonly current: HTMLElement | null }): number {
  const [width, setWidth] = useState(640);
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const observer = new ResizeObserver(() => setWidth(Math.max(element.clientWidth, 200)));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return width;
}

/** The colours of a map, from the least to the greatest: close to viridis. */
const RAMP: readonly (readonly [number, number, number])[] = [
  [68, 1, 84],
  [59, 82, 139],
  [33, 145, 140],
  [94, 201, 98],
  [253, 231, 37],
];

/** The colour of a number between 0 and 1. */
export function toColour(share: number): [number, number, number] {
  const at = Math.min(Math.max(share, 0), 1) * (RAMP.length - 1);
  const low = Math.min(Math.floor(at), RAMP.length - 2);
  const [from, to] = [RAMP[low] ?? [0, 0, 0], RAMP[low + 1] ?? [0, 0, 0]];
  const mix = (channel: 0 | 1 | 2) =>
    Math.round(from[channel] + (to[channel] - from[channel]) * (at - low));
  return [mix(0), mix(1), mix(2)];
}

/** Numbers in rows and columns. */
export interface Grid {
  readonly rows: number;
  readonly columns: number;
  readonly rowStep: number;
  readonly columnStep: number;
  readonly values: readonly (number | null)[];
}

/** A map of numbers as colours. */
export function HeatMap({ grid, label }: { readonly grid: Grid; readonly label: string }): VNode {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [pointed, setPointed] = useState("");
  const [least, greatest] = rangeOf(grid.values);
  useEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!context) return;
    const image = context.createImageData(grid.columns, grid.rows);
    grid.values.forEach((value, at) => {
      if (value === null) return;
      const [red, green, blue] = toColour((value - least) / (greatest - least || 1));
      image.data.set([red, green, blue, 255], 4 * at);
    });
    context.putImageData(image, 0, 0);
  }, [grid]);
  return (
    <figure>
      <canvas
        class="map"
        ref={canvas}
        role="img"
        aria-label={`${label}: from ${showNumber(least)} to ${showNumber(greatest)}`}
        width={grid.columns}
        height={grid.rows}
        style={{ aspectRatio: `${grid.columns} / ${grid.rows}` }}
        onMouseMove={({ offsetX, offsetY, currentTarget }) => {
          const column = Math.floor(offsetX / currentTarget.clientWidth * grid.columns);
          const row = Math.floor(offsetY / currentTarget.clientHeight * grid.rows);
          const value = grid.values[row * grid.columns + column] ?? null;
          setPointed(
            `[${row * grid.rowStep}, ${column * grid.columnStep}] ${
              value === null ? "–" : showNumber(value)
            }`,
          );
        }}
      />
      <figcaption>
        {showNumber(least)} <span class="ramp" aria-hidden="true" /> {showNumber(greatest)}
        <output>{pointed}</output>
      </figcaption>
    </figure>
  );
}

function rangeOf(values: readonly (number | null)[]): [number, number] {
  let [least, greatest] = [Infinity, -Infinity];
  for (const value of values) {
    if (value === null) continue;
    if (value < least) least = value;
    if (value > greatest) greatest = value;
  }
  return least <= greatest ? [least, greatest] : [0, 0];
}

const BINS = 64;

/** How often numbers fall into each of some ranges of the same width. */
export function toHistogram(values: readonly (number | null)[]): Curve {
  const [least, greatest] = rangeOf(values);
  const width = (greatest - least || 1) / BINS;
  const counts = new Array<number>(BINS).fill(0);
  for (const value of values) {
    if (value === null) continue;
    const bin = Math.min(Math.floor((value - least) / width), BINS - 1);
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  return { name: "count", x: counts.map((_, bin) => least + (bin + 0.5) * width), y: counts };
}
