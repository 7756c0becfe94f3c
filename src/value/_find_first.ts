import type { Child } from "./_children.ts";

/** Something found in a value. */
export interface Finding {
  /** Where it is, such as `args[0].solver.callback`. */
  readonly path: string;
  /** What is the matter with it. */
  readonly reason: string;
}

/** How {@linkcode findFirst} goes through a value. */
export interface Search {
  /** Says what is the matter with a value, before what is inside it is looked at. */
  enter(value: unknown): string | undefined;
  /** Says what is the matter with an object in which nothing was found. */
  leave?(value: object): string | undefined;
  /** The values inside an object. */
  children(value: object): Iterator<Child>;
}

interface Frame {
  readonly piece: string;
  readonly value: object;
  readonly children: Iterator<Child>;
}

/** An object whose methods make ever new objects has no end; this is far beyond any other. */
const MAX_DEPTH = 100_000;

/**
 * Finds the first value in a value that something is the matter with; each object is looked at
 * once, however deep it is nested.
 *
 * @param value The value to search.
 * @param root What the path begins with.
 * @param search What to look for.
 * @returns Where it is and what it is, or `undefined`.
 */
export function findFirst(value: unknown, root: string, search: Search): Finding | undefined {
  const seen = new Set<object>();
  const frames: Frame[] = [];
  const pathTo = (piece: string) => [...frames.map((frame) => frame.piece), piece].join("");
  let next: Child | undefined = [root, value];
  for (;;) {
    if (next !== undefined) {
      const [piece, current]: Child = next;
      const reason = search.enter(current);
      if (reason !== undefined) return { path: pathTo(piece), reason };
      if (isObject(current) && !seen.has(current) && frames.length < MAX_DEPTH) {
        seen.add(current);
        frames.push({ piece, value: current, children: search.children(current) });
      }
    }
    const frame = frames.at(-1);
    if (frame === undefined) return undefined;
    const step = frame.children.next();
    next = step.done ? undefined : step.value;
    if (next !== undefined) continue;
    frames.pop();
    const reason = search.leave?.(frame.value);
    if (reason !== undefined) return { path: pathTo(frame.piece), reason };
  }
}

/**
 * Tells whether a value may have others inside.
 *
 * @param value The value.
 * @returns Whether it is an object or a function.
 */
export function isObject(value: unknown): value is object {
  return (typeof value === "object" && value !== null) || typeof value === "function";
}
