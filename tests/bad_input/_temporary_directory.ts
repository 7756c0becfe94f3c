/** A directory for one test, removed at its end. */
export class TemporaryDirectory implements AsyncDisposable {
  /** The directory. */
  readonly path: string = Deno.makeTempDirSync();

  /** Removes it with all it holds. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
  }
}
