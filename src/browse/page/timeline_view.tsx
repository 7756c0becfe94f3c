import type { VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { toQuery } from "./calls_view.tsx";
import { shorten, showCount, showDuration, showTick, showTime } from "./format.tsx";
import { change, type Route, toHash } from "./route.tsx";
import { type State, useAnswer } from "./server.tsx";

interface Timeline {
  readonly from: number;
  readonly to: number;
  readonly span: readonly [number, number];
  readonly calls: number;
  readonly binMilliseconds: number;
  readonly ended: readonly number[];
  readonly lanes: readonly {
    readonly name: string;
    readonly bars: readonly {
      readonly start: number;
      readonly end: number;
      readonly calls: number;
      readonly failed: number;
      readonly key: string;
    }[];
  }[];
}

const LANE = 22;
const RATE = 60;

/** When calls ran, and where. */
export function TimelineView(
  { route, state }: { readonly route: Route; readonly state: State },
): VNode {
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(900);
  const { parameters } = route;
  const lane = parameters.get("lane");
  const span = new URLSearchParams(toQuery(route));
  for (const name of ["from", "to", "lane"]) {
    const value = parameters.get(name);
    if (value !== undefined) span.set(name, value);
  }
  const { data, problem } = useAnswer<Timeline>(
    `/api/timeline?${span}&width=${width}`,
    state.version,
  );
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const observer = new ResizeObserver(() =>
      setWidth(Math.max(Math.floor(element.clientWidth), 200))
    );
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  const zoom = (factor: number, shift: number) => {
    if (data === undefined) return;
    const [middle, half] = [(data.from + data.to) / 2, (data.to - data.from) / 2];
    const at = middle + shift * half;
    change({ from: String(at - half * factor), to: String(at + half * factor) }, false);
  };
  const onKeyDown = ({ key }: KeyboardEvent) => {
    if (key === "+") zoom(0.5, 0);
    if (key === "-") zoom(2, 0);
    if (key === "ArrowLeft") zoom(1, -0.5);
    if (key === "ArrowRight") zoom(1, 0.5);
  };
  return (
    <div class="timeline">
      <div class="bar">
        <label>
          lanes
          <select
            value={lane ?? ""}
            onChange={({ currentTarget }) => change({ lane: currentTarget.value })}
          >
            <option value="">where it ran</option>
            {state.columns.filter(({ kind }) => kind === "fact").map(({ name }) => (
              <option key={name} value={name}>{name}</option>
            ))}
          </select>
        </label>
        <button type="button" aria-label="Zoom in" onClick={() => zoom(0.5, 0)}>+</button>
        <button type="button" aria-label="Zoom out" onClick={() => zoom(2, 0)}>−</button>
        <button type="button" aria-label="Earlier" onClick={() => zoom(1, -0.5)}>←</button>
        <button type="button" aria-label="Later" onClick={() => zoom(1, 0.5)}>→</button>
        <button type="button" onClick={() => change({ from: undefined, to: undefined })}>
          All
        </button>
        {data !== undefined && (
          <span>
            {showTime(data.from)} – {showTime(data.to)}: {showCount(data.calls, "call")} in{" "}
            {showDuration(data.to - data.from)},{" "}
            {(data.calls / ((data.to - data.from) / 1000)).toPrecision(3)} a second
          </span>
        )}
      </div>
      {problem !== undefined && <p class="problem" role="alert">{problem}</p>}
      <div
        class="lanes"
        ref={box}
        tabIndex={0}
        role="group"
        aria-label="Timeline: + and − zoom, arrows move"
        onKeyDown={onKeyDown}
      >
        {data !== undefined && <Lanes timeline={data} width={width} />}
      </div>
    </div>
  );
}

function Lanes({ timeline, width }: { readonly timeline: Timeline; readonly width: number }) {
  const { from, to, lanes, ended } = timeline;
  const x = (time: number) => (time - from) / (to - from) * width;
  const most = Math.max(...ended, 1);
  const bin = width / ended.length;
  return (
    <>
      <div class="name">
        calls that ended, at most {most} in {showDuration(timeline.binMilliseconds)}
      </div>
      <svg
        width={width}
        height={RATE}
        role="img"
        aria-label={`Calls that ended, at most ${most} in ${
          showDuration(timeline.binMilliseconds)
        }`}
      >
        {ended.map((count, at) =>
          count > 0 && (
            <rect
              key={at}
              class="rate"
              x={at * bin}
              width={Math.max(bin - 1, 1)}
              y={RATE * (1 - count / most)}
              height={RATE * count / most}
            />
          )
        )}
      </svg>
      {lanes.map(({ name, bars }) => (
        <div class="lane" key={name}>
          <div class="name">{name}</div>
          <svg width={width} height={LANE}>
            {bars.map(({ start, end, calls, failed, key }) => {
              const left = Math.max(x(start), 0);
              const label = calls === 1
                ? `${shorten(key)}, ${showDuration(end - start)}`
                : `${calls} calls`;
              return (
                <a
                  key={key}
                  href={toHash("call", { key })}
                  aria-label={`${label}${failed > 0 ? `, ${failed} failed` : ""}`}
                >
                  <rect
                    class={failed > 0 ? "failed" : "done"}
                    x={left}
                    y={2}
                    height={LANE - 4}
                    width={Math.max(Math.min(x(end), width) - left, 1.5)}
                  >
                    <title>{`${label}${failed > 0 ? `, ${failed} failed` : ""}`}</title>
                  </rect>
                </a>
              );
            })}
          </svg>
        </div>
      ))}
      <Axis from={from} to={to} width={width} />
    </>
  );
}

/** How far apart the labels of the axis are at least, in pixels. */
const TICK = 160;

function Axis({ from, to, width }: {
  readonly from: number;
  readonly to: number;
  readonly width: number;
}) {
  const count = Math.max(Math.floor(width / TICK), 1);
  const apart = (to - from) / count;
  return (
    <svg class="axis" width={width} height={LANE} aria-hidden="true">
      {Array.from(
        { length: count },
        (_, at) => (
          <g key={at} transform={`translate(${at * width / count} 0)`}>
            <line y2={5} x1={0.5} x2={0.5} />
            <text x={4} y={14}>{showTick(from + at * apart, apart)}</text>
          </g>
        ),
      )}
    </svg>
  );
}
