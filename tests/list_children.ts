/**
 * Lists the children of a process, as a program of its own: Deno reads no `/proc` without all
 * permissions. Argument: the id of the process. Where there is no `/proc` it lists nothing.
 *
 * @module
 */

function readText(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    // The process has ended meanwhile.
    return "";
  }
}

function listProcesses(): string[] {
  try {
    return Array.from(Deno.readDirSync("/proc"), ({ name }) => name)
      .filter((name) => /^\d+$/.test(name) && name !== `${Deno.pid}`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

if (import.meta.main) {
  const [parent = ""] = Deno.args;
  const isChild = new RegExp(`^PPid:\\s*${parent}$`, "m");
  for (const id of listProcesses()) {
    if (!isChild.test(readText(`/proc/${id}/status`))) continue;
    console.log(`${id} ${readText(`/proc/${id}/cmdline`).replaceAll("\0", " ")}`);
  }
}
