// A module that only the main isolate can import.
import { task } from "@quiver/quiver";

if (self.name !== "") throw new Error("not on a worker");

export const lonely = task(import.meta, function lonely(): number {
  return 1;
});
