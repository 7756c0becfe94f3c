// Tasks that print.
import { task } from "@quiver/quiver";

export const inner = task(import.meta, function inner(): void {
  console.log("from within");
});

export const print = task(import.meta, async function print(name: string): Promise<string> {
  console.log("hello %s", name, { a: [1] });
  console.error("two\nlines");
  await inner();
  console.table([{ x: 1 }]);
  return name;
});

/** Prints and never gives its thread back. */
export const printAndSpin = task(import.meta, function printAndSpin(memory: SharedArrayBuffer) {
  console.warn("spinning");
  const words = new Int32Array(memory);
  while (Atomics.load(words, 0) === 0);
});

if (import.meta.main) {
  const { Executor } = await import("@quiver/quiver");
  const [workerType, output] = Deno.args;
  await using executor = new Executor({ maxWorkers: 1, workerType, output } as never);
  await executor.submit(print, "you");
  console.log("main prints as ever");
}
