/** A directory that is removed with all that is in it. */
export class TemporaryDirectory implements Disposable {
  /** The directory. */
  readonly path: string = Deno.makeTempDirSync({ prefix: "quiver_bag_" });

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

/** The names of all files in a directory and below, in order. */
export function listFiles(directory: string): string[] {
  return Array.from(Deno.readDirSync(directory), (entry) => {
    const path = `${directory}/${entry.name}`;
    return entry.isDirectory ? listFiles(path).map((name) => `${entry.name}/${name}`) : entry.name;
  }).flat().sort();
}
