import { task } from "@quiver/quiver";

/** Takes so long that calls are not sent ahead to those workers that are there first. */
export const pause = task(
  import.meta,
  (n: number): Promise<number> => new Promise((resolve) => setTimeout(resolve, 10, n)),
  { name: "pause" },
);
