/** A directory through which a test and its workers, of whatever kind, tell each other something. */
export interface SharedFolder extends AsyncDisposable {
  /** Where it is. */
  readonly path: string;
  /** Makes a file. */
  write(name: string): Promise<void>;
  /** Resolves when a file is there. */
  appears(name: string): Promise<void>;
  /** Whether a file is there. */
  has(name: string): boolean;
}

/** Makes an empty directory, which is removed in the end. */
export async function openSharedFolder(): Promise<SharedFolder> {
  const path = await Deno.makeTempDir();
  const has = (name: string) => [...Deno.readDirSync(path)].some((entry) => entry.name === name);
  return {
    path,
    has,
    write: (name) => Deno.writeTextFile(`${path}/${name}`, ""),
    appears: async (name) => {
      const watcher = Deno.watchFs(path);
      if (has(name)) return watcher.close();
      for await (const _ of watcher) {
        if (has(name)) break;
      }
    },
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}

/** Lets the event loop turn until something holds of which no event tells. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve));
}
