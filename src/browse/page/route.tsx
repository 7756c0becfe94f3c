import { useEffect, useState } from "preact/hooks";

/** What is shown: all of it stands in the address, behind the "#". */
export interface Route {
  /** The view. */
  readonly view: string;
  /** What else is said. */
  readonly parameters: ReadonlyMap<string, string>;
}

/** Reads the address. */
export function readRoute(hash: string): Route {
  const [view = "", search = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  return { view: view || "calls", parameters: new Map(new URLSearchParams(search)) };
}

/** Writes an address; what is `undefined` or empty is left out. */
export function toHash(view: string, parameters: Changes): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== "") search.set(name, value);
  }
  return search.size === 0 ? `#/${view}` : `#/${view}?${search}`;
}

/** What changes in the address. */
export type Changes = { readonly [name: string]: string | undefined };

/**
 * Changes the address, and so what is shown.
 *
 * @param changes What is said from now on; `undefined` takes something out.
 * @param isStep Whether the button "back" leads to what was before.
 */
export function change(changes: Changes, isStep = true): void {
  const { view, parameters } = readRoute(location.hash);
  const hash = toHash(view, { ...Object.fromEntries(parameters), ...changes });
  if (hash === location.hash) return;
  if (isStep) location.hash = hash;
  else {
    history.replaceState(null, "", hash);
    dispatchEvent(new HashChangeEvent("hashchange"));
  }
}

/** What the address says now, and whenever it changes. */
export function useRoute(): Route {
  const [route, setRoute] = useState(() => readRoute(location.hash));
  useEffect(() => {
    const follow = () => setRoute(readRoute(location.hash));
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  return route;
}
