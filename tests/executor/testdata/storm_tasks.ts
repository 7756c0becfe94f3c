// Tasks of storms beside those that fail.
import { task } from "@quiver/quiver";

export const processId = task(import.meta, function processId(): number {
  return Deno.pid;
});

/** Ends, and later leaves its thread no moment for anything else, until a word of memory is set. */
export const blockLater = task(
  import.meta,
  function blockLater(delay: number, memory: SharedArrayBuffer): void {
    const words = new Int32Array(memory);
    setTimeout(() => Atomics.wait(words, 0, 0), delay);
  },
);

/** Waits for a moment. */
export const rest = task(import.meta, async function rest(x: number): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, x % 7));
  return 2 * x;
});
