import type { VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import { CallTable } from "./call_table.tsx";
import {
  describeFilter,
  type Filter,
  parseFilter,
  readFilters,
  toggleCell,
  writeFilters,
} from "./filters.tsx";
import { showCell, showCount } from "./format.tsx";
import { change, type Route, toHash } from "./route.tsx";
import { type Cell, type ColumnState, type State, useAnswer } from "./server.tsx";

interface Facet {
  readonly column: string;
  readonly distinct: number;
  readonly counts: readonly {
    readonly cell: Cell;
    readonly digest?: string;
    readonly count: number;
  }[];
}

interface Calls {
  readonly matching: number;
  readonly facets: readonly Facet[];
  readonly differing?: readonly string[];
  readonly filled?: readonly string[];
}

/** More calls are not compared. */
const MOST_COMPARED = 8;

/** A column of more different cells than these is no choice, but for the first ones. */
const MOST_CHOICES = 200;

/** So many facets are asked for, of which those that are no choice are left out. */
const MOST_ASKED = 12;

/** So many facets are shown. */
const MOST_FACETS = 8;

/** The part of the address that says which calls are wanted, as the server takes it. */
export function toQuery(route: Route): string {
  const query = new URLSearchParams();
  for (const name of ["filters", "search", "sort"]) {
    const value = route.parameters.get(name);
    if (value !== undefined) query.set(name, value);
  }
  return query.toString();
}

function storageName(path: string): string {
  return `quiver hidden columns ${path}`;
}

/** Which columns were hidden the last time, of this bag. */
function readHidden(path: string): string[] {
  try {
    const names: unknown = JSON.parse(localStorage.getItem(storageName(path)) ?? '["module"]');
    return Array.isArray(names) ? names.filter((name) => typeof name === "string") : [];
  } catch {
    return [];
  }
}

/** All calls: a table with filters. */
export function CallsView(
  { route, state }: { readonly route: Route; readonly state: State },
): VNode {
  const { parameters } = route;
  const filters = readFilters(parameters.get("filters"));
  const sort = parameters.get("sort") ?? "-started";
  const selected = (parameters.get("selected") ?? "").split(",").filter((key) => key !== "");
  const differing = parameters.has("differing");
  const hidden = parameters.get("hidden")?.split(",").map(decodeURIComponent) ??
    readHidden(state.path);
  const setHidden = (names: readonly string[]) => {
    try {
      localStorage.setItem(storageName(state.path), JSON.stringify(names));
    } catch { /* Where nothing may be kept, the address still says it. */ }
    change({ hidden: names.map(encodeURIComponent).join(",") || "-" }, false);
  };
  const known = toOrder(state.columns.filter(({ isSpread }) => !isSpread), filters);
  const facets = toFacets(known);
  const query = toQuery(route);
  const names = facets.map(encodeURIComponent).join(",");
  const { data, problem } = useAnswer<Calls>(
    `/api/calls?${query}&limit=0&filled&facets=${encodeURIComponent(names)}${
      differing ? "&differing" : ""
    }`,
    state.version,
  );
  // What has nothing in any of these calls would only be in the way.
  const columns = known.filter(({ name }) =>
    !hidden.includes(name) && (data?.filled?.includes(name) ?? true) &&
    (!differing || (data?.differing?.includes(name) ?? true))
  );
  const setFilters = (list: readonly (typeof filters)[number][]) =>
    change({ filters: writeFilters(list) });
  const onFilter = (column: string, cell: Cell, digest: string | undefined) =>
    setFilters(toggleCell(filters, column, cell, digest));
  const select = (key: string) => {
    const keys = selected.includes(key)
      ? selected.filter((one) => one !== key)
      : [...selected, key].slice(-MOST_COMPARED);
    change({ selected: keys.join(",") }, false);
  };
  const exported = columns.map(({ name }) => encodeURIComponent(name)).join(",");
  return (
    <div class="calls">
      <aside aria-label="Filters">
        <SearchBox search={parameters.get("search") ?? ""} />
        <FilterBox columns={known} onAdd={(filter) => setFilters([...filters, filter])} />
        {filters.length > 0 && (
          <ul class="chips" aria-label="Filters that hold">
            {filters.map((filter, at) => (
              <li key={at}>
                <button
                  type="button"
                  title="Remove this filter"
                  onClick={() => setFilters(filters.filter((_, other) => other !== at))}
                >
                  {describeFilter(filter)} ×
                </button>
              </li>
            ))}
          </ul>
        )}
        {(data?.facets ?? []).filter((facet) => isChoice(facet, filters)).slice(0, MOST_FACETS).map(
          (facet) => (
            <FacetBox
              key={facet.column}
              facet={facet}
              kind={state.columns.find(({ name }) => name === facet.column)?.kind ?? "fact"}
              isWanted={(cell, digest) =>
                toggleCell(filters, facet.column, cell, digest).flatMap((one) => one.is ?? [])
                  .length < filters.flatMap((one) => one.is ?? []).length}
              onFilter={onFilter}
            />
          ),
        )}
      </aside>
      <section class="main">
        <div class="bar">
          <strong data-testid="matching">{showCount(data?.matching ?? 0)}</strong> of{" "}
          {showCount(state.calls)} calls
          <label>
            <input
              type="checkbox"
              checked={differing}
              onChange={() => change({ differing: differing ? undefined : "1" })}
            />
            only what differs
          </label>
          <ColumnMenu
            columns={known}
            hidden={hidden}
            onChange={setHidden}
            dropped={state.dropped}
          />
          <a
            class="button"
            href={`/api/calls.csv?${query}&columns=${encodeURIComponent(exported)}`}
            download="calls.csv"
          >
            CSV
          </a>
          {selected.length > 0 && (
            <>
              <a
                class="button"
                href={toHash("compare", { keys: selected.join(",") })}
                aria-disabled={selected.length < 2}
              >
                Compare {selected.length}
              </a>
              <button type="button" onClick={() => change({ selected: undefined }, false)}>
                Clear
              </button>
            </>
          )}
        </div>
        {problem !== undefined && <p class="problem" role="alert">{problem}</p>}
        {data !== undefined && (
          <CallTable
            query={query}
            version={state.version}
            matching={data?.matching ?? 0}
            columns={columns}
            sort={sort}
            selected={selected}
            onSort={(column) => change({ sort: sort === column ? `-${column}` : column })}
            onSelect={select}
            onFilter={onFilter}
            onHide={(column) => setHidden([...hidden, column])}
          />
        )}
      </section>
    </div>
  );
}

/** Where calls of several tasks are, most have no argument of the others: their times come first. */
function toOrder(columns: readonly ColumnState[], filters: readonly Filter[]): ColumnState[] {
  const isTask = ({ column, is, not }: Filter) => column === "task" && !not && is?.length === 1;
  const isOne = filters.some(isTask) ||
    columns.some(({ name, distinct }) => name === "task" && distinct === 1);
  const isFirst = ({ name, kind }: ColumnState) =>
    name === "task" || kind === "time" || kind === "duration";
  return isOne
    ? [...columns]
    : [...columns.filter(isFirst), ...columns.filter((column) => !isFirst(column))];
}

/** Which columns are a choice among few. */
function toFacets(columns: readonly ColumnState[]): string[] {
  const few = columns.filter(({ distinct, name, kind }) =>
    kind !== "time" && kind !== "duration" && name !== "error" && distinct !== null &&
    distinct > 1 &&
    distinct <= MOST_CHOICES
  );
  return few.slice(0, MOST_ASKED).map(({ name }) => name);
}

/** Whether there is something to choose: not where each call has its own, or all have the same. */
function isChoice({ column, counts, distinct }: Facet, filters: readonly Filter[]): boolean {
  if (filters.some((filter) => filter.column === column)) return true;
  const cells = counts.filter(({ cell }) => cell !== null);
  const isEach = distinct > counts.length && cells.every(({ count }) => count === 1);
  // That one value is an array of some length is nothing to choose either.
  return counts.length > 1 && !isEach && (cells.length > 1 || typeof cells[0]?.cell !== "object");
}

function SearchBox({ search }: { readonly search: string }) {
  const [text, setText] = useState(search);
  useEffect(() => setText(search), [search]);
  useEffect(() => {
    if (text === search) return;
    const timer = setTimeout(() => change({ search: text }, false), 200);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <input
      id="search"
      type="search"
      aria-label="Search in all columns"
      placeholder="Search ( / )"
      value={text}
      onInput={({ currentTarget }) => setText(currentTarget.value)}
    />
  );
}

function FilterBox(
  { columns, onAdd }: {
    readonly columns: readonly ColumnState[];
    readonly onAdd: (filter: NonNullable<ReturnType<typeof parseFilter>>) => void;
  },
) {
  const [column, setColumn] = useState("duration");
  const [text, setText] = useState("");
  return (
    <form
      class="filter"
      onSubmit={(event) => {
        event.preventDefault();
        const filter = parseFilter(column, text);
        if (filter === undefined) return;
        setText("");
        onAdd(filter);
      }}
    >
      <select
        aria-label="Column to filter"
        value={column}
        onChange={({ currentTarget }) => setColumn(currentTarget.value)}
      >
        {columns.map(({ name }) => <option key={name} value={name}>{name}</option>)}
      </select>
      <input
        aria-label="What it is to be"
        placeholder="> 5, 1..3, = x, text"
        value={text}
        onInput={({ currentTarget }) => setText(currentTarget.value)}
      />
      <button type="submit">Filter</button>
    </form>
  );
}

function FacetBox({ facet, kind, isWanted, onFilter }: {
  readonly facet: Facet;
  readonly kind: string;
  readonly isWanted: (cell: Cell, digest: string | undefined) => boolean;
  readonly onFilter: (column: string, cell: Cell, digest: string | undefined) => void;
}) {
  const { column, counts, distinct } = facet;
  return (
    <fieldset>
      <legend>{column}</legend>
      {counts.map(({ cell, digest, count }) => (
        <label key={digest ?? JSON.stringify(cell)} class="choice">
          <input
            type="checkbox"
            checked={isWanted(cell, digest)}
            onChange={() =>
              onFilter(column, cell, digest)}
          />
          <span class="name">{cell === null ? "(empty)" : showCell(cell, kind)}</span>
          <span class="count">{showCount(count)}</span>
        </label>
      ))}
      {distinct > counts.length && <small>and {showCount(distinct - counts.length)} more</small>}
    </fieldset>
  );
}

function ColumnMenu({ columns, hidden, onChange, dropped }: {
  readonly columns: readonly ColumnState[];
  readonly hidden: readonly string[];
  readonly onChange: (hidden: readonly string[]) => void;
  readonly dropped: number;
}) {
  return (
    <details class="menu">
      <summary>Columns</summary>
      <div>
        {columns.map(({ name }) => (
          <label key={name}>
            <input
              type="checkbox"
              checked={!hidden.includes(name)}
              onChange={() =>
                onChange(
                  hidden.includes(name) ? hidden.filter((one) => one !== name) : [...hidden, name],
                )}
            />
            {name}
          </label>
        ))}
        {dropped > 0 && (
          <small>{showCount(dropped)} more cells are in columns beyond the first 512</small>
        )}
      </div>
    </details>
  );
}
