// A task whose result follows from its arguments, so that whoever reads it knows what it must be.
import { type Task, task } from "@quiver/quiver";

/** Bytes that differ in each place, and from one name to the next. */
export function computeDatum(name: string, length: number): Uint32Array {
  let state = 1;
  for (const character of name) state = (state * 31 + (character.codePointAt(0) ?? 0)) >>> 0;
  const datum = new Uint32Array(length);
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    datum[i] = state;
  }
  return datum;
}

export const datum: Task<[string, number], Uint32Array> = task(import.meta, computeDatum, {
  name: "datum",
});
