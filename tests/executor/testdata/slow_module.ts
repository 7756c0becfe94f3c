// A module whose evaluation waits at the gate that its URL names.
import { task } from "@quiver/quiver";
import { arrive, opened } from "./gated.ts";

const gate = new URL(import.meta.url).searchParams.get("gate");
if (gate !== null) {
  arrive(gate);
  await opened(gate);
}

/** Makes a file. */
export const touch = task(import.meta, function touch(path: string): void {
  Deno.writeTextFileSync(path, "");
});
