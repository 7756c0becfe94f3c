// Tasks with one argument, which tests of how maps share items among workers run.
import { task } from "@quiver/quiver";
import { appears } from "./map_tasks.ts";

/** Waits some milliseconds, if any; gives how many it was. */
export const pause = task(import.meta, function pause(ms: number): number | Promise<number> {
  if (ms === 0) return 0;
  const begun = performance.now();
  return new Promise((resolve) => setTimeout(() => resolve(performance.now() - begun), ms));
});

/** What {@linkcode mark} does with an item. */
export interface Mark {
  readonly directory: string;
  readonly x: number;
  /** `"tiny"` leaves no mark, and takes next to no time. */
  readonly how?: "tiny" | "wait" | "block" | "close" | "exit" | "kill" | "hoard";
}

const HOARD: Uint8Array[] = [];

/** Writes the number of an item into a file, then does what the item says; gives who did that. */
export const mark = task(
  import.meta,
  function mark({ directory, x, how }: Mark): string | Promise<string> {
    if (how === "tiny") return ISOLATE;
    Deno.writeTextFileSync(`${directory}/marks`, `${x} `, { append: true });
    if (how === "wait") return appears(directory, `${x}.go`).then(() => ISOLATE);
    // Code that never awaits.
    while (how === "block" && !isThere(`${directory}/${x}.go`)) Atomics.wait(NOBODY, 0, 0, 1);
    if (how === "close") self.close();
    if (how === "exit") Deno.exit(1);
    if (how === "kill") Deno.kill(Deno.pid, "SIGKILL");
    // A worker looks at most once a millisecond at what it holds, so that this takes longer.
    if (how === "hoard") HOARD.push(new Uint8Array(80e6).fill(1));
    return ISOLATE;
  },
);

const NOBODY = new Int32Array(new SharedArrayBuffer(4));

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** Different in each worker that has an isolate of its own. */
const ISOLATE = crypto.randomUUID();

/** Gives an array's length. */
export const measure = task(import.meta, function measure(array: Float64Array): number {
  return array.length;
});

/** The numbers of the items that have begun, in order. */
export function readMarks(directory: string): number[] {
  try {
    return Deno.readTextFileSync(`${directory}/marks`).trim().split(" ").map(Number);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
