import type { VNode } from "preact";
import { shorten, showCell, showDuration, showNumber, showTime } from "./format.tsx";
import { change, type Route, toHash } from "./route.tsx";
import { type Cell, useAnswer } from "./server.tsx";

/** What is said of a call among others. */
export interface BriefCall {
  readonly key: string;
  readonly task: string | null;
  readonly started?: number;
  readonly duration?: number;
  readonly result?: string;
  readonly error?: string;
}

interface Comparison {
  readonly calls: readonly BriefCall[];
  readonly columns: readonly {
    readonly name: string;
    readonly kind: string;
    readonly differs: boolean;
    readonly cells: readonly Cell[];
    readonly digests: readonly (string | null)[];
  }[];
}

/** Calls side by side: what they have in common, and what not. */
export function CompareView(
  { route, version }: { readonly route: Route; readonly version: number },
): VNode {
  const keys = route.parameters.get("keys") ?? "";
  const isAll = route.parameters.has("all");
  const { data, problem } = useAnswer<Comparison>(
    `/api/compare?keys=${encodeURIComponent(keys)}`,
    version,
  );
  if (problem !== undefined) return <p class="problem" role="alert">{problem}</p>;
  if (data === undefined) return <p class="waiting">…</p>;
  const shown = data.columns.filter(({ differs }) => isAll || differs);
  const [first] = data.calls;
  const drop = (key: string) =>
    change({ keys: keys.split(",").filter((one) => one !== key).join(",") });
  return (
    <div class="compare">
      <div class="bar">
        <label>
          <input
            type="checkbox"
            checked={!isAll}
            onChange={() => change({ all: isAll ? undefined : "1" })}
          />
          only what differs
        </label>
        {first !== undefined && (
          <a class="button" href={toHash("call", { key: first.key, with: keys })}>
            Overlay the results
          </a>
        )}
      </div>
      <div class="numbers">
        <table>
          <thead>
            <tr>
              <th scope="col">column</th>
              {data.calls.map(({ key, task }) => (
                <th scope="col" key={key}>
                  <a href={toHash("call", { key })}>{task} {shorten(key)}</a>
                  {data.calls.length > 2 && (
                    <button
                      type="button"
                      class="plain"
                      aria-label={`Leave out ${shorten(key)}`}
                      onClick={() => drop(key)}
                    >
                      ×
                    </button>
                  )}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map(({ name, kind, cells, digests, differs }) => (
              <tr key={name} class={differs ? "differs" : ""}>
                <th scope="row">{name}</th>
                {cells.map((cell, at) => (
                  <td key={at} title={digests[at] ?? ""}>
                    {showCell(cell, kind)}
                    <Difference from={cells[0] ?? null} to={cell} kind={kind} isFirst={at === 0} />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {shown.length === 0 && <p>These calls differ in nothing that is known of them.</p>}
    </div>
  );
}

/** How much a number is more or less than that of the first call. */
function Difference({ from, to, kind, isFirst }: {
  readonly from: Cell;
  readonly to: Cell;
  readonly kind: string;
  readonly isFirst: boolean;
}) {
  if (isFirst || typeof from !== "number" || typeof to !== "number" || from === to) return null;
  const difference = to - from;
  const sign = difference < 0 ? "−" : "+";
  const size = Math.abs(difference);
  return (
    <small class="difference">
      {sign}
      {kind === "fact" || kind === "value" ? showNumber(size) : showDuration(size)}
    </small>
  );
}

/** A call in a list. */
export function CallLine(
  { call, note = "" }: { readonly call: BriefCall; readonly note?: string },
): VNode {
  const { key, task, started, duration, error } = call;
  return (
    <>
      <a href={toHash("call", { key })}>{task ?? "a call that is not known"} {shorten(key)}</a>
      {note !== "" && <span class="kind">{note}</span>}
      {started !== undefined && <span class="kind">{showTime(started)}</span>}
      {duration !== undefined && <span class="kind">{showDuration(duration)}</span>}
      {error !== undefined && <span class="failed">{error}</span>}
    </>
  );
}
