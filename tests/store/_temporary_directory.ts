/** A directory that is removed with all that is in it. */
export class TemporaryDirectory implements Disposable {
  readonly path: string = Deno.makeTempDirSync({ prefix: "quiver_store_" });

  /** All files in it and below: path and content. */
  *files(directory: string = this.path): Generator<{ path: string; bytes: Uint8Array }> {
    for (const { name, isDirectory } of Deno.readDirSync(directory)) {
      const path = `${directory}/${name}`;
      if (isDirectory) yield* this.files(path);
      else yield { path, bytes: Deno.readFileSync(path) };
    }
  }

  /** How many bytes all files have. */
  get size(): number {
    return this.files().reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}
