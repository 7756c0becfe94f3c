import type { VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { shorten, showCell } from "./format.tsx";
import { toHash } from "./route.tsx";
import { ask, type Cell, type ColumnState } from "./server.tsx";

/** The height of a row, in pixels. */
const ROW = 28;

/** How many rows are asked for at once. */
const BLOCK = 100;

/** How many columns are asked for at once. */
const COLUMN_BLOCK = 16;

/** Browsers make no element higher than this, in pixels. */
const HIGHEST = 16_000_000;

/** How wide the first column is, with the key. */
const KEY_WIDTH = 124;

/** What a row of the server's has. */
interface SentRow {
  readonly key: string;
  readonly cells: readonly Cell[];
  readonly digests: readonly (string | null)[];
}

interface CallTableProps {
  /** What is asked for, but for rows and columns. */
  readonly query: string;
  readonly version: number;
  readonly matching: number;
  readonly columns: readonly ColumnState[];
  readonly sort: string;
  readonly selected: readonly string[];
  readonly onSort: (column: string) => void;
  readonly onSelect: (key: string) => void;
  readonly onFilter: (column: string, cell: Cell, digest: string | undefined) => void;
  readonly onHide: (column: string) => void;
}

function widthOf({ kind, name }: ColumnState): number {
  if (kind === "time") return 178;
  if (kind === "duration") return 112;
  if (name === "task") return 168;
  return name === "error" ? 260 : Math.min(Math.max(96, name.length * 8 + 44), 200);
}

/** A table of any length and width: only what is seen is there. */
export function CallTable(props: CallTableProps): VNode {
  const { query, version, matching, columns, sort, selected } = props;
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, left: 0, width: 1200, height: 600 });
  const [active, setActive] = useState(0);
  const [blocks, setBlocks] = useState<ReadonlyMap<string, readonly SentRow[]>>(new Map());
  const height = matching * ROW;
  const shownHeight = Math.min(height, HIGHEST);
  // Of more rows than can be scrolled through, each pixel stands for more than one.
  const scale = shownHeight > view.height
    ? (height - view.height) / (shownHeight - view.height)
    : 1;
  const first = Math.max(Math.floor(view.top * scale / ROW) - 4, 0);
  const last = Math.min(first + Math.ceil(view.height / ROW) + 8, matching);
  const offsets: number[] = [];
  let wide = KEY_WIDTH;
  for (const column of columns) {
    offsets.push(wide);
    wide += widthOf(column);
  }
  const seen = columns.flatMap((column, at) => {
    const left = offsets[at] ?? 0;
    const isSeen = left + widthOf(column) > view.left && left < view.left + view.width;
    return isSeen ? [{ column, at, left }] : [];
  });
  const firstBlock = Math.floor((seen[0]?.at ?? 0) / COLUMN_BLOCK);
  const lastBlock = Math.floor((seen.at(-1)?.at ?? 0) / COLUMN_BLOCK);
  const wanted = new Map<string, string>();
  for (let at = Math.floor(first / BLOCK); at * BLOCK < last; at++) {
    for (let block = firstBlock; block <= lastBlock; block++) {
      const names = columns.slice(block * COLUMN_BLOCK, (block + 1) * COLUMN_BLOCK)
        .map(({ name }) => encodeURIComponent(name)).join(",");
      const path = `/api/calls?${query}&offset=${at * BLOCK}&limit=${BLOCK}&columns=${
        encodeURIComponent(names)
      }`;
      wanted.set(`${at}:${block}`, path);
    }
  }
  const question = [...wanted.values()].join("\n");
  useEffect(() => {
    const ended = new AbortController();
    for (const [name, path] of wanted) {
      ask<{ readonly rows: readonly SentRow[] }>(path, ended.signal).then(
        ({ rows }) =>
          setBlocks((before) => {
            // Only what is near is kept.
            const kept = [...before].filter(([other]) => other !== name).slice(-24);
            return new Map([...kept, [name, rows]]);
          }),
        // The view says what is wrong with the question.
        () => {},
      );
    }
    return () => ended.abort();
  }, [question, version]);
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const measure = () =>
      setView(({ top, left }) => ({
        top,
        left,
        width: element.clientWidth,
        height: element.clientHeight,
      }));
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  const rowAt = (row: number, block: number) =>
    blocks.get(`${Math.floor(row / BLOCK)}:${block}`)?.[row % BLOCK];
  const keyAt = (row: number) => {
    for (let block = firstBlock; block <= lastBlock; block++) {
      const found = rowAt(row, block)?.key;
      if (found !== undefined) return found;
    }
    return undefined;
  };
  const move = (row: number) => {
    const to = Math.min(Math.max(row, 0), matching - 1);
    setActive(to);
    const element = box.current;
    if (element === null) return;
    const y = to * ROW / scale;
    if (y < element.scrollTop) element.scrollTop = y;
    if (y + ROW > element.scrollTop + view.height - 2 * ROW) {
      element.scrollTop = y + 2 * ROW - view.height + ROW;
    }
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const page = Math.max(Math.floor(view.height / ROW) - 2, 1);
    const steps: { readonly [key: string]: number } = {
      ArrowDown: active + 1,
      ArrowUp: active - 1,
      PageDown: active + page,
      PageUp: active - page,
      Home: 0,
      End: matching - 1,
    };
    const to = steps[event.key];
    const key = keyAt(active);
    if (to !== undefined) move(to);
    else if (event.key === "Enter" && key !== undefined && event.target === box.current) {
      location.hash = toHash("call", { key });
    } else if (event.key === " " && key !== undefined) props.onSelect(key);
    else return;
    event.preventDefault();
  };
  const rows = Array.from({ length: Math.max(last - first, 0) }, (_, at) => first + at);
  return (
    <div
      class="table"
      ref={box}
      role="grid"
      aria-label="Calls"
      aria-rowcount={matching + 1}
      aria-colcount={columns.length + 1}
      tabIndex={0}
      onKeyDown={onKeyDown}
      onScroll={({ currentTarget: { scrollTop, scrollLeft } }) =>
        setView((before) => ({ ...before, top: scrollTop, left: scrollLeft }))}
    >
      <div class="head" role="row" style={{ width: `${wide}px` }}>
        <div class="cell key" role="columnheader" style={{ width: `${KEY_WIDTH}px` }}>call</div>
        {seen.map(({ column, at, left }) => (
          <div
            class="cell"
            role="columnheader"
            key={column.name}
            aria-colindex={at + 2}
            aria-sort={sort === column.name
              ? "ascending"
              : sort === `-${column.name}`
              ? "descending"
              : "none"}
            style={{ left: `${left}px`, width: `${widthOf(column)}px` }}
          >
            <button
              type="button"
              class="plain"
              title={`Sort by ${column.name}`}
              onClick={() => props.onSort(column.name)}
            >
              {column.name}
              {sort === column.name ? " ▲" : sort === `-${column.name}` ? " ▼" : ""}
            </button>
            <button
              type="button"
              class="plain hide"
              aria-label={`Hide the column ${column.name}`}
              onClick={() => props.onHide(column.name)}
            >
              ×
            </button>
          </div>
        ))}
      </div>
      <div class="rows" style={{ height: `${shownHeight}px`, width: `${wide}px` }}>
        {rows.map((row) => {
          const key = keyAt(row);
          const top = row * ROW - Math.round(view.top * (scale - 1));
          return (
            <div
              class={`row${row === active ? " active" : ""}${row % 2 ? " odd" : ""}`}
              role="row"
              key={row}
              aria-rowindex={row + 2}
              style={{ top: `${top}px`, width: `${wide}px` }}
              onClick={() => setActive(row)}
            >
              <div class="cell key" role="gridcell" style={{ width: `${KEY_WIDTH}px` }}>
                {key !== undefined && (
                  <>
                    <input
                      type="checkbox"
                      aria-label={`Select the call ${shorten(key)}`}
                      checked={selected.includes(key)}
                      onChange={() => props.onSelect(key)}
                    />
                    <a href={toHash("call", { key })}>{shorten(key)}</a>
                  </>
                )}
              </div>
              {seen.map(({ column, at, left }) => {
                const sent = rowAt(row, Math.floor(at / COLUMN_BLOCK));
                const cell = sent?.cells[at % COLUMN_BLOCK] ?? null;
                const digest = sent?.digests[at % COLUMN_BLOCK] ?? undefined;
                const text = showCell(cell, column.kind);
                return (
                  <div
                    class={`cell${typeof cell === "number" ? " number" : ""}`}
                    role="gridcell"
                    key={column.name}
                    aria-colindex={at + 2}
                    style={{ left: `${left}px`, width: `${widthOf(column)}px` }}
                  >
                    <button
                      type="button"
                      tabIndex={-1}
                      class={`plain value${column.name === "error" ? " failed" : ""}`}
                      title={text === ""
                        ? "Only calls that have nothing here"
                        : `${text}\nOnly calls with this`}
                      onClick={() =>
                        sent !== undefined && props.onFilter(column.name, cell, digest)}
                    >
                      {text}
                    </button>
                  </div>
                );
              })}
            </div>
          );
        })}
      </div>
    </div>
  );
}
