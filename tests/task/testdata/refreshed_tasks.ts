// Tasks that tell by their results which run of theirs it was, wherever they run.
import { task } from "@quiver/quiver";

/** Counts the runs of a name in a file, as workers have isolates of their own. */
function run(folder: string, name: string): number {
  const file = `${folder}/${name}`;
  Deno.writeTextFileSync(file, ".", { append: true });
  return Deno.statSync(file).size;
}

export const leaf = task(
  import.meta,
  (folder: string, n: number): number => run(folder, `leaf-${n}`),
  { name: "leaf", code: "none" },
);

export const middle = task(
  import.meta,
  async (folder: string, n: number): Promise<string> =>
    `${run(folder, `middle-${n}`)} of ${await leaf(folder, 0)}`,
  { name: "middle", code: "none" },
);

/** Both branches need the same leaf. */
export const root = task(
  import.meta,
  async (folder: string): Promise<string> => {
    const own = run(folder, "root");
    return `${own}: ${await middle(folder, 1)}, ${await middle(folder, 2)}`;
  },
  { name: "root", code: "none" },
);

export const expiring = task(
  import.meta,
  (folder: string): number => run(folder, "expiring"),
  { name: "expiring", code: "none", expiresAfter: 60_000 },
);

export const outer = task(
  import.meta,
  async (folder: string, _again: number): Promise<number> => await expiring(folder),
  { name: "outer", code: "none" },
);

export const judged = task(
  import.meta,
  (folder: string): number => run(folder, "judged"),
  {
    name: "judged",
    code: "none",
    validate: ({ args }) => {
      // What is put there says what the answer is.
      const [folder] = args;
      return folder !== undefined && Deno.env.get("QUIVER_TEST_VALID") !== "no";
    },
  },
);
