// A task whose result follows from its arguments: something small, an array of its own, and an array
// that it shares with other results.
import { type Task, task } from "@quiver/quiver";

/** What the task returns. */
export interface Specimen {
  readonly label: string;
  readonly own: Float64Array;
  readonly shared: Uint32Array;
}

/** How many different shared arrays there are. */
const SHARED = 5;

export function computeSpecimen(name: string, n: number, size: number): Specimen {
  let state = n;
  for (const character of name) state = (state * 31 + (character.codePointAt(0) ?? 0)) >>> 0;
  return {
    label: `${name} ${n}`,
    own: Float64Array.from({ length: size }, (_, i) => Math.sin(state + i)),
    shared: new Uint32Array(1100).fill(n % SHARED),
  };
}

export const specimen: Task<[string, number, number], Specimen> = task(
  import.meta,
  computeSpecimen,
  { name: "specimen" },
);

/** How large the array is that the nth result of a writer has for itself. */
export function toSize(n: number): number {
  return n % 4 === 0 ? 1000 : 5;
}
