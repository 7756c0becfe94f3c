import { useEffect, useRef, useState } from "preact/hooks";

/** What stands in a cell: `null` where nothing does. */
export type Cell = number | string | boolean | { readonly text: string } | null;

/** A column that there is. */
export interface ColumnState {
  readonly name: string;
  readonly kind: "fact" | "time" | "duration" | "value";
  readonly distinct: number | null;
  readonly read: number;
  /** Whether all that stands in it are objects whose fields are columns. */
  readonly isSpread: boolean;
}

/** How far the server has come. */
export interface Progress {
  readonly version: number;
  readonly calls: number;
  readonly complete: boolean;
  readonly values: { readonly read: number; readonly total: number };
}

/** What the server knows. */
export interface State extends Progress {
  readonly path: string;
  readonly columns: readonly ColumnState[];
  readonly dropped: number;
}

/** What was asked for, as far as it is there. */
export interface Answer<T> {
  /** What was answered last, also to an earlier question, so that nothing flickers. */
  readonly data: T | undefined;
  /** What is wrong. */
  readonly problem: string | undefined;
  /** Whether a newer answer is awaited. */
  readonly waiting: boolean;
}

/**
 * Asks the server.
 *
 * @throws {Error} With what it says is wrong.
 */
export async function ask<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await fetch(path, signal === undefined ? {} : { signal });
  if (!response.ok) throw new Error((await response.text()).trim());
  return await response.json();
}

/**
 * Asks the server for what is shown, and again whenever the question or the version changes.
 *
 * @param path The question; nothing is asked without one.
 */
export function useAnswer<T>(path: string | undefined, version = 0): Answer<T> {
  const [answer, setAnswer] = useState<Answer<T>>({
    data: undefined,
    problem: undefined,
    waiting: true,
  });
  const asked = useRef<string | undefined>(undefined);
  useEffect(() => {
    if (path === undefined) return;
    const ended = new AbortController();
    // Of the same question the old answer is as good for now; that of another one is dimmed.
    if (asked.current !== path) {
      setAnswer(({ data }) => ({ data, problem: undefined, waiting: true }));
    }
    asked.current = path;
    ask<T>(path, ended.signal).then(
      (data) => setAnswer({ data, problem: undefined, waiting: false }),
      (error: Error) => {
        if (ended.signal.aborted) return;
        setAnswer({ data: undefined, problem: error.message, waiting: false });
      },
    );
    return () => ended.abort();
  }, [path, version]);
  return answer;
}

/** Follows what the server tells of changes; several in a moment are one. */
export function useProgress(): { readonly progress: Progress | undefined; readonly lost: boolean } {
  const [progress, setProgress] = useState<Progress | undefined>(undefined);
  const [lost, setLost] = useState(false);
  useEffect(() => {
    const events = new EventSource("/api/events");
    events.onmessage = ({ data }) => {
      setLost(false);
      setProgress(JSON.parse(data));
    };
    events.onerror = () => setLost(true);
    return () => events.close();
  }, []);
  return { progress, lost };
}
