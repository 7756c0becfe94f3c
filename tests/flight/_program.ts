/** A program of the tests that runs beside them; it is killed at the end, if it still runs. */
export class Program implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;

  /** Starts `testdata/<name>.ts`, as it lies beside a module of the tests. */
  constructor(name: string, args: readonly string[], base: string = import.meta.url) {
    const script = new URL(`./testdata/${name}.ts`, base).pathname;
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--allow-read", "--allow-write", script, ...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#lines = this.#child.stdout
      .pipeThrough(new TextDecoderStream())
      .pipeThrough(createLineStream())
      .getReader();
  }

  /** The next line that it prints, or `undefined` at the end. */
  async line(): Promise<string | undefined> {
    return (await this.#lines.read()).value;
  }

  /** All lines that it still prints. */
  async rest(): Promise<string[]> {
    const lines: string[] = [];
    for (let line = await this.line(); line !== undefined; line = await this.line()) {
      lines.push(line);
    }
    return lines;
  }

  /** Tells it to go on. */
  async go(): Promise<void> {
    const writer = this.#child.stdin.getWriter();
    await writer.write(new Uint8Array([10]));
    writer.releaseLock();
  }

  /** Waits for its end, and tells whether it was a good one. */
  async success(): Promise<boolean> {
    return (await this.#child.status).success;
  }

  /** Kills it, and waits until it is dead. */
  async kill(): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch (error) {
      // It has ended by itself.
      if (!(error instanceof TypeError)) throw error;
    }
    await this.#child.status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await this.#lines.cancel();
    // Closing is all that is left of it, and fails when the program has closed its end.
    await this.#child.stdin.close().catch(() => {});
  }
}

/** Splits text into complete lines. */
function createLineStream(): TransformStream<string, string> {
  let rest = "";
  return new TransformStream({
    transform(chunk, controller) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) controller.enqueue(line);
    },
  });
}
