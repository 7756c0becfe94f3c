import { task } from "@quiver/quiver";

export const square = task(import.meta, function square(n: number): number {
  return n * n;
});

export const ramp = task(import.meta, function ramp(length: number): Float64Array {
  return Float64Array.from({ length }, (_, i) => i / 2);
});
