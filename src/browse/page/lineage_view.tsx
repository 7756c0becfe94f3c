import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { type BriefCall, CallLine } from "./compare_view.tsx";
import { shorten } from "./format.tsx";
import type { Route } from "./route.tsx";
import { useAnswer } from "./server.tsx";

interface Relative extends BriefCall {
  readonly argument?: string;
}

interface Lineage {
  readonly call: BriefCall;
  readonly by: BriefCall | null;
  readonly made: readonly Relative[];
  readonly more: number;
  readonly sources: readonly Relative[];
  readonly users: readonly Relative[];
}

/** Where the values of a call come from, and where they went. */
export function LineageView(
  { route, version }: { readonly route: Route; readonly version: number },
): VNode {
  const key = route.parameters.get("key") ?? "";
  const { data, problem } = useAnswer<Lineage>(
    `/api/lineage?key=${encodeURIComponent(key)}`,
    version,
  );
  if (key === "") return <p>Open a call, and then its lineage.</p>;
  if (problem !== undefined) return <p class="problem" role="alert">{problem}</p>;
  if (data === undefined) return <p class="waiting">…</p>;
  return (
    <div class="lineage">
      <h1>
        <CallLine call={data.call} />
      </h1>
      {data.by !== null && (
        <p>
          It was made by <CallLine call={data.by} />.
        </p>
      )}
      <Relatives
        title="Its arguments come from"
        calls={data.sources}
        side="sources"
        empty="Its arguments are results of no call that is known."
      />
      <Relatives
        title="It has made"
        calls={data.made}
        side="made"
        empty="It has made no other calls."
      />
      {data.more > 0 && <p>It has made {data.more} more calls, which its record does not name.</p>}
      <Relatives
        title="Its result was an argument of"
        calls={data.users}
        side="users"
        empty="Its result was an argument of no call that is known."
      />
    </div>
  );
}

type Side = "sources" | "made" | "users";

function Relatives({ title, calls, side, empty }: {
  readonly title: string;
  readonly calls: readonly Relative[];
  readonly side: Side;
  readonly empty: string;
}) {
  return (
    <section>
      <h2>{title}</h2>
      {calls.length === 0
        ? <p class="kind">{empty}</p>
        : <RelativeTree calls={calls} side={side} above={[]} />}
    </section>
  );
}

function RelativeTree({ calls, side, above }: {
  readonly calls: readonly Relative[];
  readonly side: Side;
  readonly above: readonly string[];
}) {
  return (
    <ul role={above.length === 0 ? "tree" : "group"}>
      {calls.map((call) => (
        <RelativeLeaf
          key={`${call.key}${call.argument ?? ""}`}
          call={call}
          side={side}
          above={above}
        />
      ))}
    </ul>
  );
}

/** A relative, and further ones on the same side once it is opened. */
function RelativeLeaf({ call, side, above }: {
  readonly call: Relative;
  readonly side: Side;
  readonly above: readonly string[];
}) {
  const [isOpen, setOpen] = useState(false);
  const { data, problem } = useAnswer<Lineage>(isOpen ? `/api/lineage?key=${call.key}` : undefined);
  // A value may have come from itself by way of others.
  const isRepeated = above.includes(call.key);
  const note = call.argument === undefined ? "" : `as ${call.argument}`;
  return (
    <li role="treeitem" aria-expanded={isOpen}>
      {call.task !== null && !isRepeated && (
        <button
          type="button"
          class="plain fold"
          aria-label={`${isOpen ? "Close" : "Open"} ${shorten(call.key)}`}
          onClick={() => setOpen(!isOpen)}
        >
          {isOpen ? "▾" : "▸"}
        </button>
      )}
      <CallLine call={call} note={isRepeated ? "again" : note} />
      {isOpen && problem !== undefined && <p class="problem">{problem}</p>}
      {isOpen && data !== undefined && (data[side].length === 0
        ? <p class="kind">nothing further</p>
        : <RelativeTree calls={data[side]} side={side} above={[...above, call.key]} />)}
    </li>
  );
}
