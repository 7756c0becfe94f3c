// What `deno test` prints: counts, failures, and how long each file took. With arguments, logs of runs that failed: deno run --allow-read tests/test_output.ts LOG …

const SUMMARY =
  /^(?:ok|FAILED) \| (\d+) passed(?: \(.*?\))? \| (\d+) failed(?: \(.*?\))?(?: \| (\d+) ignored)?.*$/gm;
const HEADING = /^== (.+?): (.*)$/gm;
/** How many lines a list of failures has at most: all of it is to stand at the end of a log. */
const MOST_LINES = 24;
/** How many lines of an error are shown. */
const MOST_ERROR_LINES = 8;
const MOST_COLUMNS = 200;

/** How many tests ended how. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly ignored: number;
}

/** What a program has printed, and whether it succeeded. */
export interface Answer {
  readonly success: boolean;
  readonly output: string;
}

/** Something that failed. */
export interface Failure {
  /** What was run. */
  readonly room: string;
  /** The test; nothing when it is the whole run. */
  readonly name: string | undefined;
  /** The first lines of its error. */
  readonly error: readonly string[];
}

function findSummary(output: string): RegExpExecArray | undefined {
  return [...output.matchAll(SUMMARY)].at(-1);
}

/**
 * Reads how many tests ended how.
 *
 * @param answer What a `deno test` has printed last.
 * @returns Its counts; one that fails without a failed test, such as one that ends too early, is one.
 */
export function toCounts({ success, output }: Answer): Counts {
  const [, ...numbers] = findSummary(output) ?? [];
  const [passed = 0, failed = 0, ignored = 0] = numbers.map((text) => Number(text ?? 0));
  return { passed, failed: success ? failed : Math.max(failed, 1), ignored };
}

/**
 * Puts how a run ended above what it has printed, so that the last summary of all is that of all.
 *
 * @param name What was run.
 * @param answer What it has printed.
 * @returns Its part of the log.
 */
export function toBlock(name: string, { success, output }: Answer): string {
  const summary = findSummary(output)?.[0];
  const state = summary ?? (success ? "ok" : "FAILED without a summary");
  const rest = summary === undefined ? output : output.replace(summary, "");
  return `== ${name}: ${state}\n${rest.trim()}\n`;
}

/**
 * Lists what failed in a run that failed.
 *
 * @param room What was run.
 * @param output What it has printed.
 * @returns Each test that failed with the first lines of its error, or what the run ended with.
 */
export function listFailures(room: string, output: string): Failure[] {
  // A test may print the same words: those of Deno are the last.
  const failuresAt = output.lastIndexOf("\n FAILURES \n\n");
  const errorsAt = output.lastIndexOf("\n ERRORS \n\n", failuresAt);
  if (errorsAt < 0) return [{ room, name: undefined, error: toLastWords(output) }];
  const names = output.slice(failuresAt).split("\n\n")[1]?.split("\n") ?? [];
  const starts = names.map((name) => output.indexOf(`\n\n${name}\nerror: `, errorsAt));
  return names.map((name, i) => {
    const begin = starts[i] ?? -1;
    const text = begin < 0
      ? ""
      : output.slice(begin + name.length + 2, starts[i + 1] ?? failuresAt);
    return { room, name: name.replace(/ => \.\/\S+$/, ""), error: toLines(text) };
  });
}

function toLines(text: string): string[] {
  return text.split("\n").map((line) => line.trim()).filter((line) => line !== "")
    .slice(0, MOST_ERROR_LINES).map((line) => line.slice(0, MOST_COLUMNS));
}

/** What a run says of its end that failed and names no test. */
function toLastWords(output: string): string[] {
  const text = output.replace(/^Stack backtrace:\n.*$/m, "").trim();
  const error = /^.*(?:\berror(?:\[[\w-]+\])?: |\[ERROR\])/m.exec(text);
  const words = error === null ? "" : text.slice(error.index);
  // What stands before a last line that only counts says more.
  return toLines(
    words.includes("\n") ? words : text.split("\n").slice(-MOST_ERROR_LINES).join("\n"),
  );
}

/**
 * Says what failed in so few lines that each name stands at the end of a log.
 *
 * @param failures All of them.
 * @returns A line for each failure, and as much of each error as there is room for.
 */
export function toReport(failures: readonly Failure[]): string {
  const shown = failures.slice(0, failures.length > MOST_LINES ? MOST_LINES - 1 : MOST_LINES);
  const room = Math.floor(MOST_LINES / Math.max(shown.length, 1)) - 1;
  const lines = shown.flatMap(({ room: run, name, error }) => [
    `failed: ${name === undefined ? run : `${run}: ${name}`}`,
    ...error.slice(0, room).map((line) => `  ${line}`),
  ]);
  const more = failures.length - shown.length;
  return [...lines, ...(more > 0 ? [`failed: and ${more} more`] : [])].join("\n");
}

/**
 * Lists what failed in a log, whose parts have headings as {@linkcode toBlock} makes them.
 *
 * @param name What was run, for what stands above the first heading.
 * @param log What a run that failed has printed.
 * @returns What failed in each of its parts.
 */
export function listFailuresOfLog(name: string, log: string): Failure[] {
  const headings = [...log.matchAll(HEADING)];
  if (headings.length === 0) return listFailures(name, log);
  return headings.flatMap(({ 0: heading, 1: room = "", 2: state = "", index }, i) =>
    state.startsWith("FAILED")
      ? listFailures(room, log.slice(index + heading.length, headings[i + 1]?.index))
      : []
  );
}

/** How long each file of tests took, by when `deno test` began to print what it did. */
export class FileTimes {
  readonly #seconds = new Map<string, number>();
  #file: string | undefined;
  #begun = 0;
  #last = 0;

  /**
   * Reads on.
   *
   * @param text What was printed.
   * @param time When, in milliseconds.
   */
  read(text: string, time: number): void {
    for (const [, file = ""] of text.matchAll(/^running \d+ tests? from \.\/(\S+)$/gm)) {
      // A module is loaded before its tests are announced.
      this.#end(this.#last);
      this.#file = file;
    }
    this.#last = time;
  }

  /**
   * Reads no more.
   *
   * @returns The seconds of each file, in the order in which they ran.
   */
  end(): ReadonlyMap<string, number> {
    this.#end(this.#last);
    return this.#seconds;
  }

  #end(time: number): void {
    if (this.#file !== undefined) {
      const seconds = (time - this.#begun) / 1000;
      this.#seconds.set(this.#file, (this.#seconds.get(this.#file) ?? 0) + seconds);
    }
    this.#begun = time;
  }
}

if (import.meta.main) {
  const failures = Deno.args.flatMap((path) =>
    listFailuresOfLog(path.replace(/^.*\//, ""), Deno.readTextFileSync(path))
  );
  console.log(toReport(failures));
}
