import { until } from "./testdata/gated.ts";

/** A directory by which a test learns that calls run, on workers of any kind, and lets them end. */
export class Gate implements AsyncDisposable {
  /** What calls are given. */
  readonly path: string = Deno.makeTempDirSync();

  /** Resolves when so many calls have said that they run. */
  reached(count: number): Promise<void> {
    return until(this.path, (names) => names.length >= count);
  }

  /** Lets the calls end. */
  open(): void {
    Deno.writeTextFileSync(`${this.path}/open`, "");
  }

  /** Lets the calls end, too. */
  [Symbol.asyncDispose](): Promise<void> {
    return Deno.remove(this.path, { recursive: true });
  }
}
