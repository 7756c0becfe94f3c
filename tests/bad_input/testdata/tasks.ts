// Tasks that the programs beside this file run.
import { task } from "@quiver/quiver";

export const double = task(import.meta, function double(x: number): number {
  return 2 * x;
});

export const samples = task(import.meta, function samples(x: number): Float64Array {
  return new Float64Array(1000).fill(x);
});

/** Takes a few milliseconds. */
export const slow = task(import.meta, function slow(x: number): [number, number] {
  let sum = 0;
  for (let step = 0; step < 200_000; step++) sum += Math.sin(x + step);
  return [x, sum];
});
