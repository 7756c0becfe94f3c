import { currentDirectory, currentSignal, task } from "@quiver/quiver";

let attempts = 0;

/** Fails as often as its file has lines fewer than it is told. */
export const flaky = task(
  import.meta,
  async (path: string, failures: number): Promise<number> => {
    await Deno.writeTextFile(path, "x", { append: true });
    const { size } = await Deno.stat(path);
    if (size <= failures) throw new RangeError(`attempt ${size}`);
    return size;
  },
  { name: "flaky", retries: { times: 3, delay: 1, when: (error) => error instanceof RangeError } },
);

/** Hangs the first time in this isolate. */
export const hangsOnce = task(
  import.meta,
  async (n: number): Promise<number> => {
    if (++attempts > 1) return n;
    await new Promise((resolve) => currentSignal().addEventListener("abort", resolve));
    return -1;
  },
  { name: "hangsOnce", deadline: 20, retries: { times: 1, when: () => true } },
);

/** Where its body runs, and what it is alone with. */
export const place = task(
  import.meta,
  async (fails: boolean): Promise<readonly string[]> => {
    const directory = currentDirectory();
    await Deno.writeTextFile(`${directory}/own.txt`, "own");
    if (fails) throw new Error(directory);
    const names = Array.from(Deno.readDirSync(directory), ({ name }) => name);
    return [directory, Deno.cwd(), ...names];
  },
  { name: "place", isolate: true },
);

/** Removes what its process goes back to. */
export const removing = task(
  import.meta,
  async (directory: string): Promise<string> => {
    await Deno.remove(directory);
    return directory;
  },
  { name: "removing", isolate: true },
);
