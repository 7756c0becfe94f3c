import type { VNode } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { showNumber } from "./format.tsx";
import { type Curve, type Grid, HeatMap, LinePlot, toHistogram } from "./plots.tsx";
import { change } from "./route.tsx";
import { ask, useAnswer } from "./server.tsx";

/** An array that is shown, or several that lie at the same path of several calls. */
export interface ArrayPlace {
  readonly name: string;
  readonly digest: string;
  readonly path: string;
}

interface Line {
  readonly kind: string;
  readonly x: readonly number[];
  readonly y: readonly (number | null)[];
  readonly step: number;
}

/** How many numbers a table has at once. */
const CELLS = 200;

interface ArrayViewProps {
  readonly places: readonly ArrayPlace[];
  readonly shape: readonly number[];
  readonly kind: string;
  readonly parameters: ReadonlyMap<string, string>;
}

function toPlaceQuery({ digest, path }: ArrayPlace): string {
  return `digest=${digest}&path=${encodeURIComponent(path)}`;
}

/** Numbers as a line, a map, a histogram or a table: whichever the address says. */
export function ArrayView({ places, shape, kind, parameters }: ArrayViewProps): VNode {
  const views = [
    ...(shape.length > 1 ? ["map"] : []),
    "line",
    "histogram",
    "table",
    ...(kind === "Uint8Array" ? ["image"] : []),
  ];
  const asked = parameters.get("as") ?? "";
  const view = views.includes(asked) ? asked : views[0] ?? "line";
  const row = Number(parameters.get("row") ?? 0);
  const lines = shape.slice(0, -1).reduce((product, length) => product * length, 1);
  const planes = shape.slice(0, -2).reduce((product, length) => product * length, 1);
  const most = view === "map" ? planes : lines;
  const [first] = places;
  return (
    <div class="array">
      <div class="bar" role="tablist" aria-label="How it is shown">
        {views.map((name) => (
          <button
            type="button"
            role="tab"
            aria-selected={name === view}
            key={name}
            onClick={() => change({ as: name, row: undefined })}
          >
            {name}
          </button>
        ))}
        {most > 1 && view !== "table" && view !== "image" && (
          <label>
            {view === "map" ? "plane" : "row"}
            <input
              type="number"
              min={0}
              max={most - 1}
              value={Math.min(row, most - 1)}
              onChange={({ currentTarget }) => change({ row: currentTarget.value }, false)}
            />
            of {most}
          </label>
        )}
      </div>
      {view === "line" && (
        <Lines
          places={places}
          row={Math.min(row, lines - 1)}
          length={shape.at(-1) ?? 0}
          parameters={parameters}
        />
      )}
      {view === "map" && first !== undefined && (
        <Map2 place={first} plane={Math.min(row, planes - 1)} />
      )}
      {view === "histogram" && first !== undefined && (
        <Histogram place={first} row={Math.min(row, lines - 1)} parameters={parameters} />
      )}
      {view === "table" && first !== undefined && (
        <Numbers place={first} shape={shape} kind={kind} parameters={parameters} />
      )}
      {view === "image" && first !== undefined && (
        <img
          class="picture"
          alt={`The bytes of ${first.name} as a picture`}
          src={`/api/picture?${toPlaceQuery(first)}`}
        />
      )}
    </div>
  );
}

/** Asks for all of some arrays; the answer has those that could be read. */
function useCurves(
  paths: readonly string[],
  names: readonly string[],
): { curves: readonly Curve[]; problem: string | undefined } {
  const [found, setFound] = useState<{ curves: readonly Curve[]; problem: string | undefined }>({
    curves: [],
    problem: undefined,
  });
  useEffect(() => {
    const ended = new AbortController();
    Promise.allSettled(paths.map((path) => ask<Line>(path, ended.signal))).then((answers) => {
      if (ended.signal.aborted) return;
      const curves = answers.flatMap((answer, at) =>
        answer.status === "fulfilled"
          ? [{ name: names[at] ?? "", x: answer.value.x, y: answer.value.y }]
          : []
      );
      const failed = answers.find((answer) => answer.status === "rejected");
      setFound({
        curves,
        problem: failed === undefined ? undefined : String(failed.reason.message),
      });
    });
    return () => ended.abort();
  }, [paths.join("\n")]);
  return found;
}

