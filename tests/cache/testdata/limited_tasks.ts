// Tasks that limited caches remember.
import { task } from "@quiver/quiver";

export const square = task(import.meta, (n: number) => n * n, { name: "square", version: 1 });

export const fill = task(
  import.meta,
  (n: number, size: number) => new Float64Array(size).fill(n),
  { name: "fill", version: 1 },
);
