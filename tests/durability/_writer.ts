import { type Catalogue, Expectations } from "./_expectations.ts";
import { createLineStream } from "./testdata/text_lines.ts";
import { toSize } from "./testdata/specimen.ts";

/** A program that works with the bag until it is killed, and what it has printed. */
export class Writer implements AsyncDisposable {
  /** What it has printed so far. */
  readonly lines: string[] = [];
  /** The first argument of all its calls. */
  readonly name: string;
  readonly #child: Deno.ChildProcess;
  readonly #reading: Promise<void>;
  #news = Promise.withResolvers<void>();

  /** Starts it. */
  constructor(mode: string, path: string) {
    this.name = mode;
    const program = new URL("./testdata/crash.ts", import.meta.url).href;
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-check", "--allow-read", "--allow-write", program, mode, path, mode],
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#reading = this.#read();
  }

  async #read(): Promise<void> {
    const texts = this.#child.stdout.pipeThrough(new TextDecoderStream());
    for await (const line of texts.pipeThrough(createLineStream())) {
      this.lines.push(line);
      const { resolve } = this.#news;
      this.#news = Promise.withResolvers();
      resolve();
    }
  }

  /** Waits until it has said so much more. */
  async more(count: number): Promise<void> {
    const enough = this.lines.length + count;
    while (this.lines.length < enough) await this.#news.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await Promise.all([this.#child.status, this.#reading]);
  }
}

/** What a writer had printed when a copy began. */
export type Told = readonly (readonly [writer: Writer, count: number])[];

/** What must be in a copy, or not: what was said before, unless it was about to change later. */
export function expectTold(told: Told, catalogue: Catalogue): Expectations {
  const expectations = new Expectations(catalogue);
  for (const [{ lines, name }, count] of told) {
    for (const line of lines.slice(0, count)) expectations.take(line, name, toSize);
    for (const line of lines.slice(count)) {
      if (line.startsWith("maybe ")) expectations.take(line, name, toSize);
    }
  }
  return expectations;
}
