import type { VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ArrayView } from "./array_view.tsx";
import { shorten, showBytes, showCell, showDuration, showTime } from "./format.tsx";
import { change, type Route, toHash } from "./route.tsx";
import { ask, type Cell, useAnswer } from "./server.tsx";

/** What the server says of a place in a value. */
export interface Entry {
  readonly name: string;
  readonly path: string;
  readonly kind: string;
  readonly size?: number;
  readonly shape?: readonly number[];
  readonly bytes?: number;
  readonly digest?: string;
  readonly value?: Cell;
  readonly entries?: readonly Entry[];
}

/** What a record says. */
export interface CallRecord {
  readonly key: string;
  readonly task: string;
  readonly module: string;
  readonly version?: string | number;
  readonly code?: string;
  readonly started: number;
  readonly duration: number;
  readonly result: string;
  readonly args: readonly {
    readonly name: string;
    readonly digest: string;
    readonly value?: string;
  }[];
  readonly metadata: { readonly [name: string]: unknown };
  readonly failure?: {
    readonly error: { readonly name: string; readonly message: string; readonly stack?: string };
    readonly attempts: number;
    readonly output?: string;
  };
}

/** An argument of so many fields is open at once. */
const FIELDS = 16;

/** How many entries of a value are asked for at once. */
const ENTRIES = 100;

/** One call, or several over one another: its arguments, its result, and what is in them. */
export function CallView(
  { route, bag }: { readonly route: Route; readonly bag: string },
): VNode {
  const key = route.parameters.get("key") ?? "";
  const asked = route.parameters.get("path");
  const { data: record, problem } = useAnswer<CallRecord>(
    `/api/call?key=${encodeURIComponent(key)}`,
  );
  const isOpen = asked === undefined && record !== undefined && record.failure === undefined;
  const { data: result, waiting } = useAnswer<Entry>(
    isOpen ? `/api/tree?path=${record.key}/result&entries=${ENTRIES}` : undefined,
  );
  if (problem !== undefined) return <p class="problem" role="alert">{problem}</p>;
  if (record === undefined || isOpen && waiting) return <p class="waiting">…</p>;
  const path = asked ?? toFirstArray(result) ?? "result";
  const { task, started, duration, failure, module, version } = record;
  return (
    <div class="call">
      <header>
        <h1>{task}</h1>
        <dl>
          <div>
            <dt>call</dt>
            <dd>
              <code>{record.key}</code>
            </dd>
          </div>
          <div>
            <dt>module</dt>
            <dd>{module}{version === undefined ? "" : ` version ${version}`}</dd>
          </div>
          <div>
            <dt>started</dt>
            <dd>{showTime(started)}</dd>
          </div>
          <div>
            <dt>took</dt>
            <dd>{showDuration(duration)}</dd>
          </div>
        </dl>
        <nav aria-label="This call">
          <a class="button" href={toHash("lineage", { key })}>Lineage</a>
          <details>
            <summary>In a terminal</summary>
            <pre>{toCommands(record.key, bag)}</pre>
          </details>
        </nav>
      </header>
      {failure !== undefined && (
        <section class="failure">
          <h2>{failure.error.name}</h2>
          <pre>{failure.error.message}</pre>
          {failure.error.stack !== undefined && (
            <details>
              <summary>Stack</summary>
              <pre>{failure.error.stack}</pre>
            </details>
          )}
          {failure.output !== undefined && (
            <details>
              <summary>Output</summary>
              <pre>{failure.output}</pre>
            </details>
          )}
        </section>
      )}
      <div class="values">
        <div class="tree" role="tree" aria-label="Arguments, result and metadata">
          {failure === undefined
            ? <Branch path={record.key} open={path} isRoot />
            : record.args.map(({ name, value, digest }) => (
              <Branch key={name} path={value ?? digest} open={path} label={`args.${name}`} />
            ))}
        </div>
        <ValuePane key={path} record={record} path={path} parameters={route.parameters} />
      </div>
    </div>
  );
}

/** What most people want to see of a result that is an object. */
function toFirstArray(result: Entry | undefined): string | undefined {
  const found = result?.entries?.find(({ shape }) => shape !== undefined && !shape.includes(0));
  return found && inCall(found.path);
}

/** This page changes nothing: what does is said here. */
function toCommands(key: string, bag: string): string {
  const path = /^[\w./-]+$/.test(bag) ? bag : `'${bag.replaceAll("'", "'\\''")}'`;
  const call = `${key.slice(0, 12)} --bag ${path}`;
  return `quiver show ${call}\nquiver cat  ${call}\nquiver rm   ${call}`;
}

/** What is below a path: opened, it asks for what is there. */
function Branch({ path, open, label, isRoot = false }: {
  readonly path: string;
  readonly open: string;
  readonly label?: string;
  readonly isRoot?: boolean;
}) {
  const [limit, setLimit] = useState(ENTRIES);
  const { data, problem } = useAnswer<Entry>(
    `/api/tree?path=${encodeURIComponent(path)}&entries=${Math.min(limit, 500)}`,
  );
  if (problem !== undefined) return <p class="problem">{problem}</p>;
  if (data === undefined) return <p class="waiting">…</p>;
  const entries = data.entries ?? [];
  return (
    <ul role="group">
      {label !== undefined && (
        <li role="treeitem">
          <span class="name">{label}</span> <EntryText entry={data} />
        </li>
      )}
      {entries.map((entry) => <Leaf key={entry.path} entry={entry} open={open} isRoot={isRoot} />)}
      {entries.length >= limit && limit < 500 && (
        <li>
          <button type="button" onClick={() => setLimit(500)}>more</button>
        </li>
      )}
      {entries.length >= 500 && (
        <li>
          <small>and more</small>
        </li>
      )}
    </ul>
  );
}

