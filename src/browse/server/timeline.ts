import type { CallIndex } from "./call_index.ts";
import type { Cell } from "./cells.ts";
import type { Column } from "./columns.ts";

/** Which part of the time is shown, and how wide. */
interface TimelineOptions {
  /** From when, in milliseconds since 1970; -Infinity for the first call's start. */
  readonly from: number;
  /** Until when; Infinity for the last call's end. */
  readonly to: number;
  /** How many pixels that is. */
  readonly width: number;
  /** The column that says in which lane a call is; who ran it, if not given. */
  readonly lane: string | undefined;
}

/** Calls that ran one after another so closely that they are one bar. */
interface Bar {
  /** From when. */
  start: number;
  /** Until when. */
  end: number;
  /** How many calls. */
  calls: number;
  /** How many of them have failed. */
  failed: number;
  /** The key of the first one. */
  readonly key: string;
}

/** More lanes than these are one. */
const MOST_LANES = 64;

/** How many pixels a bin of the rate has. */
const BIN = 8;

/** What tells where a call ran, where that was collected. */
const LANES = ["metadata.runtime.worker.name", "metadata.environment.host", "task"] as const;

/**
 * Makes bars of calls, so few that they can be drawn.
 *
 * @param rows The rows of the calls, in the order in which they started.
 */
export function toTimeline(index: CallIndex, rows: Uint32Array, options: TimelineOptions): unknown {
  const [first, last] = spanOf(index, rows);
  const from = Math.max(options.from, first);
  const to = Math.max(Math.min(options.to, last), from + 1);
  const pixel = (to - from) / options.width;
  const column = findLane(index, options.lane);
  const host = options.lane === undefined ? index.column("metadata.environment.host") : undefined;
  const lanes = new Map<string, Bar[]>();
  const ended = new Uint32Array(Math.ceil(options.width / BIN));
  let shown = 0;
  for (const row of rows) {
    const start = index.started.number(row);
    const end = start + index.duration.number(row);
    if (end < from || start > to) continue;
    shown++;
    // What ends at the very end belongs to the last bin.
    const bin = Math.min(Math.floor((end - from) / (pixel * BIN)), ended.length - 1);
    if (end <= to) ended[bin] = (ended[bin] ?? 0) + 1;
    const name = nameLane(column, host, row);
    const bars = lanes.get(name) ?? lanes.get(lanes.size < MOST_LANES ? name : OTHERS) ?? [];
    if (bars.length === 0) lanes.set(lanes.size < MOST_LANES ? name : OTHERS, bars);
    const failed = index.state.cell(row) === "failed" ? 1 : 0;
    const bar = bars.at(-1);
    if (bar !== undefined && Math.max(end - bar.start, start - bar.end) < pixel) {
      bar.end = Math.max(bar.end, end);
      bar.calls++;
      bar.failed += failed;
    } else bars.push({ start, end, calls: 1, failed, key: index.key(row) });
  }
  return {
    from,
    to,
    span: [first, last],
    calls: shown,
    binMilliseconds: pixel * BIN,
    ended: [...ended],
    lanes: [...lanes].sort(([a], [b]) => a < b ? -1 : 1).map(([name, bars]) => ({ name, bars })),
  };
}

const OTHERS = "…";

function spanOf(index: CallIndex, rows: Uint32Array): [first: number, last: number] {
  let first = Infinity;
  let last = -Infinity;
  for (const row of rows) {
    const start = index.started.number(row);
    const end = start + index.duration.number(row);
    if (start < first) first = start;
    if (end > last) last = end;
  }
  return Number.isFinite(first) && Number.isFinite(last) ? [first, last] : [0, 1];
}

function findLane(index: CallIndex, wanted: string | undefined): Column | undefined {
  const names = wanted === undefined ? LANES : [wanted];
  return names.map((name) => index.column(name)).find((column) => column !== undefined);
}

function nameLane(column: Column | undefined, host: Column | undefined, row: number): string {
  const names = new Set([host?.cell(row), column?.cell(row)].map(toName));
  return [...names].filter((name) => name !== "").join(" ") || "unknown";
}

function toName(cell: Cell): string {
  return cell === undefined ? "" : typeof cell === "object" ? cell.text : String(cell);
}
