import type { Bag } from "../../../mod.ts";
import type { CallIndex } from "./call_index.ts";

/** What a part of a bag's directory takes. */
interface FolderSize {
  readonly name: string;
  readonly files: number;
  readonly bytes: number;
}

/**
 * Tells what a bag takes on disk, part by part, and how many calls each task has and how long they ran.
 *
 * Requires `--allow-read` of the bag's directory.
 */
export async function readStore(bag: Bag, index: CallIndex): Promise<unknown> {
  const folders: FolderSize[] = [];
  for await (const { name, isDirectory } of Deno.readDir(bag.path)) {
    folders.push(await measure(bag.path, name, isDirectory));
  }
  folders.sort((a, b) => b.bytes - a.bytes);
  return {
    path: bag.path,
    readOnly: bag.readOnly,
    statistics: bag.statistics(),
    folders,
    tasks: countTasks(index),
  };
}

async function measure(parent: string, name: string, isDirectory: boolean): Promise<FolderSize> {
  const path = `${parent}/${name}`;
  try {
    if (!isDirectory) return { name, files: 1, bytes: (await Deno.lstat(path)).size };
    let files = 0;
    let bytes = 0;
    for await (const entry of Deno.readDir(path)) {
      const inside = await measure(path, entry.name, entry.isDirectory);
      files += inside.files;
      bytes += inside.bytes;
    }
    return { name, files, bytes };
  } catch (error) {
    // Others fold and compact meanwhile.
    if (error instanceof Deno.errors.NotFound) return { name, files: 0, bytes: 0 };
    throw error;
  }
}

function countTasks(index: CallIndex): unknown[] {
  const tasks = new Map<string, { calls: number; failed: number; milliseconds: number }>();
  for (let row = 0; row < index.rows; row++) {
    if (!index.knows(row)) continue;
    const name = String(index.task.cell(row));
    const task = tasks.getOrInsertComputed(name, () => ({ calls: 0, failed: 0, milliseconds: 0 }));
    task.calls++;
    if (index.state.cell(row) === "failed") task.failed++;
    task.milliseconds += index.duration.number(row);
  }
  return [...tasks].map(([name, task]) => ({ name, ...task })).sort((a, b) => b.calls - a.calls);
}
