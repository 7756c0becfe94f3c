// A task whose calls are used on workers and in other programs.
import { task } from "@quiver/quiver";

export const inc = task(import.meta, (n: number) => n + 1, { name: "inc", version: 1 });

export const twice = task(
  import.meta,
  async (n: number) => await inc(n) + await inc(n),
  { name: "twice" },
);
