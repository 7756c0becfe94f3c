// Tasks with one argument, which the tests of map, chunks and futures run on workers.
import { reportProgress, task } from "@quiver/quiver";

/** What {@linkcode visit} does with an item. */
export interface Visit {
  readonly directory: string;
  readonly x: number;
  readonly how?: "wait" | "throw" | "die" | "function";
}

/** Leaves a trace in a directory, then does what the item says; gives the item's number. */
export const visit = task(import.meta, async function visit(item: Visit): Promise<number> {
  const { directory, x, how } = item;
  await Deno.writeTextFile(`${directory}/${x}.${crypto.randomUUID()}.trace`, "");
  if (how === "wait") await appears(directory, `${x}.go`);
  if (how === "throw") throw new RangeError(`not ${x}`);
  if (how === "die") {
    self.close();
    await new Promise(() => {});
  }
  // A result that cannot travel is nothing that the types allow.
  if (how === "function") return (() => x) as unknown as number;
  return x;
});

/** Resolves when a directory has a file whose name ends so. */
export async function appears(directory: string, end: string): Promise<void> {
  const watcher = Deno.watchFs(directory);
  const there = () => [...Deno.readDirSync(directory)].some(({ name }) => name.endsWith(end));
  if (there()) return watcher.close();
  for await (const _ of watcher) {
    if (there()) break;
  }
}

/** How often each item was visited. */
export function countVisits(directory: string): { [x: string]: number } {
  const counts: { [x: string]: number } = {};
  for (const { name } of Deno.readDirSync(directory)) {
    const [x = "", , kind] = name.split(".");
    if (kind === "trace") counts[x] = (counts[x] ?? 0) + 1;
  }
  return counts;
}

export const square = task(import.meta, function square(x: number): number {
  return x * x;
});

/** Gives what it is given: numbers at once, and all else in a promise. */
export const echo = task(import.meta, function echo(value: unknown): unknown {
  return typeof value === "number" ? value : Promise.resolve(value);
});

/** A task with several parameters, one of which has a default, and any number of others. */
export const join = task(
  import.meta,
  function join(base: number, label: string = "none", ...others: number[]): string {
    return [base, label, ...others].join(" ");
  },
);

/** Fails for odd numbers. */
export const halve = task(import.meta, function halve(n: number): number {
  if (n % 2 !== 0) throw new RangeError(`${n} is odd`);
  return n / 2;
});

/** Says how far it is, and what has come out so far. */
export const train = task(import.meta, async function train(n: number): Promise<number> {
  reportProgress(`step ${n}`);
  reportProgress({ loss: 1 / n, done: false });
  reportProgress(0.5);
  // What is said goes out at once, but for what was said just before.
  await new Promise((resolve) => setTimeout(resolve, 30));
  return n;
});