function readZoom(parameters: ReadonlyMap<string, string>): readonly [number, number] | undefined {
  const [from, to] = (parameters.get("zoom") ?? "").split("..").map(Number);
  return from !== undefined && to !== undefined && from < to ? [from, to] : undefined;
}

function Lines({ places, row, length, parameters }: {
  readonly places: readonly ArrayPlace[];
  readonly row: number;
  readonly length: number;
  readonly parameters: ReadonlyMap<string, string>;
}) {
  const zoom = readZoom(parameters);
  const axis = parameters.get("x");
  // The x axis counts elements unless another array is it: then all of it is needed.
  const [from, to] = zoom === undefined || axis !== undefined
    ? [0, length]
    : [Math.max(Math.floor(zoom[0]), 0), Math.min(Math.ceil(zoom[1]) + 1, length)];
  const range = `&row=${row}&from=${Math.min(from, length)}&to=${
    Math.max(Math.min(to, length), 0)
  }`;
  const names = places.map(({ name }) => name);
  const { curves, problem } = useCurves(
    places.map((place) => `/api/line?${toPlaceQuery(place)}${range}`),
    names,
  );
  const axes = useCurves(
    axis === undefined
      ? []
      : places.map(({ digest }) => `/api/line?${toPlaceQuery({ name: "", digest, path: axis })}`),
    names,
  );
  const drawn = useMemo(
    () => axis === undefined ? curves : curves.map((curve, at) => withAxis(curve, axes.curves[at])),
    [curves, axes.curves, axis],
  );
  return (
    <>
      <LinePlot
        curves={drawn}
        label={`${names.join(", ")} as a line`}
        zoom={zoom}
        onZoom={(range) => change({ zoom: range && `${range[0]}..${range[1]}` }, false)}
      />
      <form class="bar" onSubmit={(event) => event.preventDefault()}>
        <label>
          x axis
          <input
            placeholder="its index, or a path as in xs"
            value={axis ?? ""}
            onChange={({ currentTarget }) =>
              change({ x: currentTarget.value, zoom: undefined }, false)}
          />
        </label>
      </form>
      {(problem ?? axes.problem) !== undefined && (
        <p class="problem" role="alert">{problem ?? axes.problem}</p>
      )}
    </>
  );
}

/** Puts a curve over the numbers of another one, as far as both were read. */
function withAxis(curve: Curve, axis: Curve | undefined): Curve {
  if (axis === undefined) return curve;
  const at = new Map(axis.x.map((index, place) => [index, axis.y[place] ?? null]));
  const points = curve.x.flatMap((index, place) => {
    const x = at.get(index) ?? null;
    return x === null ? [] : [{ x, y: curve.y[place] ?? null }];
  }).sort((a, b) => a.x - b.x);
  return { name: curve.name, x: points.map(({ x }) => x), y: points.map(({ y }) => y) };
}

function Map2({ place, plane }: { readonly place: ArrayPlace; readonly plane: number }) {
  const { data, problem } = useAnswer<Grid>(`/api/grid?${toPlaceQuery(place)}&plane=${plane}`);
  if (problem !== undefined) return <p class="problem" role="alert">{problem}</p>;
  return data === undefined ? <p class="waiting">…</p> : <HeatMap grid={data} label={place.name} />;
}

function Histogram({ place, row, parameters }: {
  readonly place: ArrayPlace;
  readonly row: number;
  readonly parameters: ReadonlyMap<string, string>;
}) {
  const { data, problem } = useAnswer<Line>(
    `/api/line?${toPlaceQuery(place)}&row=${row}&points=20000`,
  );
  const curves = useMemo(() => data === undefined ? [] : [toHistogram(data.y)], [data]);
  if (problem !== undefined) return <p class="problem" role="alert">{problem}</p>;
  return (
    <>
      <LinePlot
        curves={curves}
        label={`${place.name} as a histogram`}
        zoom={readZoom(parameters)}
        onZoom={(range) => change({ zoom: range && `${range[0]}..${range[1]}` }, false)}
      />
      {data !== undefined && data.step > 1 && (
        <small>Of each {data.step} numbers the least and the greatest are counted.</small>
      )}
    </>
  );
}

