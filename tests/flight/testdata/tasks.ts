// Tasks that meet in a directory, so that tests know what runs at the same time. Those that call
// themselves are arrow functions: in a named function its name is the plain function.
import { DeadlockError, type Task, task } from "@quiver/quiver";

/** Leaves a line for each run, in the order in which they began, and gives their number. */
function countRun(directory: string, text: string): number {
  const path = `${directory}/runs`;
  Deno.writeTextFileSync(path, `${text}\n`, { append: true });
  return Deno.readTextFileSync(path).split("\n").length - 1;
}

/** The lines that runs have left. */
export function readRuns(directory: string): string[] {
  try {
    return Deno.readTextFileSync(`${directory}/runs`).split("\n").slice(0, -1);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** Says that one is there, and goes on when all are. */
async function meet(directory: string, name: number, size: number): Promise<void> {
  const watcher = Deno.watchFs(directory);
  await Deno.writeTextFile(`${directory}/there-${name}`, "");
  const complete = () =>
    [...Deno.readDirSync(directory)].filter((entry) => entry.name.startsWith("there-")).length ===
      size;
  if (complete()) return watcher.close();
  for await (const _ of watcher) {
    if (complete()) break;
  }
}

/** Each call needs the next one, and the last the first. */
export const ring: Task<[number, number, string], number> = task(
  import.meta,
  async (index: number, size: number, directory: string): Promise<number> => {
    await meet(directory, index, size);
    return 1 + await ring((index + 1) % size, size, directory);
  },
  { name: "ring", ignore: ["directory"] },
);

/** The same, but can do without the next one. */
export const tolerant: Task<[number, number, string], string> = task(
  import.meta,
  async (index: number, size: number, directory: string): Promise<string> => {
    await meet(directory, index, size);
    try {
      return `${index} ${await tolerant((index + 1) % size, size, directory)}`;
    } catch (error) {
      if (!(error instanceof DeadlockError)) throw error;
      countRun(directory, error.cycle.map(({ task }) => task).join());
      return `${index}.`;
    }
  },
  { name: "tolerant", ignore: ["directory"] },
);

/** Two calls of the ring, one inside the other, by way of a call that is not remembered. */
export const indirect: Task<[number, string], number> = task(
  import.meta,
  async (index: number, directory: string): Promise<number> => {
    return await between(index, directory);
  },
  { name: "indirect", ignore: ["directory"] },
);

export const between: Task<[number, string], number> = task(
  import.meta,
  async (index: number, directory: string): Promise<number> => {
    await meet(directory, index, 2);
    return 1 + await indirect(1 - index, directory);
  },
  { name: "between", ignore: ["directory"] },
);

export const counted: Task<[number, string], number> = task(
  import.meta,
  function counted(n: number, directory: string): number {
    countRun(directory, String(n));
    return 2 * n;
  },
  { ignore: ["directory"] },
);

/** The first run never ends; the others end at once. */
export const hangsOnce: Task<[string], string> = task(
  import.meta,
  async function hangsOnce(directory: string): Promise<string> {
    if (countRun(directory, "run") === 1) await new Promise(() => setInterval(() => {}, 1000));
    return "done";
  },
  { ignore: ["directory"] },
);

/** Calls another task where it runs. */
export const calls: Task<[number, string], number> = task(
  import.meta,
  async function calls(n: number, directory: string): Promise<number> {
    return 1 + await counted(n, directory);
  },
  { ignore: ["directory"] },
);
