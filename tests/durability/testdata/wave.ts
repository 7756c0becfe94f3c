// A task whose result has small data and two arrays: one in the value, one stored on its own.
import { task } from "@quiver/quiver";

export interface Wave {
  readonly point: number;
  readonly short: Float64Array;
  readonly long: Float64Array;
}

export function computeWave(point: number): Wave {
  const at = (_: unknown, index: number) => Math.sin(point + index);
  return {
    point,
    short: Float64Array.from({ length: 10 }, at),
    long: Float64Array.from({ length: 1000 }, at),
  };
}

export const wave = task(import.meta, computeWave, { name: "wave" });