const READERS: { readonly [kind: string]: (buffer: ArrayBuffer) => ArrayLike<number | bigint> } = {
  Int8Array: (buffer) => new Int8Array(buffer),
  Uint8Array: (buffer) => new Uint8Array(buffer),
  Uint8ClampedArray: (buffer) => new Uint8ClampedArray(buffer),
  Int16Array: (buffer) => new Int16Array(buffer),
  Uint16Array: (buffer) => new Uint16Array(buffer),
  Int32Array: (buffer) => new Int32Array(buffer),
  Uint32Array: (buffer) => new Uint32Array(buffer),
  Float32Array: (buffer) => new Float32Array(buffer),
  Float64Array: (buffer) => new Float64Array(buffer),
  BigInt64Array: (buffer) => new BigInt64Array(buffer),
  BigUint64Array: (buffer) => new BigUint64Array(buffer),
};

function Numbers({ place, shape, kind, parameters }: {
  readonly place: ArrayPlace;
  readonly shape: readonly number[];
  readonly kind: string;
  readonly parameters: ReadonlyMap<string, string>;
}) {
  const at = Math.max(Number(parameters.get("at") ?? 0) || 0, 0);
  const [rows = 0, columns = 1] = shape.length === 1 ? [shape[0], 1] : shape.slice(-2);
  const isFlat = shape.length <= 2;
  const [numbers, setNumbers] = useState<ArrayLike<number | bigint>>([]);
  const [problem, setProblem] = useState<string | undefined>(undefined);
  const shownColumns = Math.min(columns, 50);
  const shownRows = Math.max(Math.min(Math.floor(CELLS * 10 / shownColumns), rows - at, CELLS), 0);
  useEffect(() => {
    const ended = new AbortController();
    const lead = isFlat ? [] : shape.slice(0, -2).map(() => "0:1");
    const ranges = [
      ...lead,
      `${at}:${at + shownRows}`,
      ...(shape.length > 1 ? [`0:${shownColumns}`] : []),
    ];
    fetch(`/api/slice?${toPlaceQuery(place)}&ranges=${ranges.join(",")}`, { signal: ended.signal })
      .then(async (response) => {
        if (!response.ok) throw new Error(await response.text());
        const read = READERS[kind];
        if (read === undefined) {
          throw new Error(`Cannot show numbers of the kind ${kind} in a table`);
        }
        setNumbers(read(await response.arrayBuffer()));
        setProblem(undefined);
      }).catch((error: Error) => ended.signal.aborted || setProblem(error.message));
    return () => ended.abort();
  }, [place.digest, place.path, at, kind, shownRows]);
  if (problem !== undefined) return <p class="problem" role="alert">{problem}</p>;
  return (
    <>
      <div class="bar">
        <label>
          from row
          <input
            type="number"
            min={0}
            max={Math.max(rows - 1, 0)}
            value={at}
            onChange={({ currentTarget }) => change({ at: currentTarget.value }, false)}
          />
        </label>
        {shownColumns < columns && <small>the first {shownColumns} of {columns} columns</small>}
      </div>
      <div class="numbers">
        <table>
          <thead>
            <tr>
              <th scope="col">row</th>
              {Array.from(
                { length: shownColumns },
                (_, column) => <th scope="col" key={column}>{column}</th>,
              )}
            </tr>
          </thead>
          <tbody>
            {Array.from({ length: shownRows }, (_, row) => (
              <tr key={row}>
                <th scope="row">{at + row}</th>
                {Array.from({ length: shownColumns }, (_, column) => {
                  const number = numbers[row * shownColumns + column];
                  return (
                    <td key={column}>
                      {typeof number === "number" ? showNumber(number) : String(number ?? "")}
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}
