// A module that gives two tasks one name.
import { task } from "@quiver/quiver";

export const first = task(import.meta, () => 1, { name: "estimate" });
export const second = task(import.meta, () => 2, { name: "estimate" });