/** The path of an entry behind the key of its call. */
function inCall(path: string): string {
  return path.slice(path.indexOf("/") + 1);
}

function Leaf(
  { entry, open, isRoot }: {
    readonly entry: Entry;
    readonly open: string;
    readonly isRoot: boolean;
  },
) {
  const own = inCall(entry.path);
  const isBranch = entry.size !== undefined && entry.size > 0;
  const isItem = entry.kind === "Object" && own.startsWith("args/") && (entry.size ?? 0) <= FIELDS;
  const [isOpen, setOpen] = useState(isRoot || isItem || open.startsWith(`${own}/`));
  return (
    <li
      role="treeitem"
      class={isBranch ? undefined : "leaf"}
      aria-expanded={isBranch ? isOpen : undefined}
      aria-selected={own === open}
    >
      {isBranch && (
        <button
          type="button"
          class="plain fold"
          aria-label={`${isOpen ? "Close" : "Open"} ${entry.name}`}
          onClick={() => setOpen(!isOpen)}
        >
          {isOpen ? "▾" : "▸"}
        </button>
      )}
      <button
        type="button"
        class={`plain name${own === open ? " shown" : ""}`}
        onClick={() => change({ path: own })}
      >
        {entry.name}
      </button>{" "}
      <EntryText entry={entry} />
      {isBranch && isOpen && <Branch path={entry.path} open={open} />}
    </li>
  );
}

function EntryText({ entry: { kind, value, size, shape, bytes } }: { readonly entry: Entry }) {
  if (value !== undefined && value !== null) {
    return <span class="primitive">{showCell(value, "fact")}</span>;
  }
  const length = shape?.join(" × ") ?? size;
  return (
    <span class="kind">
      {kind}
      {length === undefined ? "" : ` ${length}`}
      {bytes === undefined ? "" : `, ${showBytes(bytes)}`}
    </span>
  );
}

/** Where the value lies that a path in a call leads into. */
function placeOf(
  record: CallRecord,
  path: string,
): { readonly digest: string; readonly path: string } | undefined {
  const [part = "", ...steps] = path.split("/");
  if (part === "result") return { digest: record.result, path: steps.join("/") };
  if (part !== "args") return undefined;
  const [name = "", ...inside] = steps;
  const wanted = name.replaceAll("~1", "/").replaceAll("~0", "~");
  const argument = record.args.find((one) => one.name === wanted);
  return argument?.value === undefined
    ? undefined
    : { digest: argument.value, path: inside.join("/") };
}

function ValuePane({ record, path, parameters }: {
  readonly record: CallRecord;
  readonly path: string;
  readonly parameters: ReadonlyMap<string, string>;
}) {
  const others = (parameters.get("with") ?? "").split(",").filter((key) =>
    key !== "" && key !== record.key
  );
  const place = placeOf(record, path);
  const { data, problem } = useAnswer<Entry>(
    record.failure === undefined
      ? `/api/tree?path=${encodeURIComponent(`${record.key}/${path}`)}&entries=0`
      : undefined,
  );
  const overlaid = useRecords(others);
  if (record.failure !== undefined) return null;
  if (problem !== undefined) return <p class="problem" role="alert">{problem}</p>;
  if (data === undefined) return <p class="waiting">…</p>;
  const { kind, shape, value } = data;
  const places = [record, ...overlaid].flatMap((one) => {
    const found = placeOf(one, path);
    return found === undefined
      ? []
      : [{ ...found, name: others.length === 0 ? path : `${one.task} ${shorten(one.key)}` }];
  });
  return (
    <section class="pane" aria-label={`The value ${path}`}>
      <h2>
        <code>{path}</code> <EntryText entry={data} />
      </h2>
      {shape !== undefined && places.length > 0 && !shape.includes(0) &&
        (
          <ArrayView
            key={`${record.key}/${path}`}
            places={places}
            shape={shape}
            kind={kind}
            parameters={parameters}
          />
        )}
      {kind === "string" && place !== undefined && (
        <WholeText digest={place.digest} path={place.path} />
      )}
      {kind !== "string" && value !== undefined && value !== null && (
        <p class="number">{showCell(value, "fact")}</p>
      )}
      {kind === "missing" && <p>This value is not stored, or damaged.</p>}
    </section>
  );
}

function useRecords(keys: readonly string[]): readonly CallRecord[] {
  const [records, setRecords] = useState<readonly CallRecord[]>([]);
  useEffect(() => {
    const ended = new AbortController();
    Promise.all(
      keys.map((key) => ask<CallRecord>(`/api/call?key=${encodeURIComponent(key)}`, ended.signal)),
    ).then(
      setRecords,
      () => setRecords([]),
    );
    return () => ended.abort();
  }, [keys.join()]);
  return records;
}

function WholeText({ digest, path }: { readonly digest: string; readonly path: string }) {
  const { data, problem } = useAnswer<{ readonly text: string }>(
    `/api/text?digest=${digest}&path=${encodeURIComponent(path)}`,
  );
  if (problem !== undefined) return <p class="problem" role="alert">{problem}</p>;
  return <pre class="text">{data === undefined ? "…" : toPretty(data.text)}</pre>;
}

/** JSON is written with its structure. */
function toPretty(text: string): string {
  if (!/^\s*[[{]/.test(text) || text.length > 200_000) return text;
  try {
    return JSON.stringify(JSON.parse(text), undefined, 2);
  } catch {
    return text;
  }
}
