/**
 * Checks all types, and runs all tests and every example of the docs: `deno task test`. Each folder of
 * `tests/` is a `deno test` of its own, so that what a test measures of its process is its own, and as
 * many run at a time as there are processors. What failed stands at the end. With arguments it is one `deno test` with these: `deno task test tests/bag`.
 *
 * @module
 */

import {
  type Answer,
  type Failure,
  FileTimes,
  listFailures,
  toBlock,
  toCounts,
  toReport,
} from "./test_output.ts";

const FOLDER = new URL("./", import.meta.url);
const ROOT = new URL("../", FOLDER);
const PERMISSIONS = ["--allow-read", "--allow-write", "--allow-run", "--allow-env"];
/** How many files are listed that took the longest. */
const SLOWEST = 10;

/** What one Deno does. */
export interface Room {
  /** What it is called in the output. */
  readonly name: string;
  /** What Deno is told to do. */
  readonly command: readonly string[];
  /** The tests among that: files, folders, or what is to be left out. */
  readonly tests: readonly string[];
}

/**
 * Lists all rooms, those that take long first.
 *
 * @returns The check of all types, all tests that are elsewhere, the folders of `tests/`, those with the
 * most files first, and the files beside them.
 */
export function listRooms(): Room[] {
  const entries = [...Deno.readDirSync(FOLDER)].sort((a, b) => a.name < b.name ? -1 : 1);
  const folders = entries.filter(({ isDirectory }) => isDirectory).map(({ name }) => name);
  const files = entries.filter(({ isFile }) => isFile).map(({ name }) => name).filter(isTest);
  const rooms = [
    ...folders.map((name) => ({ name, args: [`tests/${name}`], files: countTests(name) })),
    { name: "tests", args: files.map((name) => `tests/${name}`), files: files.length },
  ].filter((room) => room.files > 0).sort((a, b) => b.files - a.files);
  return [
    { name: "types", command: ["check", "--doc", "."], tests: [] },
    ...[{ name: "docs", args: ["--ignore=tests"] }, ...rooms].map(({ name, args }) => ({
      name,
      command: ["test", "--doc", "--no-check", ...PERMISSIONS, ...args],
      tests: args,
    })),
  ];
}

function isTest(name: string): boolean {
  return name.endsWith("_test.ts");
}

function countTests(folder: string): number {
  let count = 0;
  for (const { name, isDirectory } of Deno.readDirSync(new URL(folder, FOLDER))) {
    if (isDirectory) count += countTests(`${folder}/${name}`);
    else if (isTest(name)) count++;
  }
  return count;
}

/** Runs Deno to its end. */
async function run(args: readonly string[], onText: (text: string) => void): Promise<Answer> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: ROOT,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output: string[] = [];
  // As they come, so that what a test has printed on either stays beside its name.
  await Promise.all([child.stdout, child.stderr].map(async (stream) => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      output.push(text);
      onText(text);
    }
  }));
  const { success } = await child.status;
  return { success, output: output.join("").replaceAll(/^Check .*\n/gm, "") };
}

/** All rooms under way. */
class Run {
  readonly #waiting = listRooms();
  readonly #failures: Failure[] = [];
  readonly #seconds: [file: string, seconds: number][] = [];
  readonly #total = { passed: 0, failed: 0, ignored: 0 };

  /** Runs one room after the other, and prints each when it has ended. */
  async runNext(): Promise<void> {
    for (let room = this.#waiting.shift(); room; room = this.#waiting.shift()) {
      const times = new FileTimes();
      const answer = await run(room.command, (text) => times.read(text, performance.now()));
      const { passed, failed, ignored } = toCounts(answer);
      if (failed > 0) this.#failures.push(...listFailures(room.name, answer.output));
      this.#seconds.push(...times.end());
      this.#total.passed += passed;
      this.#total.failed += failed;
      this.#total.ignored += ignored;
      console.log(toBlock(room.name, answer));
    }
  }

  /** Prints what took the longest, what failed, and how many tests ended how; says whether all is well. */
  finish(seconds: number): boolean {
    const slowest = this.#seconds.sort(([, a], [, b]) => b - a).slice(0, SLOWEST);
    console.log(`== slowest: ${slowest.length} files, in seconds`);
    for (const [file, time] of slowest) console.log(`${time.toFixed(1).padStart(6)} ${file}`);
    const ok = this.#failures.length === 0;
    console.log(ok ? "" : `\n${toReport(this.#failures)}`);
    const { passed, failed, ignored } = this.#total;
    console.log(
      `${ok ? "ok" : "FAILED"} | ${passed} passed | ${failed} failed` +
        `${ignored > 0 ? ` | ${ignored} ignored` : ""} ` +
        `(${Math.floor(seconds / 60)}m${Math.floor(seconds % 60)}s)`,
    );
    return ok;
  }
}

/** Runs all rooms. */
async function runRooms(): Promise<boolean> {
  const begin = performance.now();
  const run = new Run();
  await Promise.all(Array.from({ length: navigator.hardwareConcurrency }, () => run.runNext()));
  return run.finish((performance.now() - begin) / 1000);
}

if (import.meta.main) {
  if (Deno.args.length === 0) Deno.exit(await runRooms() ? 0 : 1);
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "--doc", ...PERMISSIONS, ...Deno.args],
  }).spawn().status;
  Deno.exit(code);
}
