// Tasks that block the worker they ran on after they have ended.
import { task } from "@quiver/quiver";

/** Each worker imports this module once. */
const me = crypto.randomUUID();

export const whoAmI = task(import.meta, function whoAmI(): string {
  return me;
});

export const echo = task(import.meta, function echo(value: unknown): unknown {
  return value;
});

/**
 * Leaves something behind that never comes back, and says so by making a file. In a process it ends
 * with that, and in a thread when the memory says so.
 */
export const leaveBlocked = task(
  import.meta,
  function leaveBlocked(path: string, memory: SharedArrayBuffer | undefined): string {
    const words = new Int32Array(memory ?? new SharedArrayBuffer(4));
    setTimeout(() => {
      Deno.writeTextFileSync(path, "");
      Atomics.wait(words, 0, 0);
    });
    return me;
  },
);

/** Runs for so long without a moment for a message. */
export const block = task(import.meta, function block(time: number): string {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, time);
  return me;
});

export const processId = task(import.meta, function processId(): number {
  return Deno.pid;
});
