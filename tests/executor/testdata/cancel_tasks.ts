// Tasks that leave a file behind, so that it shows which of them have run.
import { task } from "@quiver/quiver";

export const noop = task(import.meta, function noop(): void {});

export const leaveMark = task(import.meta, function leaveMark(folder: string, name: string) {
  Deno.writeTextFileSync(`${folder}/${name}`, "");
  return name;
});

export const mark = task(
  import.meta,
  async function mark({ folder, index }: { folder: string; index: number }): Promise<number> {
    await new Promise((resolve) => setTimeout(resolve, 2));
    Deno.writeTextFileSync(`${folder}/${index}`, "");
    return index;
  },
);

/** Says that it has started, and ends when it is told to. */
export const gated = task(
  import.meta,
  async function gated(folder: string, name: string): Promise<string> {
    const goes = () => [...Deno.readDirSync(folder)].some((entry) => entry.name === `${name}.go`);
    const watcher = Deno.watchFs(folder);
    Deno.writeTextFileSync(`${folder}/${name}.started`, "");
    if (goes()) watcher.close();
    else for await (const _ of watcher) if (goes()) break;
    return name;
  },
);
