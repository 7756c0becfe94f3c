import { type ProgramOptions, runProgram } from "./_run_program.ts";

/** How a sweep is run. */
export interface SweepOptions {
  /** Options of `openBag`. */
  readonly bag?: { readonly mode?: "read" | "readwrite"; readonly fold?: "auto" | "manual" };
  /** Where the calls run. */
  readonly workerType?: "web" | "inline";
  /** Whether warnings are errors. */
  readonly strict?: boolean;
}

/** What a sweep has to tell. */
export interface SweepReport {
  /** How many results were not what they should be. */
  readonly wrong: number;
  /** How many calls ran. */
  readonly misses: number;
  /** How many calls the bag knows at the end. */
  readonly known: number;
  /** What the scope warned of. */
  readonly warnings: readonly string[];
  /** What was thrown, `"Name: message"`, with causes. */
  readonly thrown: readonly string[];
  /** The exit code. */
  readonly code: number;
  /** What was printed on standard error. */
  readonly stderr: string;
}

/** How many calls a sweep makes. */
export const SWEEP_CALLS = 8;

/** Sweeps the tasks of `testdata/tasks.ts` over a bag, in a program of its own. */
export async function sweep(
  path: string,
  options: SweepOptions = {},
  program: ProgramOptions = {},
): Promise<SweepReport> {
  const args = [path, JSON.stringify(options)];
  const { code, stdout, stderr } = await runProgram("sweep.ts", { ...program, args });
  const told = stdout.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
  return {
    ...{ wrong: 0, misses: 0, known: 0, warnings: [], thrown: [] },
    ...Object.assign({}, ...told),
    code,
    stderr,
  };
}

/** A report of a sweep in which nothing went wrong. */
export function toGoodReport(misses: number): SweepReport {
  const quiet = { warnings: [], thrown: [], code: 0, stderr: "" };
  return { wrong: 0, misses, known: SWEEP_CALLS, ...quiet };
}
