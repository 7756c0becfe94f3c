import { task } from "@quiver/quiver";

/** Adds one. */
export const late = task(import.meta, (n: number): number => n + 1, { name: "late" });
