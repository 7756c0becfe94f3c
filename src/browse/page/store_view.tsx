import type { VNode } from "preact";
import { showBytes, showCount, showDuration } from "./format.tsx";
import { toHash } from "./route.tsx";
import { useAnswer } from "./server.tsx";

interface Store {
  readonly path: string;
  readonly readOnly: boolean;
  readonly statistics: {
    readonly storage?: {
      readonly segments?: number;
      readonly journals?: number;
      readonly sealedValues?: number;
    };
  };
  readonly folders: readonly {
    readonly name: string;
    readonly files: number;
    readonly bytes: number;
  }[];
  readonly tasks: readonly {
    readonly name: string;
    readonly calls: number;
    readonly failed: number;
    readonly milliseconds: number;
  }[];
}

/** What the bag takes on disk, and what its tasks have taken of time. */
export function StoreView({ version }: { readonly version: number }): VNode {
  const { data, problem } = useAnswer<Store>("/api/store", version);
  if (problem !== undefined) return <p class="problem" role="alert">{problem}</p>;
  if (data === undefined) return <p class="waiting">…</p>;
  const total = data.folders.reduce((sum, { bytes }) => sum + bytes, 0);
  const { segments, journals, sealedValues } = data.statistics.storage ?? {};
  return (
    <div class="store">
      <h1>{data.path}</h1>
      <p>
        {showBytes(total)}
        {segments !== undefined && `, ${showCount(segments, "segment")}`}
        {journals !== undefined && `, ${showCount(journals, "journal")}`}
        {sealedValues !== undefined && `, ${showCount(sealedValues, "sealed value")}`}
        {data.readOnly && ", opened read-only"}
      </p>
      <div class="numbers">
        <table aria-label="What it takes on disk">
          <thead>
            <tr>
              <th scope="col">part</th>
              <th scope="col">files</th>
              <th scope="col">size</th>
              <th scope="col">share</th>
            </tr>
          </thead>
          <tbody>
            {data.folders.map(({ name, files, bytes }) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                <td>{showCount(files)}</td>
                <td>{showBytes(bytes)}</td>
                <td>
                  <meter
                    min={0}
                    max={total || 1}
                    value={bytes}
                    aria-label={`The share of ${name}`}
                  />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
        <table aria-label="Tasks">
          <thead>
            <tr>
              <th scope="col">task</th>
              <th scope="col">calls</th>
              <th scope="col">failed</th>
              <th scope="col">time</th>
            </tr>
          </thead>
          <tbody>
            {data.tasks.map(({ name, calls, failed, milliseconds }) => (
              <tr key={name}>
                <th scope="row">
                  <a
                    href={toHash("calls", {
                      filters: JSON.stringify([{ column: "task", is: [name] }]),
                    })}
                  >
                    {name}
                  </a>
                </th>
                <td>{showCount(calls)}</td>
                <td class={failed > 0 ? "failed" : ""}>{showCount(failed)}</td>
                <td>{showDuration(milliseconds)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}
