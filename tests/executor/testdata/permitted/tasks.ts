import { task } from "@quiver/quiver";
import { helped } from "./helper.ts";

/** Gives what other modules give, and what comes of reading a file. */
export const readPermitted = task(
  import.meta,
  async function readPermitted(path: string): Promise<string[]> {
    const { late } = await import("./late.ts");
    try {
      return [helped, late, Deno.readTextFileSync(path)];
    } catch (error) {
      return [helped, late, error instanceof Error ? error.name : "nothing"];
    }
  },
);
