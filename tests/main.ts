/**
 * Runs all tests and every example of the docs: `deno task test`. Each folder of `tests/` is a `deno
 * test` of its own, so that what a test measures of its process is its own, and as many run at a time
 * as there are processors. With arguments it is one `deno test` with these: `deno task test tests/bag`.
 *
 * @module
 */

const FOLDER = new URL("./", import.meta.url);
const ROOT = new URL("../", FOLDER);
const PERMISSIONS = [
  "--allow-read",
  "--allow-write",
  "--allow-run",
  "--allow-env",
  "--allow-net=127.0.0.1",
];
const SUMMARY =
  /^(?:ok|FAILED) \| (\d+) passed(?: \(.*?\))? \| (\d+) failed(?: \(.*?\))?(?: \| (\d+) ignored)?.*$/gm;

/** What one `deno test` runs. */
export interface Room {
  /** What it is called in the output. */
  readonly name: string;
  /** What `deno test` is told: files, folders, or what is to be left out. */
  readonly args: readonly string[];
  /** How many files have tests, as far as that is known before. */
  readonly files: number;
}

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

/**
 * Lists all rooms, those with the most files first.
 *
 * @returns The folders of `tests/`, the files beside them, and all that is elsewhere.
 */
export function listRooms(): Room[] {
  const entries = [...Deno.readDirSync(FOLDER)].sort((a, b) => a.name < b.name ? -1 : 1);
  const folders = entries.filter(({ isDirectory }) => isDirectory).map(({ name }) => name);
  const files = entries.filter(({ isFile }) => isFile).map(({ name }) => name).filter(isTest);
  return [
    ...folders.map((name) => ({ name, args: [`tests/${name}`], files: countTests(name) })),
    { name: "tests", args: files.map((name) => `tests/${name}`), files: files.length },
    { name: "docs", args: ["--ignore=tests"], files: 1 },
  ].filter((room) => room.files > 0).sort((a, b) => b.files - a.files);
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

/**
 * Reads how many tests ended how.
 *
 * @param answer What a `deno test` has printed last.
 * @returns Its counts; one that fails without a failed test, such as one that ends too early, is one.
 */
export function toCounts({ success, output }: Answer): Counts {
  const [, ...numbers] = [...output.matchAll(SUMMARY)].at(-1) ?? [];
  const [passed = 0, failed = 0, ignored = 0] = numbers.map((text) => Number(text ?? 0));
  return { passed, failed: success ? failed : Math.max(failed, 1), ignored };
}

/** The counts of a room stand above what it printed: the last line is that of all. */
function toBlock(name: string, output: string): string {
  const summary = [...output.matchAll(SUMMARY)].at(-1)?.[0] ?? "has ended too early";
  return `== ${name}: ${summary}\n${output.replace(summary, "").trim()}\n`;
}

/** Runs Deno to its end. */
async function run(args: string[]): Promise<Answer> {
  const child = new Deno.Command(Deno.execPath(), {
    args,
    cwd: ROOT,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output: string[] = [];
  // As they come, so that what a test has printed on either stays beside its name.
  await Promise.all([child.stdout, child.stderr].map(async (stream) => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) output.push(text);
  }));
  const { success } = await child.status;
  return { success, output: output.join("") };
}

/** Runs all rooms, and prints each when it has ended. */
async function runRooms(): Promise<boolean> {
  const begin = performance.now();
  const checked = await run(["check", "--doc", "."]);
  console.log(checked.output.replaceAll(/^Check .*\n/gm, ""));
  const total = { passed: 0, failed: checked.success ? 0 : 1, ignored: 0 };
  const failed: string[] = checked.success ? [] : ["the check of all types"];
  const waiting = listRooms();
  const runNext = async (): Promise<void> => {
    for (let room = waiting.shift(); room !== undefined; room = waiting.shift()) {
      const answer = await run(["test", "--doc", "--no-check", ...PERMISSIONS, ...room.args]);
      const counts = toCounts(answer);
      if (counts.failed > 0) failed.push(room.name);
      total.passed += counts.passed;
      total.failed += counts.failed;
      total.ignored += counts.ignored;
      console.log(toBlock(room.name, answer.output));
    }
  };
  await Promise.all(Array.from({ length: navigator.hardwareConcurrency }, runNext));
  const seconds = Math.round((performance.now() - begin) / 1000);
  const { passed, ignored } = total;
  if (failed.length > 0) console.log(`failed: ${failed.join(", ")}`);
  console.log(
    `${failed.length > 0 ? "FAILED" : "ok"} | ${passed} passed | ${total.failed} failed` +
      `${ignored > 0 ? ` | ${ignored} ignored` : ""} (${Math.floor(seconds / 60)}m${
        seconds % 60
      }s)`,
  );
  return failed.length === 0;
}

if (import.meta.main) {
  if (Deno.args.length === 0) Deno.exit(await runRooms() ? 0 : 1);
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "--doc", ...PERMISSIONS, ...Deno.args],
  }).spawn().status;
  Deno.exit(code);
}
