// What calls on workers of every kind do at a gate: a directory in which each leaves a file.

/** Says that a call has arrived; gives how many were there before it. */
export function arrive(gate: string): number {
  const before = list(gate)?.length ?? 0;
  Deno.writeTextFileSync(`${gate}/${crypto.randomUUID()}`, "");
  return before;
}

/** Resolves when the gate is open, or was taken down. */
export function opened(gate: string): Promise<void> {
  return until(gate, (names) => names.includes("open"));
}

/** Resolves when something holds of the names in a directory, or the directory is gone. */
export async function until(
  path: string,
  holds: (names: readonly string[]) => boolean,
): Promise<void> {
  const reached = () => {
    const names = list(path);
    return names === undefined || holds(names);
  };
  if (reached()) return;
  const watcher = Deno.watchFs(path);
  // It may have happened before there was a watcher.
  if (reached()) return watcher.close();
  for await (const _ of watcher) {
    if (reached()) break;
  }
}

function list(path: string): string[] | undefined {
  try {
    return [...Deno.readDirSync(path)].map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
