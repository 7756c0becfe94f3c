import { render } from "preact";
import { useEffect } from "preact/hooks";
import { CallView } from "./call_view.tsx";
import { CallsView } from "./calls_view.tsx";
import { CompareView } from "./compare_view.tsx";
import { showCount } from "./format.tsx";
import { LineageView } from "./lineage_view.tsx";
import { type Route, toHash, useRoute } from "./route.tsx";
import { type Progress, type State, useAnswer, useProgress } from "./server.tsx";
import { StoreView } from "./store_view.tsx";
import { TimelineView } from "./timeline_view.tsx";

/** The views that are always there; the others are about calls that were chosen. */
const VIEWS = [["calls", "Calls"], ["timeline", "Timeline"], ["store", "Store"]] as const;

function App() {
  const route = useRoute();
  const { progress, lost } = useProgress();
  const { data: state, problem } = useAnswer<State>("/api/state", progress?.version ?? 0);
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      const isTyping = event.target instanceof HTMLInputElement ||
        event.target instanceof HTMLSelectElement;
      if (event.key !== "/" || isTyping) return;
      event.preventDefault();
      document.getElementById("search")?.focus();
    };
    addEventListener("keydown", onKeyDown);
    return () => removeEventListener("keydown", onKeyDown);
  }, []);
  useEffect(() => {
    if (state !== undefined) document.title = `${state.path.split("/").at(-1)} – Quiver`;
  }, [state?.path]);
  return (
    <>
      <nav class="views" aria-label="Views">
        <span class="brand">Quiver</span>
        {VIEWS.map(([view, title]) => (
          <a
            key={view}
            href={toHash(view, {})}
            aria-current={route.view === view ? "page" : undefined}
          >
            {title}
          </a>
        ))}
        <span class="path" title={state?.path}>{state?.path.split("/").slice(-2).join("/")}</span>
        <ProgressText progress={progress} lost={lost} />
      </nav>
      <main>
        {problem !== undefined && <p class="problem" role="alert">{problem}</p>}
        {state !== undefined && <View route={route} state={state} />}
      </main>
    </>
  );
}

function View({ route, state }: { readonly route: Route; readonly state: State }) {
  switch (route.view) {
    case "calls":
      return <CallsView route={route} state={state} />;
    case "call":
      return <CallView key={route.parameters.get("key")} route={route} bag={state.path} />;
    case "compare":
      return <CompareView route={route} version={state.version} />;
    case "lineage":
      return (
        <LineageView
          key={route.parameters.get("key")}
          route={route}
          version={state.version}
        />
      );
    case "timeline":
      return <TimelineView route={route} state={state} />;
    case "store":
      return <StoreView version={state.version} />;
    default:
      return <p>There is no view "{route.view}".</p>;
  }
}

function ProgressText(
  { progress, lost }: { readonly progress: Progress | undefined; readonly lost: boolean },
) {
  const say = () => {
    if (lost) return "The server has ended: what is shown is what was known.";
    if (progress === undefined) return "";
    const { complete, calls, values: { read, total } } = progress;
    if (!complete) return `reading calls: ${showCount(calls)}`;
    return read < total ? `reading values: ${Math.floor(read / total * 100)} %` : "live";
  };
  return <span class={`progress${lost ? " failed" : ""}`} role="status">{say()}</span>;
}

const root = document.getElementById("root");
if (root !== null) render(<App />, root);
