// A program without a guard that nobody awaits and that starts workers late: a worker that imports
// it is done with the import by then.
import { Executor, task } from "@quiver/quiver";

const [directory = ""] = Deno.args;

/** Should the worker's main part start workers, theirs would, too, and so on: this ends it. */
const DEEPEST = 3;

export const triple = task(import.meta, function triple(x: number): number {
  return 3 * x;
});

/** Tells how the main part that ran in the worker ended. */
export const tell = task(import.meta, async function tell(): Promise<string> {
  return await told;
});

async function main(): Promise<string> {
  await Deno.makeTempDir({ dir: directory });
  const depth = Array.from(Deno.readDirSync(directory)).length;
  if (depth > DEEPEST) return "workers start workers without end";
  await using executor = new Executor({ maxWorkers: 1 });
  if (depth === 1) return await executor.submit(tell);
  return `a worker of a worker says ${await executor.submit(triple, 14)}`;
}

const told = main().catch((error) => `${error.name}: ${error.message}`);
told.then((text) => console.log(text));
